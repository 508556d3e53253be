import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import {
  chooseProvider,
  OnnxRuntimeBackend,
} from "../../../../emulator/backends/onnxruntime/onnxruntime-backend.ts";
import { SystemClock } from "../../../../emulator/common/system-clock.ts";
import type { InputTensor } from "../../../../emulator/core/tensor/inference-request.ts";
import {
  config,
  context,
  cpuInstance,
  createInstance,
  execute,
  fp32,
  graph,
  initialize,
  input,
  int32,
  int64,
  load,
  loaded,
  ModelFolders,
  numbers,
  onnxBackend,
  output,
  parameters,
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

test("backend: gives the same answers to repeated requests, wherever they run", async () => {
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

/** One element of each type, and how the model of thirteen identities names it. */
const elements: readonly (readonly [string, string, readonly number[]])[] = [
  ["bool", "BOOL", [1, 0]],
  ["u8", "UINT8", [0, 255]],
  ["u16", "UINT16", [0, 0, 255, 255]],
  ["u32", "UINT32", [0, 0, 0, 0, 255, 255, 255, 255]],
  ["u64", "UINT64", [0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]],
  ["i8", "INT8", [128, 127]],
  ["i16", "INT16", [0, 128, 255, 127]],
  ["i32", "INT32", [0, 0, 0, 128, 255, 255, 255, 127]],
  ["i64", "INT64", [0, 0, 0, 0, 0, 0, 0, 128, 255, 255, 255, 255, 255, 255, 255, 127]],
  ["fp16", "FP16", [0, 60, 1, 126]],
  ["fp32", "FP32", [205, 204, 204, 61, 0, 0, 192, 127]],
  ["fp64", "FP64", [154, 153, 153, 153, 153, 153, 185, 63, 0, 0, 0, 0, 0, 0, 240, 255]],
  ["str", "BYTES", [1, 0, 0, 0, 97, 2, 0, 0, 0, 255, 254]],
];

test("backend: carries every type there and back, byte for byte, also from unaligned memory", async () => {
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "all_types.onnx" })));
  const inputs = elements.map(([name, datatype, bytes]) => {
    const data = new Uint8Array(bytes.length + 1);
    data.set(bytes, 1);
    return { name: `x_${name}`, datatype, shape: [1, 2], data: data.subarray(1) };
  });
  for (let i = 0; i < 5; i++) {
    const { responses } = await execute(model.instances[0]!, [request(inputs, { batchSize: 1 })]);
    expect(responses[0]?.error).toBeUndefined();
    const given = new Map(responses[0]?.outputs.map((one) => [one.name, one]));
    for (const [name, datatype, bytes] of elements) {
      const tensor = given.get(`y_${name}`);
      expect([tensor?.datatype, tensor?.shape, [...(tensor?.data ?? [])]]).toEqual([datatype, [1, 2], bytes]);
    }
    expect(responses[0]?.outputs.map(({ name }) => name)).toEqual([...given.keys()].sort());
  }
  await unload(model);
});

test("backend: joins requests in one run and gives each its rows", async () => {
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "identity.onnx" })));
  const { responses } = await execute(model.instances[0]!, [
    request([fp32("X", [1, 4], [1, 2, 3, 4])], { batchSize: 1 }),
    request([fp32("X", [2, 4], [5, 6, 7, 8, 9, 10, 11, 12])], { batchSize: 2 }),
  ]);
  expect(responses.map((response) => numbers(response, "Y"))).toEqual([
    [1, 2, 3, 4],
    [5, 6, 7, 8, 9, 10, 11, 12],
  ]);
  await unload(model);
});

test("backend: a failure in the graph is the answer to every request of the batch", async () => {
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "gather_batch.onnx" })));
  const batch = [2, 7].map((index) => request([int64("I", [1, 1], [index])], { batchSize: 1 }));
  const { responses, report } = await execute(model.instances[0]!, batch);
  expect(report.success).toBe(false);
  expect(responses.map(({ error }) => `${error?.code} ${error?.message}`)).toEqual(
    Array(2).fill(
      "INTERNAL onnx runtime error 2: Non-zero status code returned while running Gather node. Name:'pick' Status Message: " +
        "indices element out of data bounds, idx=7 must be within the inclusive range [-4,3]",
    ),
  );
  await unload(model);
});

