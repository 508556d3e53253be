import { expect, test } from "vitest";
import { checkConfig } from "../../../../emulator/backends/onnxruntime/config-checks.ts";
import type { ModelDescription } from "../../../../emulator/backends/onnxruntime/session-protocol.ts";
import type {
  ModelConfig,
  ModelInput,
  ModelOutput,
  SequenceControl,
} from "../../../../emulator/core/model-config/model-config.ts";
import { description, info } from "./describe-model.ts";
import { config, input, output } from "./load-model.ts";

const identity = description([info("X", [-1, 4])], [info("Y", [-1, 4])]);
const fixed = description([info("A", [2, 3]), info("B", [2, 3])], [info("C", [2, 3])]);
const scalar = description([info("X", [])], [info("Y", [])]);
const dyn = description([info("X", [-1, -1, 2])], [info("Y", [-1, -1, 2])]);
const rank1 = description([info("X", [-1])], [info("Y", [-1])]);
const optional = description([info("X", [2])], [info("Y", [2])], { overridable: [info("W", [2])] });
const addSub = description(
  [info("INPUT0", [-1, 4], 6), info("INPUT1", [-1, 4], 6)],
  [info("OUTPUT0", [-1, 4], 6)],
);

const x = (dims: readonly number[], type: ModelInput["data_type"] = "TYPE_FP32"): ModelInput =>
  input("X", type, dims);
const y = (dims: readonly number[], type: ModelOutput["data_type"] = "TYPE_FP32"): ModelOutput =>
  output("Y", type, dims);

const io = (
  max_batch_size: number,
  inputs: readonly ModelInput[],
  outputs: readonly ModelOutput[],
): ModelConfig => config({ max_batch_size, input: inputs, output: outputs });

const optionalInput = (name: string, dims: readonly number[]): ModelInput => ({
  ...input(name, "TYPE_FP32", dims),
  optional: true,
});
const ragged = (of: ModelInput): ModelInput => ({ ...of, allow_ragged_batch: true });

const complete =
  "an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape";

test.each<[string, ModelConfig, ModelDescription]>([
  ["equal shapes", io(4, [x([4])], [y([4])]), identity],
  ["an input that fixes a free dimension", io(4, [x([3, 2])], [y([-1, 2])]), dyn],
  ["fewer outputs than the graph has", io(4, [x([4])], []), identity],
  ["an overridable initialiser left out", io(0, [x([2])], [y([2])]), optional],
  [
    "an overridable initialiser as optional input",
    io(0, [x([2]), optionalInput("W", [2])], [y([2])]),
    optional,
  ],
  ["a scalar with batching", io(4, [x([1])], [y([1])]), scalar],
  ["a scalar of two dimensions", io(0, [x([1, 1])], [y([1])]), scalar],
  [
    "a reshape",
    io(4, [{ ...x([1]), reshape: { shape: [] } }], [{ ...y([1]), reshape: { shape: [] } }]),
    rank1,
  ],
  ["a ragged input", io(4, [ragged(x([-1]))], [{ ...y([1]), reshape: { shape: [] } }]), rank1],
  [
    "one input twice",
    io(4, [input("INPUT0", "TYPE_INT32", [4]), input("INPUT0", "TYPE_INT32", [4])], []),
    addSub,
  ],
])("config checks: accept %s", (_, of, model) => {
  expect(checkConfig(of, "m", model)).toEqual({ ok: true, value: null });
});

test.each<[string, ModelConfig, ModelDescription]>([
  ["unable to load model 'm', configuration expects 0 inputs, model provides 1", io(4, [], []), identity],
  [
    "unable to load model 'm', configuration expects 1 inputs, model provides 2",
    io(0, [input("A", "TYPE_FP32", [2, 3]), optionalInput("B", [2, 3])], []),
    fixed,
  ],
  [
    "unable to load model 'm', configuration expects 2 inputs, model provides 1",
    io(0, [x([2]), input("W", "TYPE_FP32", [2])], []),
    optional,
  ],
  [
    "unexpected inference input 'Z', allowed inputs are: X",
    io(4, [input("Z", "TYPE_FP32", [4])], []),
    identity,
  ],
  [
    "unexpected inference input 'Z', allowed inputs are: W, X",
    io(0, [input("Z", "TYPE_FP32", [2])], []),
    optional,
  ],
  [
    "unexpected inference output 'Z', allowed outputs are: Y",
    io(4, [x([4])], [output("Z", "TYPE_FP32", [4])]),
    identity,
  ],
  [
    "unable to load model 'm', configuration expects datatype TYPE_INT32 for input 'X', model provides TYPE_FP32",
    io(4, [x([5], "TYPE_INT32")], []),
    identity,
  ],
  [
    "unable to load model 'm', configuration expects datatype TYPE_FP16 for output 'Y', model provides TYPE_FP32",
    io(4, [x([4])], [y([4], "TYPE_FP16")]),
    identity,
  ],
  [
    "unable to load model 'm', configuration expects datatype TYPE_FP32 for input 'X', model provides TYPE_<invalid>",
    io(4, [x([4])], []),
    description([info("X", [-1, 4], 16)], []),
  ],
  [
    "model 'm', tensor 'X': the model expects 2 dimensions (shape [-1,4]) but the model configuration specifies 1 dimensions (shape [4])",
    io(0, [x([4])], []),
    identity,
  ],
  [
    `model 'm', tensor 'X': the model expects 2 dimensions (shape [-1,4]) but the model configuration specifies 3 dimensions (${complete} [-1,2,2])`,
    io(4, [x([2, 2])], []),
    identity,
  ],
  [
    `model 'm', tensor 'X': the model expects 2 dimensions (shape [-1,4]) but the model configuration specifies 2 dimensions (${complete} [-1,-1])`,
    io(4, [x([-1])], []),
    identity,
  ],
  [
    `model 'm', tensor 'Y': the model expects 3 dimensions (shape [-1,-1,2]) but the model configuration specifies 3 dimensions (${complete} [-1,3,2])`,
    io(4, [x([3, 2])], [y([3, 2])]),
    dyn,
  ],
  [
    "model 'm', tensor 'A': for the model to support batching the shape should have at least 1 dimension and the first dimension must be -1; but shape expected by the model is [2,3]",
    io(4, [input("A", "TYPE_FP32", [3]), input("B", "TYPE_FP32", [3])], []),
    fixed,
  ],
  [
    "unable to load model 'm', scalar tensor 'X', should only provide 1 in the model configuration when the model doesn't support batching. Model configuration provided: [2].",
    io(4, [x([2])], []),
    scalar,
  ],
  [
    "unable to load model 'm', optional input 'W' is not supported for models that support batching",
    io(4, [x([4]), optionalInput("W", [3])], []),
    { ...identity, overridable: [info("W", [2])] },
  ],
  [
    "unable to load model 'm', configuration expects model provides input with shape [-1]  for ragged input 'X', model provides [-1,4]",
    io(4, [ragged(x([4]))], []),
    identity,
  ],
  [
    "unable to load model 'm', configuration expects model provides input with shape [-1] for ragged input 'W', which is not supported for optional input",
    io(0, [x([2]), ragged(optionalInput("W", [2]))], []),
    optional,
  ],
])("config checks: %s", (message, of, model) => {
  expect(checkConfig(of, "m", model)).toMatchObject({ ok: false, error: { code: "INVALID_ARG", message } });
});

