import { fail, ok, type Result } from "../../common/status.ts";
import type {
  ModelConfig,
  ModelInput,
  ModelOutput,
  SequenceControl,
  SequenceControlInput,
} from "../../core/model-config/model-config.ts";
import { elementCount, shapeText } from "../../core/tensor/shape.ts";
import { notATensor } from "./auto-complete.ts";
import { configTypeOfOnnx, onnxTypeName, onnxTypeOfConfig } from "./element-types.ts";
import type { ModelDescription, OnnxTensorInfo } from "./session-protocol.ts";

/**
 * Checks the configuration against the graph, as every instance of release 24.10 does before it is ready
 * (spec/triton-core.md 2.9): sequence controls, then inputs, then outputs; the first complaint wins.
 */
export const checkConfig = (
  config: ModelConfig,
  model: string,
  description: ModelDescription,
): Result<null> => {
  if (description.notTensor !== null) return notATensor(description.notTensor);
  for (const kind of controlKinds) {
    const checked = checkControl(config, model, description, kind);
    if (!checked.ok) return checked;
  }
  const inputs = checkInputs(config, model, description);
  return inputs.ok ? checkOutputs(config, model, description) : inputs;
};

type ControlKind = SequenceControl["kind"];

/** In the order in which the real backend looks for them. */
const controlKinds: readonly ControlKind[] = [
  "CONTROL_SEQUENCE_START",
  "CONTROL_SEQUENCE_END",
  "CONTROL_SEQUENCE_READY",
  "CONTROL_SEQUENCE_CORRID",
];

const controlsOf = (config: ModelConfig, kind: ControlKind): readonly SequenceControlInput[] =>
  (config.sequence_batching?.control_input ?? []).filter(({ control }) =>
    control.some((one) => one.kind === kind),
  );

const checkControl = (
  config: ModelConfig,
  model: string,
  description: ModelDescription,
  kind: ControlKind,
): Result<null> => {
  const [input] = controlsOf(config, kind);
  const control = input?.control.find((one) => one.kind === kind);
  if (input === undefined || control === undefined) return ok(null);
  const info = description.inputs.find(({ name }) => name === input.name);
  if (info === undefined) {
    return fail(
      "INTERNAL",
      `configuration specified sequence control '${input.name}', but model does not provide that input`,
    );
  }
  const dims = config.max_batch_size > 0 ? info.shape.slice(1) : info.shape;
  if (dims.length !== 1 || dims[0] !== 1) {
    return fail(
      "INVALID_ARG",
      `unable to load model '${model}', sequence control '${input.name}' in model has dims ${shapeText(dims)} but dims [1] is expected`,
    );
  }
  const dataType = controlDataType(control);
  if (onnxTypeOfConfig(dataType) !== info.elementType) {
    return fail(
      "INVALID_ARG",
      `unable to load model '${model}', sequence control '${input.name}', the model expects data-type ` +
        `${onnxTypeName(info.elementType)} but the model configuration specifies data-type ${dataType}`,
    );
  }
  return ok(null);
};

const controlDataType = (control: SequenceControl): string => {
  if (control.kind === "CONTROL_SEQUENCE_CORRID") return control.data_type;
  if (control.int32_false_true.length > 0) return "TYPE_INT32";
  return control.fp32_false_true.length > 0 ? "TYPE_FP32" : "TYPE_BOOL";
};

/** Inputs that the configuration accounts for, optional ones left out; controls and states count each. */
const expectedInputCount = (config: ModelConfig): number =>
  config.input.filter((input) => !input.optional).length +
  config.batch_input.length +
  controlKinds.filter((kind) => controlsOf(config, kind).length > 0).length +
  (config.sequence_batching?.state.length ?? 0);

const checkInputs = (config: ModelConfig, model: string, description: ModelDescription): Result<null> => {
  const expected = expectedInputCount(config);
  if (expected !== description.inputs.length) {
    return fail(
      "INVALID_ARG",
      `unable to load model '${model}', configuration expects ${expected} inputs, model provides ${description.inputs.length}`,
    );
  }
  for (const input of config.input) {
    const checked = checkInput(config, model, description, input);
    if (!checked.ok) return checked;
  }
  return ok(null);
};