test("backend: an integer division by zero is an error, and the thread lives on", async () => {
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "div_int.onnx" })));
  const divide = (by: number) =>
    execute(model.instances[0]!, [request([int32("A", [1], [6]), int32("B", [1], [by])], { batchSize: 1 })]);
  expect((await divide(0)).responses[0]?.error?.message).toBe(
    "onnx runtime error 1: Non-zero status code returned while running Div node. Name:'' Status Message: element_wise_ops.cc:692 Compute Integer division by zero",
  );
  expect(numbers((await divide(3)).responses[0], "C")).toEqual([2]);
  await unload(model);
});

test("backend: an initialiser listed as optional input is used, and has its own value where a request leaves it out", async () => {
  const of = config({
    input: [input("X", "TYPE_FP32", [2]), { ...input("W", "TYPE_FP32", [2]), optional: true }],
    output: [output("Y", "TYPE_FP32", [2])],
  });
  const model = await loaded(
    backend,
    context(folders.make({ "1/model.onnx": "optional.onnx" }), { config: of }),
  );
  const answer = async (...inputs: readonly InputTensor[]) =>
    (await execute(model.instances[0]!, [request(inputs)])).responses[0];
  const x = fp32("X", [2], [1, 2]);
  expect(numbers(await answer(x), "Y")).toEqual([11, 22]);
  expect(numbers(await answer(x, fp32("W", [2], [0, 0])), "Y")).toEqual([1, 2]);
  expect(numbers(await answer(x), "Y")).toEqual([11, 22]);
  expect((await answer(fp32("W", [2], [0, 0])))?.error?.message).toMatch(/Missing Input: X\n$/);
  await unload(model);
});

test("backend: weights in a file beside the model", async () => {
  const folder = folders.make({ "1/model.onnx": "external.onnx", "1/weights.bin": "weights.bin" });
  const model = await loaded(backend, context(folder));
  const { responses } = await execute(model.instances[0]!, [
    request([fp32("X", [1, 2], [1, 1])], { batchSize: 1 }),
  ]);
  expect(numbers(responses[0], "Y")).toEqual([2, 3]);
  await unload(model);
});

test("backend: scalars, zero-size tensors and models without inputs", async () => {
  const scalar = await loaded(backend, context(folders.make({ "1/model.onnx": "scalar.onnx" })));
  const negated = (await execute(scalar.instances[0]!, [request([fp32("X", [1], [3])])])).responses[0];
  expect(negated?.outputs[0]?.shape).toEqual([1]);
  expect(numbers(negated, "Y")).toEqual([-3]);
  await unload(scalar);
  const dyn = await loaded(backend, context(folders.make({ "1/model.onnx": "dyn.onnx" })));
  const empty = (await execute(dyn.instances[0]!, [request([fp32("X", [1, 0, 2], [])], { batchSize: 1 })]))
    .responses[0];
  expect(empty?.outputs[0]).toMatchObject({ shape: [1, 0, 2], data: new Uint8Array(0) });
  await unload(dyn);
  const none = await loaded(backend, context(folders.make({ "1/model.onnx": "no_inputs.onnx" })));
  expect(numbers((await execute(none.instances[0]!, [request([])])).responses[0], "Y")).toEqual([1, 2, 3]);
  await unload(none);
});

test("backend: two instances run side by side, with the same answers", async () => {
  const model = await loaded(backend, context(folders.make({ "1/model.onnx": "loop.onnx" })), 2);
  const loops = (instance: number, count: number) =>
    execute(model.instances[instance]!, [request([int64("LOOPS", [1, 1], [count])], { batchSize: 1 })]);
  const results = await Promise.all([loops(0, 1000), loops(1, 2000)]);
  expect(results.map(({ responses }) => numbers(responses[0], "DONE"))).toEqual([[1000], [2000]]);
  await unload(model);
});

