import { type Result, TritonError } from "../../common/status.ts";
import type { BatchInput, ModelConfig } from "../../core/model-config/model-config.ts";
import { elementByteSize, isDataType } from "../../core/tensor/data-type.ts";
import type {
  InferenceRequest,
  InferenceResponse,
  InputTensor,
  OutputTensor,
} from "../../core/tensor/inference-request.ts";
import { elementCount } from "../../core/tensor/shape.ts";
import type { ModelDescription, RunOutput } from "./session-protocol.ts";
import type { PartedInput } from "./worker-pool.ts";

/** What a batch needs to know of its model, worked out once. */
export interface BatchPlan {
  readonly batching: boolean;
  readonly maxBatchSize: number;
  /** Inputs of the graph that are scalars: they are fed without dimensions, whatever the request says. */
  readonly scalarInputs: ReadonlySet<string>;
  /** All inputs that the graph takes. */
  readonly knownInputs: ReadonlySet<string>;
  /** Inputs that a run cannot do without. */
  readonly requiredInputs: readonly string[];
  readonly raggedInputs: ReadonlySet<string>;
  readonly batchInputs: readonly BatchInput[];
  /** Outputs to fetch when all are asked for, sorted: those of the configuration and of the states. */
  readonly outputs: readonly string[];
  /** Outputs of states, fetched and answered whatever a request asks for. */
  readonly stateOutputs: ReadonlySet<string>;
  /** Of these, those that the configuration has among its outputs too. */
  readonly shownStates: ReadonlySet<string>;
  /** Outputs that the client sees in another shape than the graph's: by name, what its dimensions become. */
  readonly reshapedOutputs: ReadonlyMap<
    string,
    { readonly from: readonly number[]; readonly to: readonly number[] }
  >;
  /** Outputs whose rows belong to requests by the shape of an input, and that input. */
  readonly scattered: ReadonlyMap<string, ScatteredOutput>;
  /** Shapes of outputs of which the graph says that they are scalars: as the configuration has them, of one element. */
  readonly scalarOutputs: ReadonlyMap<string, readonly number[]>;
}

interface ScatteredOutput {
  readonly sourceInput: string;
  readonly dims: readonly number[];
  /** The real library answers every output of a `batch_output` under the name of its first (2.51.0). */
  readonly shownAs: string;
}

export const planBatches = (config: ModelConfig, description: ModelDescription): BatchPlan => {
  const graphInputs = [...description.inputs, ...description.overridable];
  const stateOutputs = new Set((config.sequence_batching?.state ?? []).map((state) => state.output_name));
  const outputs = new Set([...config.output.map((output) => output.name), ...stateOutputs]);
  const dimsOf = (name: string): readonly number[] =>
    config.output.find((output) => output.name === name)?.dims ?? [];
  return {
    batching: config.max_batch_size > 0,
    maxBatchSize: config.max_batch_size,
    scalarInputs: new Set(graphInputs.filter(({ shape }) => shape.length === 0).map(({ name }) => name)),
    knownInputs: new Set(graphInputs.map(({ name }) => name)),
    requiredInputs: description.inputs.map(({ name }) => name),
    raggedInputs: new Set(
      config.input.filter((input) => input.allow_ragged_batch).map((input) => input.name),
    ),
    batchInputs: config.batch_input,
    outputs: [...outputs].sort(),
    stateOutputs,
    shownStates: new Set(config.output.map(({ name }) => name).filter((name) => stateOutputs.has(name))),
    reshapedOutputs: new Map(
      config.output.flatMap(
        ({ name, reshape, dims }): [string, { from: readonly number[]; to: readonly number[] }][] =>
          reshape === undefined ? [] : [[name, { from: reshape.shape, to: dims }]],
      ),
    ),
    scalarOutputs: new Map(
      config.output
        .filter(({ name }) => description.outputs.some((one) => one.name === name && one.shape.length === 0))
        .map(({ name, dims, reshape }) => [name, reshape?.shape ?? dims]),
    ),
    scattered: new Map(
      config.batch_output.flatMap(({ target_name, source_input }) =>
        target_name.map((name): [string, ScatteredOutput] => [
          name,
          { sourceInput: source_input[0] ?? "", dims: dimsOf(name), shownAs: target_name[0] ?? name },
        ]),
      ),
    ),
  };
};