const checkInput = (
  config: ModelConfig,
  model: string,
  description: ModelDescription,
  input: ModelInput,
): Result<null> => {
  const { name } = input;
  const allowed = [...description.inputs, ...description.overridable];
  const info = allowed.find((one) => one.name === name);
  if (info === undefined) return unexpected("input", name, allowed);
  const type = checkDataType("input", model, input, info);
  if (!type.ok) return type;
  if (input.optional && config.max_batch_size > 0) {
    return fail(
      "INVALID_ARG",
      `unable to load model '${model}', optional input '${name}' is not supported for models that support batching`,
    );
  }
  if (!input.allow_ragged_batch) return checkShape(config, model, input, info, false);
  if (info.shape.length === 1 && info.shape[0] === -1 && !input.optional) return ok(null);
  const complaint = input.optional
    ? ` for ragged input '${name}', which is not supported for optional input`
    : `  for ragged input '${name}', model provides ${shapeText(info.shape)}`;
  return fail(
    "INVALID_ARG",
    `unable to load model '${model}', configuration expects model provides input with shape [-1]${complaint}`,
  );
};

const checkOutputs = (config: ModelConfig, model: string, description: ModelDescription): Result<null> => {
  for (const output of config.output) {
    const info = description.outputs.find(({ name }) => name === output.name);
    if (info === undefined) return unexpected("output", output.name, description.outputs);
    const type = checkDataType("output", model, output, info);
    if (!type.ok) return type;
    const isScattered = config.batch_output.some(({ target_name }) => target_name.includes(output.name));
    const shape = isScattered ? ok(null) : checkShape(config, model, output, info, true);
    if (!shape.ok) return shape;
  }
  return ok(null);
};

const unexpected = (
  direction: "input" | "output",
  name: string,
  allowed: readonly OnnxTensorInfo[],
): Result<null> => {
  const names = allowed
    .map((info) => info.name)
    .sort()
    .join(", ");
  return fail(
    "INVALID_ARG",
    `unexpected inference ${direction} '${name}', allowed ${direction}s are: ${names}`,
  );
};

const checkDataType = (
  direction: "input" | "output",
  model: string,
  io: ModelInput | ModelOutput,
  info: OnnxTensorInfo,
): Result<null> => {
  const wanted = onnxTypeOfConfig(io.data_type);
  if (wanted === undefined) {
    return fail(
      "INTERNAL",
      `unsupported datatype ${io.data_type} for ${direction} '${io.name}' for model '${model}'`,
    );
  }
  if (wanted === info.elementType) return ok(null);
  return fail(
    "INVALID_ARG",
    `unable to load model '${model}', configuration expects datatype ${io.data_type} for ${direction} '${io.name}', ` +
      `model provides ${providedType(info.elementType)}`,
  );
};

const providedType = (onnxType: number): string => {
  const type = configTypeOfOnnx(onnxType);
  if (type === "TYPE_STRING") return "TYPE_BYTES";
  return type === "TYPE_INVALID" ? "TYPE_<invalid>" : type;
};

/** @param exact outputs have to agree; an input of the configuration may fix what the graph leaves free */
const checkShape = (
  config: ModelConfig,
  model: string,
  io: ModelInput | ModelOutput,
  info: OnnxTensorInfo,
  exact: boolean,
): Result<null> => {
  const dims = io.reshape?.shape ?? io.dims;
  const batching = config.max_batch_size > 0;
  if (info.shape.length === 0) {
    if (elementCount(dims) === 1 && !dims.includes(-1)) return ok(null);
    return fail(
      "INVALID_ARG",
      `unable to load model '${model}', scalar tensor '${io.name}', should only provide 1 in the model configuration ` +
        `when the model doesn't support batching. Model configuration provided: ${shapeText(dims)}.`,
    );
  }
  if (batching && info.shape[0] !== -1) {
    return fail(
      "INVALID_ARG",
      `model '${model}', tensor '${io.name}': for the model to support batching the shape should have at least 1 ` +
        `dimension and the first dimension must be -1; but shape expected by the model is ${shapeText(info.shape)}`,
    );
  }
  const full = batching ? [-1, ...dims] : dims;
  const agrees =
    full.length === info.shape.length &&
    info.shape.every((dim, axis) => dim === full[axis] || (!exact && dim === -1));
  if (agrees) return ok(null);
  const specified = batching
    ? `(an initial batch dimension because max_batch_size > 0 followed by the explicit tensor shape, making complete shape ${shapeText(full)})`
    : `(shape ${shapeText(full)})`;
  return fail(
    "INVALID_ARG",
    `model '${model}', tensor '${io.name}': the model expects ${info.shape.length} dimensions ` +
      `(shape ${shapeText(info.shape)}) but the model configuration specifies ${full.length} dimensions ${specified}`,
  );
};
