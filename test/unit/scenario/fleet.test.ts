import { expect, test } from "vitest";
import {
  archiveBytes,
  archiveFiles,
  changed,
  configJson,
  configText,
  type FleetModel,
  requestBody,
  statedBytes,
  unpackedBytes,
} from "../../../emulator/scenario/fleet.ts";
import { scenarioOf } from "../../support/scenarios.ts";

const fleetOf = (models: string): ReadonlyMap<string, FleetModel> =>
  scenarioOf(`machine: ml.g4dn.xlarge\nmodels: [${models}, { name: a }]`).fleet;

const modelOf = (words: string): FleetModel => fleetOf(`{ name: m, ${words} }`).get("m")!;

const MIB = 2 ** 20;

test("fleet: a configuration states whose memory it has, its bytes and its times", () => {
  const text = configText(
    modelOf("backend: python, host: 100MiB, load: 2s, warm: 'lognormal(9ms, 0.2)', instances: 2"),
  );
  expect(text).toContain('backend: "synthetic"');
  expect(text).toContain("instance_group [ { kind: KIND_CPU count: 2 } ]");
  for (const [key, value] of [
    ["memory.profile", "python"],
    ["memory.host_weights_bytes", String(100 * MIB)],
    ["synthetic.load_us", "2000000"],
    ["synthetic.warm_us", "lognormal(9000,0.2)"],
    ["synthetic.cold_us", "lognormal(9000,0.2)"],
  ]) {
    expect(text).toContain(`parameters { key: "${key}" value { string_value: "${value}" } }`);
  }
});

test("fleet: a model with bytes on a GPU runs there, and what it says in its own syntax comes along", () => {
  const text = configText(modelOf("gpu: 1GiB, max_batch: 8, config: 'dynamic_batching { }'"));
  expect(text).toContain("kind: KIND_GPU");
  expect(text).toContain("max_batch_size: 8");
  expect(text).toContain("dynamic_batching { }");
});

test("fleet: the files of an archive lie on top, or in the folders that the model names", () => {
  const pathsOf = (words: string) => [...archiveFiles(modelOf(words), new Map()).keys()];
  expect(pathsOf("host: 1MiB")).toEqual(["config.pbtxt", "1/model"]);
  expect(pathsOf("inside: export/m")).toEqual(["export/m/config.pbtxt", "export/m/1/model"]);
});

test("fleet: the configuration of an override is the same as JSON", () => {
  const model = changed(modelOf("backend: python, host: 100MiB"), { instances: 3 });
  expect(JSON.parse(configJson(model))).toMatchObject({
    backend: "synthetic",
    instance_group: [{ kind: "KIND_CPU", count: 3 }],
    parameters: { "memory.profile": { string_value: "python" } },
  });
});

test("fleet: an archive is as large as it says, else as its weights; an ensemble's is that of its members", () => {
  const fleet = fleetOf(
    "{ name: e, backend: ensemble, members: [x, y] }, { name: x, host: 10MiB }, { name: y, gpu: 20MiB, archive: 5MiB, unpacked: 25MiB }",
  );
  const sizes = (name: string) =>
    [archiveBytes, unpackedBytes].map((bytesOf) => bytesOf(fleet.get(name)!, fleet) / MIB);
  expect(sizes("x")).toEqual([10, 10]);
  expect(sizes("y")).toEqual([5, 25]);
  expect(sizes("e")).toEqual([35, 35]);
  expect(sizes("a")).toEqual([1, 1]);
  expect([...archiveFiles(fleet.get("e")!, fleet).keys()]).toEqual([
    "e/config.pbtxt",
    "e/1/model",
    "x/config.pbtxt",
    "x/1/model",
    "y/config.pbtxt",
    "y/1/model",
  ]);
  expect([...archiveFiles(fleet.get("x")!, fleet).keys()]).toEqual(["config.pbtxt", "1/model"]);
});

test("fleet: the bytes that a model states, for estimates", () => {
  const fleet = fleetOf(
    "{ name: m, host: { weights: 10MiB, workspace: 1MiB, arena_per_row: 2MiB }, gpu: 100MiB, max_batch: 4, instances: 2 }",
  );
  expect(statedBytes(fleet.get("m")!, fleet)).toEqual({ host: 38 * MIB, gpu: 200 * MIB, disk: 0 });
});

test("fleet: rows are a batch where the model has one, else they follow each other", () => {
  const bodyOf = (batching: boolean) => JSON.parse(Buffer.from(requestBody(batching, 2, 3)).toString());
  expect(bodyOf(true).inputs[0]).toEqual({
    name: "INPUT0",
    shape: [2, 3],
    datatype: "INT32",
    data: [0, 1, 2, 3, 4, 5],
  });
  expect(bodyOf(false).inputs[0].shape).toEqual([6]);
  expect(JSON.parse(Buffer.from(requestBody(true, 1, 2, 7)).toString()).inputs[0].data).toEqual([7, 8]);
});