/** What a batch becomes: the inputs of one run, and requests that are refused although the run goes on without them. */
export interface GatheredBatch {
  readonly inputs: readonly PartedInput[];
  /** By place in the batch. */
  readonly refused: ReadonlyMap<number, TritonError>;
}

/** The inputs of a run: every input of the requests joined along dimension 0, and what `batch_input` adds. */
export const gatherInputs = (
  plan: BatchPlan,
  description: ModelDescription,
  batch: readonly InferenceRequest[],
): Result<GatheredBatch> => {
  const inputs: PartedInput[] = [];
  const refused = new Map<number, TritonError>();
  const [first] = batch;
  if (first === undefined) return { ok: true, value: { inputs, refused } };
  for (let position = 0; position < first.inputs.length; position++) {
    const input = first.inputs[position]!;
    if (!plan.knownInputs.has(input.name)) {
      return internal(`Failed to retrieve the ONNX input tensor info from '${input.name}'.`);
    }
    const gathered = gatherInput(plan, batch, position, input, refused);
    if (!gathered.ok) return gathered;
    inputs.push(gathered.value);
  }
  for (const batchInput of plan.batchInputs) {
    const made = makeBatchInput(batchInput, batch);
    if (!made.ok) return made;
    inputs.push(...made.value);
  }
  for (const { name } of inputs) {
    if (!plan.knownInputs.has(name))
      return internal(`onnx runtime error 1: Failed to find input name in the mapping: ${name}`);
  }
  for (let i = 0; i < plan.requiredInputs.length; i++) {
    const name = plan.requiredInputs[i]!;
    // Nearly always the inputs stand in the order of the graph.
    if (inputs[i]?.name !== name && !inputs.some((input) => input.name === name)) {
      return missingInput(description, name);
    }
  }
  return { ok: true, value: { inputs, refused } };
};

const gatherInput = (
  plan: BatchPlan,
  batch: readonly InferenceRequest[],
  position: number,
  first: InputTensor,
  refused: Map<number, TritonError>,
): Result<PartedInput> => {
  const { name, datatype } = first;
  if (!isDataType(datatype)) return internal(`input '${name}' has data type ${datatype}`);
  if (batch.length === 1) {
    const seen = seenShape(plan, batch[0]?.batchSize ?? 0, first.shape);
    const shape = plan.raggedInputs.has(name) && plan.batching ? [elementCount(seen)] : seen;
    const data = checkedData(first, seen, 0, refused);
    return fitted(plan, { name, dataType: datatype, shape, parts: [data], byteLength: data.byteLength });
  }
  const parts: Uint8Array[] = [];
  let byteLength = 0;
  let rows = 0;
  let elements = 0;
  for (const [index, request] of batch.entries()) {
    const input = inputNamed(request, name, position);
    if (input === undefined) return internal(`input '${name}' is missing in a request of the batch`);
    const seen = seenShape(plan, request.batchSize, input.shape);
    const data = checkedData(input, seen, index, refused);
    parts.push(data);
    byteLength += data.byteLength;
    rows += seen[0] ?? 0;
    elements += elementCount(seen);
  }
  const shape = plan.raggedInputs.has(name)
    ? [elements]
    : [rows, ...seenShape(plan, batch[0]?.batchSize ?? 0, first.shape).slice(1)];
  return fitted(plan, { name, dataType: datatype, shape, parts, byteLength });
};

/**
 * As the real core shows it to a backend: with the batch of the request in the place of the input's own. A batch of 0 is left
 * out, and one below 0 is 32 bits without a sign (2.51.0).
 */
export const seenShape = (
  plan: BatchPlan,
  batchSize: number,
  shape: readonly number[],
): readonly number[] => {
  if (!plan.batching || (batchSize > 0 && shape[0] === batchSize)) return shape;
  const rest = shape.slice(1);
  return batchSize === 0 ? rest : [batchSize >>> 0, ...rest];
};

