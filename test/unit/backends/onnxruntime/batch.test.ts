import { expect, test } from "vitest";
import {
  gatherInputs,
  outputsToFetch,
  planBatches,
  splitOutputs,
} from "../../../../emulator/backends/onnxruntime/batch.ts";
import type {
  ModelDescription,
  RunOutput,
} from "../../../../emulator/backends/onnxruntime/session-protocol.ts";
import type { BatchInput, ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import type {
  InferenceRequest,
  InferenceResponse,
} from "../../../../emulator/core/tensor/inference-request.ts";
import { description, info } from "./describe-model.ts";
import { config, fp32, input, int32, numbers, output, request } from "./load-model.ts";

const identity = description([info("X", [-1, 2])], [info("Y", [-1, 2])]);
const identityConfig = config({
  max_batch_size: 8,
  input: [input("X", "TYPE_FP32", [2])],
  output: [output("Y", "TYPE_FP32", [2])],
});

const rows = (count: number, first: number): InferenceRequest =>
  request(
    [
      fp32(
        "X",
        [count, 2],
        Array.from({ length: 2 * count }, (_, i) => first + i),
      ),
    ],
    { batchSize: count },
  );

const gather = (of: ModelConfig, model: ModelDescription, batch: readonly InferenceRequest[]) => {
  const result = gatherInputs(planBatches(of, model), model, batch);
  if (!result.ok) throw result.error;
  return result.value.inputs.map(({ name, dataType, shape, parts }) => {
    const bytes = new Uint8Array(Buffer.concat(parts));
    return {
      name,
      shape,
      values: dataType === "INT32" ? [...new Int32Array(bytes.buffer)] : [...new Float32Array(bytes.buffer)],
    };
  });
};

const out = (name: string, shape: readonly number[], values: readonly number[]): RunOutput => ({
  name,
  dataType: "FP32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});

const split = (
  of: ModelConfig,
  model: ModelDescription,
  batch: readonly InferenceRequest[],
  outputs: readonly RunOutput[],
) => splitOutputs(planBatches(of, model), batch, outputs);

const seen = (response: InferenceResponse | undefined, name = "Y") => ({
  shape: response?.outputs.find((one) => one.name === name)?.shape,
  values: numbers(response, name),
});

test("gather: a single request is passed on as it came", () => {
  const one = rows(1, 5);
  const result = gatherInputs(planBatches(identityConfig, identity), identity, [one]);
  expect(result.ok && result.value.inputs[0]?.parts[0]).toBe(one.inputs[0]?.data);
});

test("gather: joins requests along the first dimension", () => {
  expect(gather(identityConfig, identity, [rows(1, 1), rows(2, 10)])).toEqual([
    { name: "X", shape: [3, 2], values: [1, 2, 10, 11, 12, 13] },
  ]);
});

test("gather: finds inputs by name where requests list them in another order", () => {
  const two = description([info("A", [-1, 1], 6), info("B", [-1, 1], 6)], []);
  const a = int32("A", [1, 1], [1]);
  const b = int32("B", [1, 1], [2]);
  expect(gather(identityConfig, two, [request([a, b]), request([b, a])])).toEqual([
    { name: "A", shape: [2, 1], values: [1, 1] },
    { name: "B", shape: [2, 1], values: [2, 2] },
  ]);
});

test("gather: a scalar of the graph has no dimensions, whatever the request says", () => {
  const scalar = description([info("X", [])], [info("Y", [])]);
  expect(gather(identityConfig, scalar, [request([fp32("X", [2, 1], [3, 4])])])).toEqual([
    { name: "X", shape: [], values: [3] },
  ]);
});

test("gather: an input the graph does not have, and one that nobody gave", () => {
  const plan = planBatches(identityConfig, identity);
  expect(gatherInputs(plan, identity, [request([fp32("OTHER", [1, 2], [1, 2])])])).toMatchObject({
    ok: false,
    error: { code: "INTERNAL", message: "Failed to retrieve the ONNX input tensor info from 'OTHER'." },
  });
  const model = { ...identity, consumers: new Map([["X", { opType: "Add", nodeName: "plus" }]]) };
  expect(gatherInputs(plan, model, [request([])])).toMatchObject({
    error: {
      message:
        "onnx runtime error 1: Non-zero status code returned while running Add node. Name:'plus' Status Message: " +
        "/onnxruntime_src/include/onnxruntime/core/framework/op_kernel_context.h:42 const T* " +
        "onnxruntime::OpKernelContext::Input(int) const [with T = onnxruntime::Tensor] Missing Input: X\n",
    },
  });
});

test("gather: a request whose strings run out is refused, the others run", () => {
  const strings = (bytes: readonly number[]) =>
    request([{ name: "X", datatype: "BYTES", shape: [1, 2], data: Uint8Array.from(bytes) }], {
      batchSize: 1,
    });
  const good = strings([1, 0, 0, 0, 97, 0, 0, 0, 0]);
  const short = strings([1, 0, 0, 0, 97, 9, 0, 0, 0, 98]);
  const result = gatherInputs(planBatches(identityConfig, identity), identity, [good, short]);
  if (!result.ok) throw result.error;
  expect(result.value.inputs[0]).toMatchObject({ shape: [2, 2], byteLength: 17 });
  expect([...result.value.refused]).toEqual([
    [
      1,
      expect.objectContaining({
        code: "INVALID_ARG",
        message:
          "incomplete string data for inference input 'X', expecting string of length 9 but only 1 bytes available",
      }),
    ],
  ]);
});

const ragged = description([info("X", [-1]), info("T", [-1], 6)], [info("Y", [-1])]);
const raggedConfig = (kind: BatchInput["kind"]): ModelConfig =>
  config({
    max_batch_size: 8,
    input: [{ ...input("X", "TYPE_FP32", [-1]), allow_ragged_batch: true }],
    output: [output("Y", "TYPE_FP32", [-1])],
    batch_input: [{ kind, target_name: ["T"], data_type: "TYPE_INT32", source_input: ["X"] }],
    batch_output: [{ target_name: ["Y"], kind: "BATCH_SCATTER_WITH_INPUT_SHAPE", source_input: ["X"] }],
  });
const raggedBatch = [request([fp32("X", [1, 3], [1, 2, 3])]), request([fp32("X", [2, 2], [4, 5, 6, 7])])];

test.each<[BatchInput["kind"], readonly number[], readonly number[]]>([
  ["BATCH_ELEMENT_COUNT", [2], [3, 4]],
  ["BATCH_ACCUMULATED_ELEMENT_COUNT", [2], [3, 7]],
  ["BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO", [3], [0, 3, 7]],
  ["BATCH_MAX_ELEMENT_COUNT_AS_SHAPE", [4], [0, 0, 0, 0]],
  ["BATCH_ITEM_SHAPE", [3, 1], [3, 2, 2]],
  ["BATCH_ITEM_SHAPE_FLATTEN", [3], [3, 2, 2]],
])("gather: %s describes a ragged batch", (kind, shape, values) => {
  expect(gather(raggedConfig(kind), ragged, raggedBatch)).toEqual([
    { name: "X", shape: [7], values: [1, 2, 3, 4, 5, 6, 7] },
    { name: "T", shape, values },
  ]);
});

test("gather: a batch input that names no input of the graph", () => {
  const of = { ...raggedConfig("BATCH_ELEMENT_COUNT"), max_batch_size: 8 };
  const unknown = description([info("X", [-1]), info("OTHER", [-1], 6)], []);
  expect(gatherInputs(planBatches(of, unknown), unknown, raggedBatch)).toMatchObject({
    error: { code: "INTERNAL", message: "onnx runtime error 1: Failed to find input name in the mapping: T" },
  });
});

test("split: scatters elements by the shape of the source input", () => {
  const responses = split(raggedConfig("BATCH_ELEMENT_COUNT"), ragged, raggedBatch, [
    out("Y", [7], [1, 2, 3, 4, 5, 6, 7]),
  ]);
  expect(responses.map((response) => seen(response))).toEqual([
    { shape: [1, 3], values: [1, 2, 3] },
    { shape: [2, 2], values: [4, 5, 6, 7] },
  ]);
});

test("split: gives each request its rows", () => {
  const responses = split(
    identityConfig,
    identity,
    [rows(1, 0), rows(2, 0)],
    [out("Y", [3, 2], [1, 2, 3, 4, 5, 6])],
  );
  expect(responses.map((response) => seen(response))).toEqual([
    { shape: [1, 2], values: [1, 2] },
    { shape: [2, 2], values: [3, 4, 5, 6] },
  ]);
});

test("split: an output with more rows than the batch loses the rest", () => {
  expect(seen(split(identityConfig, identity, [rows(1, 0)], [out("Y", [2, 2], [1, 2, 3, 4])])[0])).toEqual({
    shape: [1, 2],
    values: [1, 2],
  });
});

test("split: only requests whose rows are missing fail", () => {
  const batch = [rows(1, 0), request([fp32("X", [2, 2], [1, 2, 3, 4])], { id: "seven", batchSize: 2 })];
  const [first, second] = split(identityConfig, identity, batch, [out("Y", [1, 2], [1, 2])]);
  expect(seen(first)).toEqual({ shape: [1, 2], values: [1, 2] });
  expect(second).toMatchObject({
    final: true,
    outputs: [],
    error: {
      code: "UNSUPPORTED",
      message:
        "[request id: seven] failed to split the output tensor 'Y' in responses: expected batch size of at least 3 in model output, got 1",
    },
  });
});

test("split: strings are cut between elements", () => {
  const strings = Buffer.from([1, 0, 0, 0, 97, 0, 0, 0, 0, 2, 0, 0, 0, 98, 99]);
  const output3: RunOutput = { name: "Y", dataType: "BYTES", shape: [3, 1], data: strings };
  const responses = split(identityConfig, identity, [rows(1, 0), rows(2, 0)], [output3]);
  expect(responses.map((response) => [...response.outputs[0]!.data])).toEqual([
    [1, 0, 0, 0, 97],
    [0, 0, 0, 0, 2, 0, 0, 0, 98, 99],
  ]);
});

test("split: a scalar is answered as one element, without batching the whole shape is given", () => {
  const whole = { ...identityConfig, max_batch_size: 0 };
  expect(seen(split(whole, identity, [rows(2, 0)], [out("Y", [], [7])])[0])).toEqual({
    shape: [1],
    values: [7],
  });
  expect(seen(split(whole, identity, [rows(2, 0)], [out("Y", [1, 0], [])])[0])).toEqual({
    shape: [1, 0],
    values: [],
  });
  expect(seen(split(identityConfig, identity, [rows(1, 0)], [out("Y", [], [7])])[0])).toEqual({
    shape: [1],
    values: [7],
  });
});

test("split: undoes the reshape of the configuration, free dimensions in order", () => {
  const of = config({
    max_batch_size: 4,
    output: [{ ...output("Y", "TYPE_FP32", [1, -1, 2]), reshape: { shape: [-1, 2] } }],
  });
  const batch = [request([fp32("X", [1, 3, 2], [1, 2, 3, 4, 5, 6])], { batchSize: 1 })];
  expect(seen(split(of, identity, batch, [out("Y", [1, 3, 2], [1, 2, 3, 4, 5, 6])])[0]).shape).toEqual([
    1, 1, 3, 2,
  ]);
});

const state = {
  input_name: "S",
  output_name: "T",
  data_type: "TYPE_FP32",
  dims: [1],
  initial_state: [],
  use_same_buffer_for_input_output: false,
  use_growable_memory: false,
} as const;

const stateful = (outputs: readonly string[]) =>
  planBatches(
    config({
      max_batch_size: 4,
      output: outputs.map((name) => output(name, "TYPE_FP32", [2])),
      sequence_batching: {
        max_sequence_idle_microseconds: 0,
        control_input: [],
        state: [state],
        iterative_sequence: false,
      },
    }),
    identity,
  );

test("outputs: sorted by name, only those asked for, states always", () => {
  const plan = stateful(["M", "Z", "A"]);
  const all = rows(1, 0);
  const some = request([fp32("X", [1, 2], [1, 2])], { batchSize: 1, requestedOutputs: ["Z", "A"] });
  expect(outputsToFetch(plan, [all, some])).toEqual(["A", "M", "T", "Z"]);
  expect(outputsToFetch(plan, [some])).toEqual(["A", "T", "Z"]);
  const made = ["A", "M", "T", "Z"].map((name) => out(name, [2, 1], [1, 2]));
  const responses = splitOutputs(plan, [all, some], made);
  expect(responses.map(({ outputs }) => outputs.map(({ name }) => name))).toEqual([
    ["A", "M", "T", "Z"],
    ["A", "T", "Z"],
  ]);
});

test("outputs: a state that is an output too goes to the first request of a batch, and fails the others", () => {
  const plan = stateful(["A", "T"]);
  const made = ["A", "T"].map((name) => out(name, [2, 1], [1, 2]));
  const responses = splitOutputs(plan, [rows(1, 0), rows(1, 1)], made);
  expect(responses.map(({ outputs }) => outputs.map(({ name }) => name))).toEqual([["A", "T"], []]);
  expect(responses[1]?.error?.message).toBe(
    "[request id: <id_unknown>] failed to split the output state tensor 'T' in responses: expected batch size of at least 2 in model output, got 1",
  );
});