test("backend: a model file that is replaced does not change the version that serves", async () => {
  const folder = folders.make({ "1/model.onnx": "add_sub.onnx" });
  const model = await loaded(backend, context(folder), 2);
  copyFileSync(graph("add_sub_v2.onnx"), `${folder.path}/1/model.onnx`);
  const one = (instance: number) =>
    execute(model.instances[instance]!, [
      request([int32("INPUT0", [1, 4], [1, 2, 3, 4]), int32("INPUT1", [1, 4], [1, 1, 1, 1])], {
        batchSize: 1,
      }),
    ]);
  for (let i = 0; i < 10; i++) {
    const results = await Promise.all([one(0), one(1)]);
    for (const { responses } of results) expect(numbers(responses[0], "OUTPUT0")).toEqual([2, 3, 4, 5]);
  }
  await unload(model);
});

test.each([
  [
    "gpu:0",
    "Did not find an arena based allocator registered for device-id combination in the memory arena shrink list: gpu:0",
  ],
  ["x", "Unsupported device specified in the memory arena shrink list: x"],
  ["cpu:0", null],
])("backend: memory.enable_memory_arena_shrinkage = %s is looked at by the run", async (list, text) => {
  const of = config({ parameters: parameters({ "memory.enable_memory_arena_shrinkage": list }) });
  const model = await loaded(
    backend,
    context(folders.make({ "1/model.onnx": "identity.onnx" }), { config: of }),
  );
  const { responses } = await execute(model.instances[0]!, [
    request([fp32("X", [1, 4], [1, 2, 3, 4])], { batchSize: 1 }),
  ]);
  expect(responses[0]?.error?.message ?? null).toBe(text === null ? null : `onnx runtime error 2: ${text}`);
  await unload(model);
});

test("backend: a configuration without outputs can be loaded but not run", async () => {
  const strict = config({ max_batch_size: 4, input: [input("X", "TYPE_FP32", [4])] });
  const of = context(folders.make({ "1/model.onnx": "identity.onnx" }), {
    config: strict,
    autoComplete: false,
  });
  const model = await loaded(backend, of);
  const { responses } = await execute(model.instances[0]!, [
    request([fp32("X", [1, 4], [1, 2, 3, 4])], { batchSize: 1 }),
  ]);
  expect(responses[0]?.error?.message).toBe("onnx runtime error 2: At least one output should be requested.");
  await unload(model);
});

test.each([
  [
    "seq_out.onnx",
    "UNSUPPORTED",
    "Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'Q', expected 'ONNX_TYPE_TENSOR'.",
  ],
  [
    "opt_in.onnx",
    "UNSUPPORTED",
    "Unsupported ONNX Type 'ONNX_TYPE_UNKNOWN' for I/O 'O', expected 'ONNX_TYPE_TENSOR'.",
  ],
  [
    "map_in.onnx",
    "UNSUPPORTED",
    "Unsupported ONNX Type 'ONNX_TYPE_MAP' for I/O 'P', expected 'ONNX_TYPE_TENSOR'.",
  ],
])("backend: does not load %s", async (file, code, message) => {
  expect(await load(backend, context(folders.make({ "1/model.onnx": file })))).toMatchObject({
    code,
    message,
  });
});

test("backend: completes a BF16 model with TYPE_INVALID, as release 24.10 does", async () => {
  const opened = await initialize(backend, context(folders.make({ "1/model.onnx": "bf16.onnx" })));
  expect(opened).toMatchObject({
    ok: true,
    value: { completedConfig: { input: [{ name: "X", data_type: "TYPE_INVALID", dims: [2] }] } },
  });
  if (opened.ok) opened.value.finalize();
});

test("backend: bad options fail a load before the file is looked at", async () => {
  const folder = folders.make({});
  const bad = config({ parameters: parameters({ enable_mem_arena: "x" }) });
  expect(await load(backend, context(folder, { config: bad }))).toMatchObject({
    message: "failed to convert 'x' to boolean",
  });
  const backendConfig = new Map([["default-max-batch-size", "x"]]);
  expect(await load(backend, context(folder, { backendConfig }))).toMatchObject({
    code: "INVALID_ARG",
    message: "failed to convert 'x' to integral number",
  });
});

