import { expect, test } from "vitest";
import {
  checkInstanceOptions,
  readBackendOptions,
  readModelOptions,
} from "../../../../emulator/backends/onnxruntime/session-options.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { config, parameters } from "./load-model.ts";

const plain = { defaultMaxBatchSize: 4, globalThreadPool: null };

const modelOptions = (values: Readonly<Record<string, string>>, backend = plain) =>
  readModelOptions(config({ parameters: parameters(values) }), backend, 8);

const withGraphLevel = (level: number): ModelConfig =>
  config({
    optimization: {
      graph: { level },
      priority: "PRIORITY_DEFAULT",
      gather_kernel_buffer_threshold: 0,
      eager_batching: false,
    },
  });

const withAccelerators = (
  cpu: readonly string[],
  gpu: readonly string[],
  keys: readonly string[] = [],
): ModelConfig => {
  const accelerators = (names: readonly string[]) =>
    names.map((name) => ({ name, parameters: new Map(keys.map((key) => [key, "1"])) }));
  return config({
    optimization: {
      priority: "PRIORITY_DEFAULT",
      gather_kernel_buffer_threshold: 0,
      eager_batching: false,
      execution_accelerators: {
        cpu_execution_accelerator: accelerators(cpu),
        gpu_execution_accelerator: accelerators(gpu),
      },
    },
  });
};

test("model options: one thread, sequential, all optimisations, when nothing is said", () => {
  expect(modelOptions({})).toEqual({
    ok: true,
    value: {
      session: {
        intraOpThreads: 1,
        interOpThreads: 1,
        executionMode: "sequential",
        graphOptimizationLevel: "all",
        enableCpuMemArena: true,
        enableMemPattern: true,
      },
      arenaShrinkage: "",
    },
  });
});

test("model options: takes what the parameters say, as std::stoi reads numbers", () => {
  const options = modelOptions({
    intra_op_thread_count: " 3.7",
    inter_op_thread_count: "-1",
    execution_mode: "1",
    enable_mem_arena: "FALSE",
    enable_mem_pattern: "0",
    "memory.enable_memory_arena_shrinkage": "cpu:0",
    nosuch_parameter: "x",
  });
  expect(options).toMatchObject({
    ok: true,
    value: {
      session: {
        intraOpThreads: 3,
        interOpThreads: 8,
        executionMode: "parallel",
        enableCpuMemArena: false,
        enableMemPattern: false,
      },
      arenaShrinkage: "cpu:0",
    },
  });
});

test.each([
  ["intra_op_thread_count", "x", "failed to convert 'x' to integral number"],
  ["inter_op_thread_count", "", "failed to convert '' to integral number"],
  ["intra_op_thread_count", "2147483648", "failed to convert '2147483648' to integral number"],
  [
    "execution_mode",
    "2",
    "Invalid configuration value provided. Expected values for  execution_mode are 0 or 1 but got 2 .",
  ],
  ["enable_mem_arena", "x", "failed to convert 'x' to boolean"],
  ["enable_mem_pattern", "2", "failed to convert '2' to boolean"],
])("model options: refuses %s = '%s'", (key, value, message) => {
  expect(modelOptions({ [key]: value })).toMatchObject({
    ok: false,
    error: { code: "INVALID_ARG", message },
  });
});

test("model options: complains of the execution mode before thread counts, of those before the arena", () => {
  const all = {
    execution_mode: "a",
    intra_op_thread_count: "b",
    inter_op_thread_count: "c",
    enable_mem_arena: "d",
  };
  expect(modelOptions(all)).toMatchObject({ error: { message: "failed to convert 'a' to integral number" } });
  expect(modelOptions({ ...all, execution_mode: "0" })).toMatchObject({
    error: { message: "failed to convert 'b' to integral number" },
  });
});

test.each([
  [-1, "basic"],
  [0, "all"],
  [1, "extended"],
  [2, "disabled"],
  [7, "all"],
])("model options: graph level %i is %s", (level, expected) => {
  const options = readModelOptions(withGraphLevel(level), plain, 2);
  expect(options.ok && options.value.session.graphOptimizationLevel).toBe(expected);
});

test("backend options: default-max-batch-size is 4, a global pool gives models their thread counts", () => {
  expect(readBackendOptions(new Map())).toEqual({ ok: true, value: plain });
  const options = readBackendOptions(
    new Map([
      ["enable-global-threadpool", "1"],
      ["intra_op_thread_count", "5"],
      ["default-max-batch-size", "16"],
      ["anything-else", "x"],
    ]),
  );
  expect(options).toEqual({
    ok: true,
    value: { defaultMaxBatchSize: 16, globalThreadPool: { intraOpThreads: 5, interOpThreads: 0 } },
  });
  expect(options.ok && readModelOptions(config({}), options.value, 2)).toMatchObject({
    value: { session: { intraOpThreads: 5, interOpThreads: 1 } },
  });
});

test.each([
  ["default-max-batch-size", "x", "failed to convert 'x' to integral number"],
  ["enable-global-threadpool", "x", "failed to convert 'x' to boolean"],
])("backend options: refuses %s = %s", (key, value, message) => {
  expect(readBackendOptions(new Map([[key, value]]))).toMatchObject({
    ok: false,
    error: { code: "INVALID_ARG", message },
  });
});

test("instance options: the CPU list of accelerators counts on the CPU, the GPU list on a GPU", () => {
  const unknown = {
    ok: false,
    error: { code: "INVALID_ARG", message: "unknown Execution Accelerator 'x' is requested" },
  };
  expect(checkInstanceOptions(withAccelerators(["x"], []), false)).toMatchObject(unknown);
  expect(checkInstanceOptions(withAccelerators([], ["x"]), false)).toEqual({ ok: true, value: null });
  expect(checkInstanceOptions(withAccelerators([], ["x"]), true)).toMatchObject(unknown);
  expect(checkInstanceOptions(withAccelerators(["x"], ["cuda"]), true)).toEqual({ ok: true, value: null });
  expect(checkInstanceOptions(withAccelerators([], ["tensorrt"], ["nosuch"]), true)).toMatchObject({
    error: { message: "unknown parameter 'nosuch' is provided for TensorRT Execution Accelerator" },
  });
});

test("instance options: choices of CUDA are looked at by GPU instances only", () => {
  const bad = config({ parameters: parameters({ cudnn_conv_algo_search: "9" }) });
  expect(checkInstanceOptions(bad, false)).toEqual({ ok: true, value: null });
  expect(checkInstanceOptions(bad, true)).toMatchObject({
    error: { message: "unsupported cudnn_conv_algo_search value '9' is requested" },
  });
});
