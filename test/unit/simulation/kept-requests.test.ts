import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { noFaults } from "../../../emulator/core/faults/fault-source.ts";
import { SimulatedContainerFixture } from "../../support/simulated-container.ts";

const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("no garbage collector to call");
  collect();
};

test("container: a loaded model keeps nothing of the request that loaded it", async () => {
  const fixture = new SimulatedContainerFixture({ faults: noFaults });
  fixture.put("a");
  const load = (): WeakRef<object> => {
    const asked = { status: 0 };
    const url = "/opt/ml/models/ha/model";
    fixture.container.load({ modelName: "ha", targetModel: "a.tar.gz", url }, (answer) => {
      asked.status = answer?.status ?? 0;
    });
    fixture.clock.advance(600_000_000);
    expect(asked.status).toBe(200);
    return new WeakRef(asked);
  };
  const asked = load();
  // What a WeakRef is made of stays until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  expect(asked.deref()).toBeUndefined();
});
