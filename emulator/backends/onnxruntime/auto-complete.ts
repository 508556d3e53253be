import type { Log } from "../../common/log.ts";
import { fail, ok, type Result, type TritonError } from "../../common/status.ts";
import { libstdcxxMapOrder } from "../../core/model-config/map-order.ts";
import type { ModelConfig, ModelInput, ModelOutput, Reshape } from "../../core/model-config/model-config.ts";
import { configTypeOfOnnx } from "./element-types.ts";
import type { ModelDescription, OnnxTensorInfo } from "./session-protocol.ts";

/** True where the configuration names inputs and outputs: then nothing is completed, not even the batch size. */
export const isComplete = (config: ModelConfig): boolean =>
  config.input.length + config.batch_input.length > 0 && config.output.length > 0;

/**
 * Completes a configuration from the model (spec/triton-core.md 2.6): the batch size, dynamic batching, and whichever of
 * inputs and outputs is missing.
 */
export const autoComplete = (
  config: ModelConfig,
  modelName: string,
  description: ModelDescription,
  defaultMaxBatchSize: number,
  log: Log,
): Result<ModelConfig> => {
  if (description.notTensor !== null) return notATensor(description.notTensor);
  const batchable = [...description.inputs, ...description.outputs].every(({ shape }) => shape[0] === -1);
  let maxBatchSize = config.max_batch_size;
  if (batchable && maxBatchSize === 0) {
    maxBatchSize = Math.max(0, defaultMaxBatchSize);
    log.warning(
      `autofilled max_batch_size to ${maxBatchSize} for model '${modelName}' since batching is supporrted but no ` +
        "max_batch_size is specified in model configuration. Must specify max_batch_size to utilize autofill with " +
        "a larger max batch size",
    );
  } else if (!batchable && maxBatchSize !== 0) {
    return fail(
      "INVALID_ARG",
      `autofill failed for model '${modelName}': model does not support batching while non-zero max_batch_size is specified`,
    );
  }
  const addsBatching =
    batchable &&
    maxBatchSize > 1 &&
    config.dynamic_batching === undefined &&
    config.sequence_batching === undefined &&
    config.ensemble_scheduling === undefined;
  const batching = maxBatchSize > 0;
  return ok({
    ...config,
    max_batch_size: maxBatchSize,
    input:
      config.input.length + config.batch_input.length > 0
        ? config.input
        : inMapOrder(description.inputs).map((info) => completedInput(info, batching)),
    output:
      config.output.length > 0
        ? config.output
        : inMapOrder(description.outputs).map((info) => completedOutput(info, batching)),
    ...(addsBatching ? { dynamic_batching: emptyDynamicBatching } : {}),
  });
};

export const notATensor = (value: {
  readonly name: string;
  readonly onnxType: string;
}): { readonly ok: false; readonly error: TritonError } =>
  fail(
    "UNSUPPORTED",
    `Unsupported ONNX Type '${value.onnxType}' for I/O '${value.name}', expected 'ONNX_TYPE_TENSOR'.`,
  );

/** Release 24.10 lists them in the order of an `unordered_map`. */
const inMapOrder = (infos: readonly OnnxTensorInfo[]): OnnxTensorInfo[] => {
  const byName = new Map(infos.map((info) => [info.name, info]));
  return libstdcxxMapOrder([...byName.keys()]).map((name) => byName.get(name)!);
};

const completedInput = (info: OnnxTensorInfo, batching: boolean): ModelInput => ({
  name: info.name,
  data_type: configTypeOfOnnx(info.elementType),
  format: "FORMAT_NONE",
  ...completedShape(info.shape, batching),
  is_shape_tensor: false,
  allow_ragged_batch: false,
  optional: false,
  is_non_linear_format_io: false,
});

const completedOutput = (info: OnnxTensorInfo, batching: boolean): ModelOutput => ({
  name: info.name,
  data_type: configTypeOfOnnx(info.elementType),
  ...completedShape(info.shape, batching),
  label_filename: "",
  is_shape_tensor: false,
  is_non_linear_format_io: false,
});

/** A configuration cannot say "no dimensions": a scalar is written as [1]. */
const completedShape = (
  shape: readonly number[],
  batching: boolean,
): { readonly dims: readonly number[]; readonly reshape?: Reshape } => {
  const dims = batching ? shape.slice(1) : shape;
  if (dims.length > 0) return { dims };
  return batching ? { dims: [1], reshape: { shape: [] } } : { dims: [1] };
};

/** Sizes are filled in by the core's normalisation. */
const emptyDynamicBatching = {
  preferred_batch_size: [],
  max_queue_delay_microseconds: 0,
  preserve_ordering: false,
  priority_levels: 0,
  default_priority_level: 0,
  priority_queue_policy: new Map(),
};