/** The bytes of an input; empty strings where its own run out or are too many, and then its request is refused. */
const checkedData = (
  { name, datatype, data, shape }: InputTensor,
  seen: readonly number[],
  index: number,
  refused: Map<number, TritonError>,
): Uint8Array => {
  if (datatype !== "BYTES") return data;
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const expected = elementCount(seen);
  const refuse = (message: string): Uint8Array => {
    refused.set(index, new TritonError("INVALID_ARG", message));
    // Of a batch below 0 there would be billions.
    return new Uint8Array(4 * Math.max(0, Math.min(expected, elementCount(shape))));
  };
  let at = 0;
  for (let count = 1; at + 4 <= buffer.length; count++) {
    if (count > expected)
      return refuse(
        `unexpected number of string elements ${count} for inference input '${name}', expecting ${expected}`,
      );
    const length = buffer.readUInt32LE(at);
    const rest = buffer.length - at - 4;
    if (length > rest)
      return refuse(
        `incomplete string data for inference input '${name}', expecting string of length ${length} but only ${rest} bytes available`,
      );
    at += 4 + length;
  }
  return data.subarray(0, at);
};

/** A scalar of the graph takes its first element and has no dimensions. */
const fitted = (plan: BatchPlan, input: PartedInput): Result<PartedInput> => {
  if (!plan.scalarInputs.has(input.name) || input.shape.length === 0) return { ok: true, value: input };
  const size = elementByteSize[input.dataType];
  const whole = input.parts.length === 1 ? input.parts[0]! : Buffer.concat(input.parts);
  const data = size === 0 ? firstString(whole) : whole.subarray(0, size);
  return { ok: true, value: { ...input, shape: [], parts: [data], byteLength: data.byteLength } };
};

const firstString = (data: Uint8Array): Uint8Array =>
  data.subarray(0, 4 + Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt32LE(0));

/** Requests of a batch list their inputs alike most of the time. */
const inputNamed = (request: InferenceRequest, name: string, position: number): InputTensor | undefined => {
  const same = request.inputs[position];
  return same?.name === name ? same : request.inputs.find((input) => input.name === name);
};

/** The text of the node that finds its input missing, as ONNX Runtime words it. */
const missingInput = (description: ModelDescription, name: string): Result<GatheredBatch> => {
  const consumer = description.consumers.get(name);
  if (consumer === undefined) return internal(`onnx runtime error 2: Missing Input: ${name}`);
  return internal(
    `onnx runtime error 1: Non-zero status code returned while running ${consumer.opType} node. ` +
      `Name:'${consumer.nodeName}' Status Message: /onnxruntime_src/include/onnxruntime/core/framework/op_kernel_context.h:42 ` +
      `const T* onnxruntime::OpKernelContext::Input(int) const [with T = onnxruntime::Tensor] Missing Input: ${name}\n`,
  );
};

/** `batch_input` (spec/triton-core.md 2.1): tensors that describe the batch. */
const makeBatchInput = (config: BatchInput, batch: readonly InferenceRequest[]): Result<PartedInput[]> => {
  const source = config.source_input[0] ?? "";
  const shapes: (readonly number[])[] = [];
  for (const request of batch) {
    const input = request.inputs.find(({ name }) => name === source);
    if (input === undefined) return internal(`input '${source}' is missing in a request of the batch`);
    shapes.push(input.shape);
  }
  const counts = shapes.map(elementCount);
  const { values, shape } = batchInputValues(config.kind, counts, shapes);
  const data = numbersAs(config.data_type === "TYPE_FP32" ? "FP32" : "INT32", values);
  return {
    ok: true,
    value: config.target_name.map((name) => ({
      name,
      dataType: config.data_type === "TYPE_FP32" ? "FP32" : "INT32",
      shape,
      parts: [data],
      byteLength: data.byteLength,
    })),
  };
};

