import { expect, test } from "vitest";
import { autoComplete, isComplete } from "../../../../emulator/backends/onnxruntime/auto-complete.ts";
import type { ModelDescription } from "../../../../emulator/backends/onnxruntime/session-protocol.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { description, info } from "./describe-model.ts";
import { config, input, output, RecordingLog } from "./load-model.ts";

const identity = description([info("X", [-1, 4])], [info("Y", [-1, 4])]);
const fixed = description([info("A", [2, 3]), info("B", [2, 3])], [info("C", [2, 3])]);

const complete = (of: ModelConfig, model: ModelDescription, defaultMaxBatchSize = 4): ModelConfig => {
  const result = autoComplete(of, "m", model, defaultMaxBatchSize, silentLog);
  if (!result.ok) throw result.error;
  return result.value;
};

test("auto-complete: a model that batches gets the default batch size and dynamic batching, with a warning", () => {
  const log = new RecordingLog();
  const result = autoComplete(config({}), "m", identity, 4, log);
  expect(result).toMatchObject({
    ok: true,
    value: {
      max_batch_size: 4,
      dynamic_batching: { preferred_batch_size: [] },
      input: [{ name: "X", data_type: "TYPE_FP32", dims: [4], format: "FORMAT_NONE", optional: false }],
      output: [{ name: "Y", data_type: "TYPE_FP32", dims: [4], label_filename: "" }],
    },
  });
  expect(log.lines).toEqual([
    expect.stringMatching(/^W autofilled max_batch_size to 4 for model 'm' since batching is supporrted/),
  ]);
});

test("auto-complete: a batch size that was written stays, without a warning", () => {
  const log = new RecordingLog();
  const result = autoComplete(config({ max_batch_size: 8 }), "m", identity, 4, log);
  expect(result).toMatchObject({ value: { max_batch_size: 8, dynamic_batching: {} } });
  expect(log.lines).toEqual([]);
  expect(complete(config({ max_batch_size: 1 }), identity).dynamic_batching).toBeUndefined();
});

test("auto-complete: a scheduler that was chosen stays", () => {
  const sequence = {
    max_sequence_idle_microseconds: 0,
    control_input: [],
    state: [],
    iterative_sequence: false,
  };
  const completed = complete(config({ sequence_batching: sequence }), identity);
  expect(completed.sequence_batching).toBe(sequence);
  expect(completed.dynamic_batching).toBeUndefined();
});

test("auto-complete: default-max-batch-size 0 leaves the batch dimension in the dims", () => {
  const completed = complete(config({}), identity, 0);
  expect(completed).toMatchObject({
    max_batch_size: 0,
    input: [{ dims: [-1, 4] }],
    output: [{ dims: [-1, 4] }],
  });
  expect(completed.dynamic_batching).toBeUndefined();
});

test.each([
  ["fixed shapes", fixed],
  [
    "a free first dimension on one input only",
    description([info("A", [-1, 3]), info("B", [1, 3])], [info("C", [-1, 3])]),
  ],
  ["a scalar", description([info("X", [])], [info("Y", [])])],
  ["an output without a batch dimension", description([info("X", [-1, 2])], [info("Y", [])])],
])("auto-complete: %s do not batch", (_, model) => {
  expect(complete(config({}), model).max_batch_size).toBe(0);
  expect(autoComplete(config({ max_batch_size: 4 }), "m", model, 4, silentLog)).toMatchObject({
    ok: false,
    error: {
      code: "INVALID_ARG",
      message:
        "autofill failed for model 'm': model does not support batching while non-zero max_batch_size is specified",
    },
  });
});

test("auto-complete: scalars are written as [1], reshaped where there is a batch dimension", () => {
  expect(complete(config({}), description([info("X", [])], [info("Y", [])])).input[0]).toMatchObject({
    dims: [1],
  });
  const rank1 = complete(config({}), description([info("X", [-1])], [info("Y", [-1])]));
  expect(rank1.input[0]).toMatchObject({ dims: [1], reshape: { shape: [] } });
  expect(rank1.output[0]).toMatchObject({ dims: [1], reshape: { shape: [] } });
});

test("auto-complete: lists inputs and outputs as an unordered_map would", () => {
  const names = ["a", "b", "c", "d", "e"];
  const completed = complete(
    config({}),
    description(
      names.map((name) => info(name, [-1, 1])),
      [info("y", [-1, 1])],
    ),
  );
  expect(completed.input.map(({ name }) => name)).toEqual(["e", "c", "b", "d", "a"]);
});

test("auto-complete: fills only the side that is missing, and leaves overridable initialisers out", () => {
  const written = [output("Y", "TYPE_FP32", [-1, 4])];
  const model = { ...identity, overridable: [info("W", [4])] };
  const completed = complete(config({ output: written }), model);
  expect(completed.output).toBe(written);
  expect(completed.input.map(({ name }) => name)).toEqual(["X"]);
});

test("auto-complete: types that release 24.10 does not serve are TYPE_INVALID", () => {
  expect(complete(config({}), description([info("X", [-1, 2], 16)], [info("Y", [-1, 2], 17)]))).toMatchObject(
    {
      input: [{ data_type: "TYPE_INVALID" }],
      output: [{ data_type: "TYPE_INVALID" }],
    },
  );
});

test("auto-complete: refuses what is no tensor", () => {
  const model = description([], [], { notTensor: { name: "Q", onnxType: "ONNX_TYPE_SEQUENCE" } });
  expect(autoComplete(config({}), "m", model, 4, silentLog)).toMatchObject({
    ok: false,
    error: {
      code: "UNSUPPORTED",
      message: "Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'Q', expected 'ONNX_TYPE_TENSOR'.",
    },
  });
});

test("auto-complete: has nothing to do once inputs or batch inputs, and outputs, are written", () => {
  const outputs = [output("Y", "TYPE_FP32", [4])];
  expect(isComplete(config({ output: outputs }))).toBe(false);
  expect(isComplete(config({ input: [input("X", "TYPE_FP32", [4])] }))).toBe(false);
  expect(isComplete(config({ input: [input("X", "TYPE_FP32", [4])], output: outputs }))).toBe(true);
  const batchInput = {
    kind: "BATCH_ELEMENT_COUNT",
    target_name: ["C"],
    data_type: "TYPE_FP32",
    source_input: ["X"],
  } as const;
  expect(isComplete(config({ batch_input: [batchInput], output: outputs }))).toBe(true);
});
