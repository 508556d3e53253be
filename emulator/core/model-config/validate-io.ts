import type { BatchInput, BatchOutput, ModelConfig, ModelInput, ModelOutput } from "./model-config.ts";

const tensorRt = "tensorrt_plan";
const dimensionRule = "must be integer >= 1, or -1 to indicate a variable-size dimension";

/** What is wrong with inputs, outputs and batch inputs and outputs, in the order in which the server finds it. */
export function* ioProblems(config: ModelConfig): Generator<string> {
  for (const problem of allProblems(config)) yield `${problem} for ${config.name}`;
}

function* allProblems(config: ModelConfig): Generator<string> {
  const isTensorRt = config.platform === tensorRt;
  for (const input of config.input) {
    yield* shapeProblems(input, config.max_batch_size, "model input ");
    if (input.format !== "FORMAT_NONE" && input.dims.length !== 3)
      yield "model input NHWC/NCHW require 3 dims";
    if (!isTensorRt) yield* tensorRtOnlyProblems(input);
  }
  for (const output of config.output) {
    yield* shapeProblems(output, config.max_batch_size, "model output ");
    if (!isTensorRt) yield* tensorRtOnlyProblems(output);
  }
  yield* batchProblems(config);
}

function* shapeProblems(io: ModelInput | ModelOutput, maxBatchSize: number, what: string): Generator<string> {
  if (io.name === "") yield `${what}must specify 'name'`;
  const subject = `${what}'${io.name}' `;
  if (io.data_type === "TYPE_INVALID") yield `${subject}must specify 'data_type'`;
  if (io.dims.length === 0) yield `${subject}must specify 'dims'`;
  if (io.reshape?.shape.length === 0 && maxBatchSize === 0) {
    yield `${subject}cannot have empty reshape for non-batching model as scalar tensors are not supported`;
  }
  if (!io.dims.every(isDimension)) yield `${subject}dimension ${dimensionRule}`;
  if (io.reshape === undefined) return;
  const shape = io.reshape.shape;
  if (!shape.every(isDimension)) yield `${subject}reshape dimensions ${dimensionRule}`;
  const dimsParts = elementCounts(io.dims);
  const reshapeParts = elementCounts(shape);
  const bothVariable = dimsParts.length > 1 && reshapeParts.length > 1;
  if (bothVariable && dimsParts.length !== reshapeParts.length) {
    yield `${subject}has different number of variable-size dimensions for dims and reshape`;
  }
  if (dimsParts.length !== reshapeParts.length || dimsParts.some((count, i) => count !== reshapeParts[i])) {
    yield `${subject}has different size for dims and reshape`;
  }
}

const isDimension = (dimension: number): boolean => dimension >= 1 || dimension === -1;

/** Elements between the variable dimensions; one number where there is none. An empty shape has one element. */
const elementCounts = (shape: readonly number[]): number[] => {
  const counts = [1];
  for (const dimension of shape) {
    if (dimension === -1) counts.push(1);
    else counts[counts.length - 1]! *= dimension;
  }
  return counts;
};

function* tensorRtOnlyProblems(io: ModelInput | ModelOutput): Generator<string> {
  if (io.is_shape_tensor) yield "shape tensors are only supported for TensorRT platform";
  if (io.is_non_linear_format_io) yield "Non-linear IO format is only supported for the TensorRT platform";
}

function* batchProblems(config: ModelConfig): Generator<string> {
  const inputs = new Set(config.input.map(({ name }) => name));
  const outputs = new Set(config.output.map(({ name }) => name));
  for (const batchInput of config.batch_input) {
    yield* sourceCountProblem("batch input", batchInput);
    if (batchInput.data_type !== "TYPE_INT32" && batchInput.data_type !== "TYPE_FP32") {
      yield "batch input data type must be TYPE_INT32 or TYPE_FP32";
    }
    yield* unknownSources(batchInput, inputs);
  }
  for (const batchOutput of config.batch_output) {
    yield* sourceCountProblem("batch output", batchOutput);
    yield* unknownSources(batchOutput, inputs);
    const seen = new Set<string>();
    for (const name of batchOutput.target_name) {
      if (!outputs.has(name)) yield `unknown target output name '${name}'`;
      if (seen.has(name)) yield `target output name '${name}' can only be specified once`;
      seen.add(name);
    }
  }
}

function* sourceCountProblem(what: string, batch: BatchInput | BatchOutput): Generator<string> {
  const count = batch.source_input.length;
  if (count !== 1) yield `${what} kind '${batch.kind}' expects 1 source input, got ${count}`;
}

function* unknownSources(batch: BatchInput | BatchOutput, inputs: ReadonlySet<string>): Generator<string> {
  for (const name of batch.source_input) if (!inputs.has(name)) yield `unknown source input name '${name}'`;
}
