import { afterAll, expect, test } from "vitest";
import {
  config,
  context,
  execute,
  fp32,
  input,
  int32,
  load,
  loaded,
  ModelFolders,
  numbers,
  onnxBackend,
  output,
  RecordingLog,
  request,
  unload,
} from "./load-model.ts";

const backend = onnxBackend();
const folders = new ModelFolders();

afterAll(async () => {
  await backend.stop();
  folders.remove();
});

test("backend: completes, runs and gives back a model without a configuration", async () => {
  const log = new RecordingLog();
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "add_sub.onnx" }), { log }));
  expect(model.config.max_batch_size).toBe(4);
  expect(model.config.input.map(({ name }) => name)).toEqual(["INPUT1", "INPUT0"]);
  expect(model.config.dynamic_batching).toBeDefined();
  expect(model.instances[0]?.executionProvider).toBe("CPU");
  const { responses, report } = await execute(model.instances[0]!, [
    request([int32("INPUT0", [1, 4], [1, 2, 3, 4]), int32("INPUT1", [1, 4], [10, 20, 30, 40])], {
      batchSize: 1,
    }),
  ]);
  expect(report.success).toBe(true);
  expect(responses[0]?.outputs.map(({ name, shape }) => [name, shape])).toEqual([
    ["OUTPUT0", [1, 4]],
    ["OUTPUT1", [1, 4]],
  ]);
  expect(numbers(responses[0], "OUTPUT0")).toEqual([11, 22, 33, 44]);
  expect(numbers(responses[0], "OUTPUT1")).toEqual([-9, -18, -27, -36]);
  await unload(model);
  expect(log.lines).toEqual([
    "I TRITONBACKEND_ModelInitialize: m (version 1)",
    "W autofilled max_batch_size to 4 for model 'm' since batching is supporrted but no max_batch_size is specified in model configuration. Must specify max_batch_size to utilize autofill with a larger max batch size",
    "I TRITONBACKEND_ModelInstanceInitialize: m_0 (CPU device 0)",
    "I TRITONBACKEND_ModelInstanceFinalize: delete instance state",
    "I TRITONBACKEND_ModelFinalize: delete model state",
  ]);
});

test("backend: runs small repeated requests on the main thread with the same answers, when they proved short", async () => {
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "identity.onnx" })), 2);
  for (let i = 0; i < 20; i++) {
    const { responses } = await execute(model.instances[i % 2]!, [
      request([fp32("X", [1, 4], [i, 2, 3, 4])], { batchSize: 1 }),
    ]);
    expect(numbers(responses[0], "Y")).toEqual([i, 2, 3, 4]);
  }
  await unload(model);
});

test("backend: answers a missing model file in the real server's words", async () => {
  const folder = folders.make({});
  const error = await load(backend, context(folder));
  expect(error).toMatchObject({
    code: "INTERNAL",
    message: `failed to stat file ${folder.path}/1/model.onnx`,
  });
});

test("backend: opens a model with a whole configuration only with its first instance", async () => {
  const whole = config({
    max_batch_size: 8,
    input: [input("X", "TYPE_FP32", [4])],
    output: [output("Y", "TYPE_FP32", [4])],
  });
  const log = new RecordingLog();
  const model = await loaded(
    backend,
    context(folders.make({ "1/model.onnx": "identity.onnx" }), { config: whole, log }),
  );
  expect(model.model.completedConfig).toBeNull();
  expect(log.lines[1]).toBe(
    "I skipping model configuration auto-complete for 'm': inputs and outputs already specified",
  );
  await unload(model);
});