test("config checks: a type the backend does not serve is an internal error", () => {
  expect(checkConfig(io(4, [x([4], "TYPE_BF16")], []), "m", identity)).toMatchObject({
    error: { code: "INTERNAL", message: "unsupported datatype TYPE_BF16 for input 'X' for model 'm'" },
  });
});

test("config checks: refuse what is no tensor before anything else", () => {
  const model = { ...identity, notTensor: { name: "Q", onnxType: "ONNX_TYPE_MAP" } };
  expect(checkConfig(io(4, [], []), "m", model)).toMatchObject({
    error: {
      code: "UNSUPPORTED",
      message: "Unsupported ONNX Type 'ONNX_TYPE_MAP' for I/O 'Q', expected 'ONNX_TYPE_TENSOR'.",
    },
  });
});

const control = (fields: Partial<SequenceControl> & Pick<SequenceControl, "kind">): SequenceControl => ({
  int32_false_true: [],
  fp32_false_true: [],
  bool_false_true: [],
  data_type: "TYPE_INVALID",
  ...fields,
});

const withControls = (
  controls: Readonly<Record<string, SequenceControl>>,
  inputs: readonly ModelInput[],
): ModelConfig => ({
  ...io(4, inputs, []),
  sequence_batching: {
    max_sequence_idle_microseconds: 0,
    control_input: Object.entries(controls).map(([name, one]) => ({ name, control: [one] })),
    state: [],
    iterative_sequence: false,
  },
});

const start = control({ kind: "CONTROL_SEQUENCE_START", int32_false_true: [0, 1] });

test("config checks: sequence controls count as inputs, and states do", () => {
  const model = description([info("X", [-1, 4]), info("START", [-1, 1], 6), info("S", [-1, 1])], []);
  const of = withControls({ START: start }, [x([4])]);
  expect(checkConfig(of, "m", model)).toMatchObject({
    error: { message: "unable to load model 'm', configuration expects 2 inputs, model provides 3" },
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
  const stateful = { ...of, sequence_batching: { ...of.sequence_batching!, state: [state] } };
  expect(checkConfig(stateful, "m", model)).toEqual({ ok: true, value: null });
});

test.each<[string, string, ModelConfig, ModelDescription]>([
  [
    "INTERNAL",
    "configuration specified sequence control 'START', but model does not provide that input",
    withControls({ START: start }, [x([4])]),
    identity,
  ],
  [
    "INVALID_ARG",
    "unable to load model 'm', sequence control 'X' in model has dims [4] but dims [1] is expected",
    withControls({ X: start }, []),
    identity,
  ],
  [
    "INVALID_ARG",
    "unable to load model 'm', sequence control 'START', the model expects data-type FLOAT but the model configuration specifies data-type TYPE_INT32",
    withControls({ START: start }, []),
    description([info("START", [-1, 1])], []),
  ],
  [
    "INVALID_ARG",
    "unable to load model 'm', sequence control 'CORRID', the model expects data-type UINT64 but the model configuration specifies data-type TYPE_INT64",
    withControls({ CORRID: control({ kind: "CONTROL_SEQUENCE_CORRID", data_type: "TYPE_INT64" }) }, []),
    description([info("CORRID", [-1, 1], 13)], []),
  ],
])("config checks: %s %s", (code, message, of, model) => {
  expect(checkConfig(of, "m", model)).toMatchObject({ ok: false, error: { code, message } });
});

test("config checks: look for START, END, READY and CORRID in this order, whatever the order of the configuration", () => {
  const wrong = description([info("S", [-1, 1]), info("E", [-1, 1]), info("R", [-1, 1])], []);
  const of = withControls(
    {
      R: control({ kind: "CONTROL_SEQUENCE_READY", bool_false_true: [false, true] }),
      E: control({ kind: "CONTROL_SEQUENCE_END", int32_false_true: [0, 1] }),
      S: control({ kind: "CONTROL_SEQUENCE_START", fp32_false_true: [0, 1] }),
    },
    [],
  );
  expect(checkConfig(of, "m", wrong)).toMatchObject({
    error: { message: expect.stringContaining("sequence control 'E'") },
  });
});
