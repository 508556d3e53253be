import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { StateFile } from "../../../../emulator/aws/sagemaker/state-file.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { allTraffic, arn, Fixture, multiModel, SECOND } from "./control-plane-fixture.ts";

/** What the worker is about to do, and what it has done. */
export interface Line {
  readonly id: string;
  /** What is there then; null = nothing. */
  readonly state: string | null;
  readonly done: boolean;
}

const TAG = "version";

/** What is there of a model or an endpoint, as the lines tell it. */
export const stateOf = (fixture: Fixture, id: string): string | null => {
  const [kind, name = ""] = id.split(" ");
  if (kind === "model") {
    if (fixture.errorOf("DescribeModel", { ModelName: name }) !== null) return null;
    return JSON.stringify(fixture.call("ListTags", { ResourceArn: arn(`model/${name}`) }).Tags);
  }
  if (fixture.errorOf("DescribeEndpoint", { EndpointName: name }) !== null) return null;
  const { ProductionVariants, EndpointStatus } = fixture.call("DescribeEndpoint", { EndpointName: name });
  if (EndpointStatus === "Deleting") return null;
  return JSON.stringify(ProductionVariants, ["CurrentWeight", "CurrentInstanceCount"]);
};

const capacities = (CurrentWeight: number, CurrentInstanceCount: number): string =>
  JSON.stringify([{ CurrentWeight, CurrentInstanceCount }]);

/** Creates, changes and deletes until it is killed. */
const work = (folder: string, seed: number): void => {
  const random = new Random(seed);
  const fixture = new Fixture(new StateFile(folder));
  fixture.clock.advance(SECOND);
  if (fixture.errorOf("DescribeEndpointConfig", { EndpointConfigName: "c" }) !== null) {
    fixture.call("CreateModel", { ModelName: "m", PrimaryContainer: multiModel });
    fixture.createConfig("c", [allTraffic]);
  }
  const run = (id: string, state: string | null, operation: string, input: object): void => {
    writeSync(1, `${JSON.stringify({ id, state, done: false })}\n`);
    fixture.call(operation, input);
    writeSync(1, `${JSON.stringify({ id, state, done: true })}\n`);
    fixture.clock.advance(SECOND);
  };
  for (;;) {
    const [name, version] = [`x${random.nextUint32() % 4}`, random.nextUint32() % 5];
    const changes = random.nextUint32() % 3 > 0;
    if (random.nextUint32() % 2 === 0) {
      const id = `model ${name}`;
      const Tags = [{ Key: TAG, Value: String(version) }];
      const state = JSON.stringify(Tags);
      if (stateOf(fixture, id) === null)
        run(id, state, "CreateModel", { ModelName: name, PrimaryContainer: multiModel, Tags });
      else if (changes) run(id, state, "AddTags", { ResourceArn: arn(`model/${name}`), Tags });
      else run(id, null, "DeleteModel", { ModelName: name });
    } else {
      const id = `endpoint ${name}`;
      const DesiredWeightsAndCapacities = [
        { VariantName: "AllTraffic", DesiredWeight: version, DesiredInstanceCount: version },
      ];
      if (stateOf(fixture, id) === null)
        run(id, capacities(1, 1), "CreateEndpoint", { EndpointName: name, EndpointConfigName: "c" });
      else if (changes) {
        const input = { EndpointName: name, DesiredWeightsAndCapacities };
        run(id, capacities(version, version), "UpdateEndpointWeightsAndCapacities", input);
      } else run(id, null, "DeleteEndpoint", { EndpointName: name });
    }
  }
};

const [, script = "", folder = "", seed = ""] = process.argv;
if (import.meta.url === pathToFileURL(script).href) work(folder, Number(seed));
