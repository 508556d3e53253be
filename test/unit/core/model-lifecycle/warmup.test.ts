import { expect, test } from "vitest";
import { int32, modelConfig, tritonServer } from "../../../support/core-fixture.ts";
import { backendError } from "../../../support/scripted-backend.ts";

/** A sample for IN. */
const warmup = (input: string, sample = "batch_size: 1", maxBatchSize = 4): string =>
  `max_batch_size: ${maxBatchSize}
model_warmup { name: "w1" ${sample} inputs { key: "IN" value { data_type: TYPE_INT32 dims: [ 1 ] ${input} } } }`;

const reason = (cause: string): string =>
  `load failed for model 'm': version 1 is at UNAVAILABLE state: ${cause};\n`;

test("warm-up: runs each sample on each instance before the version is ready, and counts like requests", () => {
  const fixture = tritonServer({
    models: { m: modelConfig(warmup("zero_data: true", "batch_size: 3 count: 2"), 2) },
  });
  const load = fixture.load("m");
  expect(load.done).toBe(false);
  expect(fixture.index()).toEqual(["m:1 LOADING"]);
  fixture.clock.runAll();
  expect(load).toEqual({ done: true, error: null });
  expect(fixture.backend.runs.map(({ instance, requests }) => [instance, requests.length])).toEqual([
    ["m_0_0", 3],
    ["m_0_0", 3],
    ["m_0_1", 3],
    ["m_0_1", 3],
  ]);
  expect(fixture.backend.runs[0]!.requests[0]!.inputs[0]!.shape).toEqual([1, 1]);
  expect(fixture.statistics("m")).toMatchObject({
    inference_count: 12,
    execution_count: 4,
    inference_stats: { success: { count: 12 }, queue: { ns: 0 } },
  });
});

test("warm-up: sends a sample as one request, when the model does not batch", () => {
  const fixture = tritonServer({ models: { m: modelConfig(warmup("zero_data: true", "batch_size: 3", 0)) } });
  fixture.load("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ requests }) => requests.map(({ inputs }) => inputs[0]!.shape))).toEqual([
    [[1]],
  ]);
});

test("warm-up: leaves a sample with batch_size 0 out", () => {
  const fixture = tritonServer({
    models: { m: modelConfig(warmup("zero_data: true", "batch_size: 0 count: 2", 0)) },
  });
  expect(fixture.load("m")).toEqual({ done: true, error: null });
  expect(fixture.backend.runs).toEqual([]);
  expect(fixture.statistics("m").last_inference).toBe(0);
});

test("warm-up: reads data from the warmup folder", () => {
  const fixture = tritonServer({
    models: {
      m: { config: modelConfig(warmup(`input_data_file: "seven"`)), files: { "warmup/seven": int32(7) } },
    },
  });
  fixture.load("m");
  fixture.clock.runAll();
  expect([...fixture.backend.runs[0]!.requests[0]!.inputs[0]!.data]).toEqual([7, 0, 0, 0]);
});

test("warm-up: makes the same random data from the same seed", () => {
  const dataOf = (randomSeed: number): number[] => {
    const fixture = tritonServer({ models: { m: modelConfig(warmup("random_data: true")) }, randomSeed });
    fixture.load("m");
    fixture.clock.runAll();
    return [...fixture.backend.runs[0]!.requests[0]!.inputs[0]!.data];
  };
  expect(dataOf(1)).toEqual(dataOf(1));
  expect(dataOf(1)).not.toEqual(dataOf(2));
});

test("warm-up: fails the load, when a run fails, and leaves nothing behind", () => {
  const fixture = tritonServer({ models: { m: modelConfig(warmup("zero_data: true"), 2) } });
  fixture.backend.outcomeOf = () => ({ error: backendError("boom") });
  const load = fixture.load("m");
  fixture.clock.runAll();
  expect(load.error?.message).toBe(reason("Invalid argument: failed to run warmup sample 'w1': boom; "));
  expect(fixture.account.used("host")).toBe(0);
  expect(fixture.backend.events.slice(-2)).toEqual(["release m:1 m_0_0", "finalize m:1"]);
});

test("warm-up: fails the load, when a sample is not what the model takes", () => {
  const strings = `backend: "scripted" max_batch_size: 2
input { name: "IN" data_type: TYPE_STRING dims: [ 1 ] } output { name: "OUT" data_type: TYPE_STRING dims: [ 1 ] }`;
  const sample = (input: string): string =>
    `model_warmup { name: "w1" batch_size: 1 inputs { key: "IN" value { ${input} } } }`;
  const cases: [string, string][] = [
    [
      modelConfig(warmup(`input_data_file: "nofile"`)),
      "Internal: failed to open text file for read repository/m/warmup/nofile: No such file or directory",
    ],
    [
      modelConfig(warmup(`input_data_file: "three"`)),
      "Invalid argument: [request id: <id_unknown>] warmup setting expects 4 bytes, but the data provided from threeonly has 3 bytes",
    ],
    [
      modelConfig(warmup("")),
      "Invalid argument: [request id: <id_unknown>] warmup setting expects input 'IN' to have input_data_type set",
    ],
    [
      strings + sample("data_type: TYPE_STRING dims: [ -1 ] zero_data: true"),
      "Invalid argument: warmup setting expects all variable-size dimensions are specified for input 'IN'",
    ],
    [
      strings + sample(`data_type: TYPE_STRING dims: [ 1 ] input_data_file: "cut"`),
      "Invalid argument: [request id: <id_unknown>] incomplete string length indicator for inference input 'IN' for model 'm', expecting 4 bytes but only 1 bytes available. Please make sure the string length indicator is in one buffer.",
    ],
  ];
  for (const [config, cause] of cases) {
    const fixture = tritonServer({
      models: { m: { config, files: { "warmup/three": "abc", "warmup/cut": "\x01\0\0\0ab" } } },
    });
    expect(fixture.load("m").error?.message).toBe(reason(cause));
    expect(fixture.account.used("host")).toBe(0);
  }
});

test("warm-up: sees the reshaped input, as a request would", () => {
  const fixture = tritonServer({
    models: {
      m: `backend: "scripted" max_batch_size: 2
input { name: "IN" data_type: TYPE_INT32 dims: [ 4 ] reshape { shape: [ 2, 2 ] } }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 4 ] }
model_warmup { name: "w1" batch_size: 1 inputs { key: "IN" value { data_type: TYPE_INT32 dims: [ 4 ] zero_data: true } } }`,
    },
  });
  fixture.load("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs[0]!.requests[0]!.inputs[0]!.shape).toEqual([1, 2, 2]);
});

test("warm-up: runs on an instance that an in-place update adds, and not on the one that stays", () => {
  const fixture = tritonServer({ models: { m: modelConfig(warmup("zero_data: true")) } });
  fixture.load("m");
  fixture.clock.runAll();
  fixture.storage.write("repository/m/config.pbtxt", modelConfig(warmup("zero_data: true"), 2));
  fixture.load("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ instance }) => instance)).toEqual(["m_0_0", "m_0_1"]);
});