test("backend: asks for memory before auto-complete and for each instance", async () => {
  const folder = folders.make({ "1/model.onnx": "external.onnx", "1/weights.bin": "weights.bin" });
  const size = folder.entries.find(({ path }) => path === "1/model.onnx")!.byteSize;
  const expected = [{ pool: "host", kind: "weights", bytes: 2 * size + 8 }];
  expect(backend.predictMemory(context(folder))).toEqual([{ ...expected[0], kind: "staging" }]);
  expect(backend.predictMemory(context(folder, { autoComplete: false }))).toEqual([]);
  const model = await loaded(backend, context(folder));
  expect(model.model.predictInstanceMemory(model.config, cpuInstance())).toEqual(expected);
  await unload(model);
});

test("backend: counts the bytes of an emulated GPU's instance there, wherever it runs", async () => {
  const emulated = new OnnxRuntimeBackend({
    clock: new SystemClock(),
    log: new RecordingLog(),
    workerThreads: 1,
    emulatedGpuCount: 1,
    weightsFactors: { inline: 3, inlineWithoutArena: 1, external: 1 },
  });
  const folder = folders.make({ "1/model.onnx": "identity.onnx" });
  const size = folder.entries.find(({ path }) => path === "1/model.onnx")!.byteSize;
  const opened = await initialize(emulated, context(folder));
  if (!opened.ok) throw opened.error;
  const pools = [0, 1].map((deviceId) =>
    opened.value.predictInstanceMemory(config({}), { name: "m_0", kind: "KIND_GPU", deviceId }),
  );
  expect(pools).toEqual([
    [{ pool: "gpu:0", kind: "weights", bytes: 3 * size }],
    [{ pool: "host", kind: "weights", bytes: 3 * size }],
  ]);
  opened.value.finalize();
  await emulated.stop();
});

test("provider: a GPU instance gets its device's CUDA where there is that GPU, everything else the CPU", () => {
  const gpu = (deviceId: number) => ({ name: "m_0", kind: "KIND_GPU", deviceId }) as const;
  expect(chooseProvider(gpu(1), 2)).toEqual({ name: "cuda", deviceId: 1 });
  expect(chooseProvider(gpu(1), 1)).toEqual({ name: "cpu" });
  expect(chooseProvider(cpuInstance(), 2)).toEqual({ name: "cpu" });
  expect(chooseProvider({ name: "m_0", kind: "KIND_MODEL", deviceId: 0 }, 2)).toEqual({ name: "cpu" });
});

test("provider: an instance whose GPU cannot be used runs on the CPU and says so", async () => {
  const log = new RecordingLog();
  const gpus = new OnnxRuntimeBackend({ clock: new SystemClock(), log, workerThreads: 1, gpuCount: 64 });
  const of = context(folders.make({ "1/model.onnx": "identity.onnx" }), { log });
  const opened = await initialize(gpus, of);
  if (!opened.ok) throw opened.error;
  // No machine has this device, whatever libraries it has.
  const made = await createInstance(opened.value, opened.value.completedConfig!, {
    name: "m_0",
    kind: "KIND_GPU",
    deviceId: 63,
  });
  if (!made.ok) throw made.error;
  expect(made.value.executionProvider).toBe("CPU");
  expect(log.lines).toContainEqual("I TRITONBACKEND_ModelInstanceInitialize: m_0 (GPU device 63)");
  expect(log.lines).toContainEqual(
    expect.stringMatching(/^W instance m_0 runs on the CPU, CUDA is not to be had: ./),
  );
  const { responses } = await execute(made.value, [
    request([fp32("X", [1, 4], [1, 2, 3, 4])], { batchSize: 1 }),
  ]);
  expect(numbers(responses[0], "Y")).toEqual([1, 2, 3, 4]);
  await new Promise<void>((resolve) => made.value.release(resolve));
  opened.value.finalize();
  await gpus.stop();
});

test("backend: loads and unloads start no thread after the first", async () => {
  const of = context(folders.make({ "1/model.onnx": "add_sub.onnx" }));
  await unload(await loaded(backend, of));
  const before = threadCount();
  for (let i = 0; i < 30; i++) await unload(await loaded(backend, of, 2));
  expect(threadCount()).toBeLessThanOrEqual(before);
});

/** Threads of this process; 0 where the system does not tell. */
const threadCount = (): number => (existsSync("/proc/self/task") ? readdirSync("/proc/self/task").length : 0);