const batchInputValues = (
  kind: BatchInput["kind"],
  counts: readonly number[],
  shapes: readonly (readonly number[])[],
): { values: readonly number[]; shape: readonly number[] } => {
  switch (kind) {
    case "BATCH_ELEMENT_COUNT":
      return { values: counts, shape: [counts.length] };
    case "BATCH_ACCUMULATED_ELEMENT_COUNT":
      return { values: accumulated(counts), shape: [counts.length] };
    case "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO":
      return { values: [0, ...accumulated(counts)], shape: [counts.length + 1] };
    case "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE": {
      // Only the shape says something; the real server leaves the content as it finds it.
      const most = Math.max(...counts);
      return { values: new Array<number>(most).fill(0), shape: [most] };
    }
    case "BATCH_ITEM_SHAPE": {
      const values = itemShapes(shapes);
      return { values, shape: [rowsOf(shapes), (shapes[0]?.length ?? 1) - 1] };
    }
    case "BATCH_ITEM_SHAPE_FLATTEN": {
      const values = itemShapes(shapes);
      return { values, shape: [values.length] };
    }
  }
};

const accumulated = (counts: readonly number[]): number[] => {
  let sum = 0;
  return counts.map((count) => {
    sum += count;
    return sum;
  });
};

const rowsOf = (shapes: readonly (readonly number[])[]): number =>
  shapes.reduce((rows, shape) => rows + (shape[0] ?? 0), 0);

/** The shape of each batch element, without the batch dimension. */
const itemShapes = (shapes: readonly (readonly number[])[]): number[] =>
  shapes.flatMap((shape) => Array.from({ length: shape[0] ?? 0 }, () => shape.slice(1)).flat());

const numbersAs = (dataType: "FP32" | "INT32", values: readonly number[]): Uint8Array => {
  const array = dataType === "FP32" ? Float32Array.from(values) : Int32Array.from(values);
  return new Uint8Array(array.buffer);
};

/** Outputs to fetch for a batch: less than all only where every request asks for less. */
export const outputsToFetch = (plan: BatchPlan, batch: readonly InferenceRequest[]): readonly string[] => {
  if (batch.some((request) => request.requestedOutputs.length === 0)) return plan.outputs;
  return plan.outputs.filter(
    (name) => plan.stateOutputs.has(name) || batch.some((request) => request.requestedOutputs.includes(name)),
  );
};

/** One response a request, in the order of the batch: its rows of every output it asked for, sorted by name. */
export const splitOutputs = (
  plan: BatchPlan,
  batch: readonly InferenceRequest[],
  outputs: readonly RunOutput[],
): InferenceResponse[] => {
  const lists: OutputTensor[][] = batch.map(() => []);
  /** By place in the batch. */
  const errors: TritonError[] = [];
  for (const output of outputs) {
    const scatter = plan.scattered.get(output.name);
    if (scatter !== undefined) scatterOutput(plan, output, scatter, batch, lists);
    else if (plan.batching) splitOutput(plan, output, batch, lists, errors);
    else giveWhole(plan, output, batch, lists);
  }
  return lists.map((list, index) => {
    const error = errors[index];
    if (error === undefined) return { final: true, outputs: list };
    return { final: true, error, outputs: list.filter(({ name }) => plan.stateOutputs.has(name)) };
  });
};

const asksFor = (plan: BatchPlan, request: InferenceRequest, name: string): boolean =>
  request.requestedOutputs.length === 0 ||
  request.requestedOutputs.includes(name) ||
  plan.stateOutputs.has(name);

const giveWhole = (
  plan: BatchPlan,
  output: RunOutput,
  batch: readonly InferenceRequest[],
  lists: OutputTensor[][],
): void => {
  for (const [index, request] of batch.entries()) {
    if (asksFor(plan, request, output.name))
      lists[index]!.push(asOutput(plan, output, shapeOf(plan, output), output.data));
  }
};

const shapeOf = (plan: BatchPlan, output: RunOutput): readonly number[] =>
  output.shape.length === 0 ? (plan.scalarOutputs.get(output.name) ?? [1]) : output.shape;

const splitOutput = (
  plan: BatchPlan,
  output: RunOutput,
  batch: readonly InferenceRequest[],
  lists: OutputTensor[][],
  errors: TritonError[],
): void => {
  const shape = shapeOf(plan, output);
  const isState = plan.shownStates.has(output.name) && output.dataType !== "BYTES";
  let rows = shape[0] ?? 0;
  /** Made for the first request that gets a part of the output. */
  let bounds: ((row: number) => number) | null = null;
  let row = 0;
  for (let index = 0; index < batch.length; index++) {
    const request = batch[index]!;
    // As the real backend counts: by the first input, not by what the request was counted as.
    const size = request.inputs[0]?.shape[0] ?? request.batchSize;
    const start = row;
    row += size;
    if (row > rows) {
      errors[index] ??= new TritonError(
        "UNSUPPORTED",
        `${request.logPrefix}failed to split the output ${isState ? "state " : ""}tensor '${output.name}' in responses: ` +
          `expected batch size of at least ${row} in model output, got ${rows}`,
      );
    } else if (errors[index] === undefined && asksFor(plan, request, output.name)) {
      if (size === shape[0]) lists[index]!.push(asOutput(plan, output, shape, output.data));
      else {
        const rest = shape.slice(1);
        bounds ??= rowBounds(output, elementCount(rest));
        const data = output.data.subarray(bounds(start), bounds(row));
        lists[index]!.push(asOutput(plan, output, [size, ...rest], data));
      }
    }
    // The real backend takes a state for as long as the part of it that the last request was answered.
    if (isState && index === 0) rows = size;
  }
};

/** Where row n begins, in bytes. */
const rowBounds = (output: RunOutput, elementsPerRow: number): ((row: number) => number) => {
  const size = elementByteSize[output.dataType];
  if (size > 0) return (row) => row * elementsPerRow * size;
  const starts = stringStarts(output.data);
  return (row) => starts[row * elementsPerRow] ?? output.data.byteLength;
};

const stringStarts = (data: Uint8Array): number[] => {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const starts: number[] = [];
  for (let at = 0; at < buffer.length; at += 4 + buffer.readUInt32LE(at)) starts.push(at);
  return starts;
};

/** BATCH_SCATTER_WITH_INPUT_SHAPE: each request gets as many elements as the source input's shape says. */
const scatterOutput = (
  plan: BatchPlan,
  output: RunOutput,
  { sourceInput, dims, shownAs }: ScatteredOutput,
  batch: readonly InferenceRequest[],
  lists: OutputTensor[][],
): void => {
  const bounds = rowBounds(output, 1);
  let element = 0;
  for (const [index, request] of batch.entries()) {
    const source = request.inputs.find(({ name }) => name === sourceInput)?.shape ?? [];
    const rows = plan.batching ? [source[0] ?? 1] : [];
    const shape = [
      ...rows,
      ...dims.map((dim, axis) => (dim === -1 ? (source[axis + rows.length] ?? 1) : dim)),
    ];
    const start = element;
    element += elementCount(shape);
    const data = output.data.subarray(bounds(start), bounds(element));
    lists[index]!.push({ ...asOutput(plan, output, shape, data), name: shownAs });
  }
};

const asOutput = (
  plan: BatchPlan,
  { name, dataType }: RunOutput,
  shape: readonly number[],
  data: Uint8Array,
): OutputTensor => ({ name, datatype: dataType, shape: reshaped(plan, name, shape), data });

/** Undoes the configuration's `reshape`; free dimensions correspond in order. */
const reshaped = (plan: BatchPlan, name: string, shape: readonly number[]): readonly number[] => {
  const reshape = plan.reshapedOutputs.get(name);
  if (reshape === undefined) return shape;
  const own = plan.batching ? shape.slice(1) : shape;
  const free = own.filter((_, axis) => reshape.from[axis] === -1);
  let next = 0;
  const dims = reshape.to.map((dim) => (dim === -1 ? (free[next++] ?? 1) : dim));
  return plan.batching ? [shape[0] ?? 1, ...dims] : dims;
};

const internal = (message: string): { readonly ok: false; readonly error: TritonError } => ({
  ok: false,
  error: new TritonError("INTERNAL", message),
});
