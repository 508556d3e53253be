import { TritonError } from "../../common/status.ts";
import { libstdcxxMapOrder } from "../model-config/map-order.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { type DataType, dataTypeOfConfig, elementByteSize, isDataType } from "../tensor/data-type.ts";
import type { InferenceRequest, InputTensor } from "../tensor/inference-request.ts";
import { shapeText } from "../tensor/shape.ts";

interface ExpectedInput {
  readonly name: string;
  readonly datatype: DataType | "<invalid>";
  /** Without the batch dimension. */
  readonly dims: readonly number[];
  readonly optional: boolean;
  /** Shape that the backend sees instead of `dims`; null = the same. */
  readonly reshape: readonly number[] | null;
}

const batchingNote =
  "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting max_batch_size to zero. See the model configuration docs for more info on max_batch_size.";

/**
 * The checks that the real core makes before a request is queued, in its order (spec/triton-core.md 3, seen on 2.51.0).
 * Built once for a loaded version. All failures are INVALID_ARG.
 */
export class RequestValidator {
  readonly #model: string;
  readonly #maxBatchSize: number;
  readonly #inputs = new Map<string, ExpectedInput>();
  readonly #inputNames: readonly string[];
  readonly #requiredCount: number;
  readonly #outputs: ReadonlySet<string>;
  readonly #reshapes: boolean;

  constructor(config: ModelConfig) {
    this.#model = config.name;
    this.#maxBatchSize = config.max_batch_size;
    for (const input of config.input) {
      // An input named twice in the configuration counts once: the real core keeps a map.
      this.#inputs.set(input.name, {
        name: input.name,
        datatype: dataTypeOfConfig(input.data_type),
        dims: input.dims,
        optional: input.optional,
        reshape: input.reshape?.shape ?? null,
      });
    }
    this.#inputNames = config.input.map((input) => input.name);
    this.#requiredCount = config.input.filter((input) => !input.optional).length;
    this.#outputs = new Set(config.output.map((output) => output.name));
    this.#reshapes = config.input.some((input) => input.reshape !== undefined);
  }

  /** Checks a request, sets its batch size, deduces a raw input and reshapes. */
  validate(request: InferenceRequest): TritonError | null {
    if (request.raw) {
      const error = this.#deduceRawInput(request);
      if (error !== null) return error;
    }
    for (const requested of request.requestedOutputs) {
      if (!this.#outputs.has(requested)) {
        // The real server keeps them sorted (2.51.0).
        const [name] = request.requestedOutputs.filter((one) => !this.#outputs.has(one)).sort();
        return invalid(`unexpected inference output '${name}' for model '${this.#model}'`);
      }
    }
    let error = this.#checkInputs(request, request.inputs);
    if (request.inputs.length > 1 && (error !== null || this.#hasBatchOfNone(request))) {
      // The real core walks a hash map: which of several faults is reported follows that order, and whether a batch of 0,
      // which says nothing where it comes first, meets another one.
      const byName = new Map(request.inputs.map((input) => [input.name, input]));
      const order = libstdcxxMapOrder(request.inputs.map((input) => input.name));
      error = this.#checkInputs(
        request,
        order.map((name) => byName.get(name)!),
      );
    }
    if (error === null && this.#reshapes) this.#reshape(request);
    return error;
  }

  #hasBatchOfNone({ inputs }: InferenceRequest): boolean {
    return (
      this.#maxBatchSize > 0 && inputs.some(({ shape: [rows] }) => rows !== undefined && (rows | 0) === 0)
    );
  }

  #checkInputs(request: InferenceRequest, inputs: readonly InputTensor[]): TritonError | null {
    const expectedCount = this.#inputNames.length;
    if (inputs.length < this.#requiredCount || inputs.length > expectedCount) {
      return invalid(request.logPrefix + this.#wrongCount(inputs));
    }
    const batching = this.#maxBatchSize > 0;
    let batchSize = 0;
    for (const input of inputs) {
      if (!this.#inputs.has(input.name)) {
        return invalid(`unexpected inference input '${input.name}' for model '${this.#model}'`);
      }
      if (!batching) continue;
      if (input.shape.length === 0) {
        return invalid(
          `${request.logPrefix}input '${input.name}' has no shape but model requires batch dimension for '${this.#model}'`,
        );
      }
      const rows = input.shape[0]!;
      // The real core keeps it in 32 bits without a sign, and looks at them with one where it is held against the limit.
      if (batchSize === 0) batchSize = rows | 0;
      else if (batchSize >>> 0 !== rows) {
        return invalid(
          `${request.logPrefix}input '${input.name}' batch size does not match other inputs for '${this.#model}'`,
        );
      }
    }
    request.batchSize = batchSize;
    if (batching && batchSize > this.#maxBatchSize) {
      return invalid(
        `${request.logPrefix}inference request batch-size must be <= ${this.#maxBatchSize} for '${this.#model}'`,
      );
    }
    for (const input of inputs) {
      const error = this.#checkInput(request, input, this.#inputs.get(input.name)!);
      if (error !== null) return error;
    }
    return null;
  }

  #checkInput(request: InferenceRequest, input: InputTensor, expected: ExpectedInput): TritonError | null {
    if (input.datatype !== expected.datatype) {
      const got = isDataType(input.datatype) ? input.datatype : "<invalid>";
      return invalid(
        `${request.logPrefix}inference input '${input.name}' data-type is '${got}', but model '${this.#model}' expects '${expected.datatype}'`,
      );
    }
    const batching = this.#maxBatchSize > 0;
    const shape = input.shape;
    const offset = batching ? 1 : 0;
    for (let i = offset; i < shape.length; i++) {
      // Other negative dimensions are taken as they are, and make a negative size (2.51.0).
      if (shape[i] === -1) {
        return invalid(
          `${request.logPrefix}All input dimensions should be specified for input '${input.name}' for model '${this.#model}', got ${shapeText(shape)}`,
        );
      }
    }
    if (!matches(shape, offset, expected.dims)) {
      const full = batching ? [-1, ...expected.dims] : expected.dims;
      return invalid(
        `${request.logPrefix}unexpected shape for input '${input.name}' for model '${this.#model}'. Expected ${shapeText(full)}, got ${shapeText(shape)}. ${batching ? batchingNote : ""}`,
      );
    }
    // As in the real core, a batch of 0 counts as one row here, and a negative one as what its 32 bits are without a sign:
    // either then fails with the size that makes.
    let elements = batching ? Math.max(1, request.batchSize >>> 0) : 1;
    for (let i = offset; i < shape.length; i++) elements *= shape[i]!;
    // Of no dimensions at all, not even that of the batch, the real core makes no elements.
    if (batching && request.batchSize === 0 && expected.reshape?.length === 0) elements = 0;
    if (expected.datatype === "BYTES") return this.#checkStrings(request, input, elements);
    const byteSize = elements * elementByteSize[expected.datatype as DataType];
    if (byteSize !== input.data.length) {
      return invalid(
        `${request.logPrefix}input byte size mismatch for input '${request.raw ? "raw_input" : input.name}' for model '${this.#model}'. Expected ${byteSize}, got ${input.data.length}`,
      );
    }
    return null;
  }

  /** Only the count and the length prefixes; a length beyond the buffer is left to the backend, as in the real core. */
  #checkStrings(request: InferenceRequest, input: InputTensor, expected: number): TritonError | null {
    const { data } = input;
    let at = 0;
    let count = 0;
    while (at < data.length) {
      const left = data.length - at;
      if (left < 4) {
        return invalid(
          `${request.logPrefix}incomplete string length indicator for inference input '${input.name}' for model '${this.#model}', expecting 4 bytes but only ${left} bytes available. Please make sure the string length indicator is in one buffer.`,
        );
      }
      const length =
        data[at]! + data[at + 1]! * 0x100 + data[at + 2]! * 0x1_0000 + data[at + 3]! * 0x100_0000;
      count++;
      if (count > expected) {
        return invalid(
          `${request.logPrefix}unexpected number of string elements ${count} for inference input '${input.name}' for model '${this.#model}', expecting ${expected}`,
        );
      }
      at += 4 + length;
    }
    if (count !== expected) {
      return invalid(
        `${request.logPrefix}expected ${expected} string elements for inference input '${input.name}' for model '${this.#model}', got ${count}`,
      );
    }
    return null;
  }

  #wrongCount(inputs: readonly InputTensor[]): string {
    const expected = this.#inputNames.length;
    const wanted =
      this.#requiredCount === expected
        ? `expected ${expected} inputs`
        : `expected number of inputs between ${this.#requiredCount} and ${expected}`;
    const given = new Set(inputs.map((input) => input.name));
    const got = inputs.map((input) => `'${input.name}'`).join(",");
    const missing = this.#inputNames.filter((name) => !given.has(name) && !this.#inputs.get(name)!.optional);
    // The real server writes the list by cutting its last character, which eats the bracket of an empty one.
    const missingText = missing.length === 0 ? "]" : `[${missing.map((name) => `'${name}'`).join(",")}]`;
    return `${wanted} but got ${inputs.length} inputs for model '${this.#model}'. Got input(s) [${got}], but missing required input(s) ${missingText}. Please provide all required input(s).`;
  }

  #deduceRawInput(request: InferenceRequest): TritonError | null {
    const count = this.#inputNames.length;
    if (count !== 1) {
      return invalid(
        `${request.logPrefix}Raw request must only have 1 input (found 1) to be deduced but got ${count} inputs in '${this.#model}' model configuration`,
      );
    }
    const expected = this.#inputs.get(this.#inputNames[0]!)!;
    const raw = request.inputs[0]!;
    const variable = expected.dims.filter((dim) => dim < 0).length;
    if (variable > 1) {
      return invalid(
        `${request.logPrefix}The shape of the raw input '${expected.name}' can not be deduced because there are more than one variable-sized dimension`,
      );
    }
    let data = raw.data;
    const shape = [...expected.dims];
    if (expected.datatype === "BYTES") {
      if (variable > 0 || shape.reduce((product, dim) => product * dim, 1) !== 1) {
        return invalid(
          `${request.logPrefix}For BYTE datatype raw input '${expected.name}', the model must have input shape [1]`,
        );
      }
      const prefixed = new Uint8Array(4 + data.length);
      new DataView(prefixed.buffer).setUint32(0, data.length, true);
      prefixed.set(data, 4);
      data = prefixed;
    } else if (variable === 1) {
      const size = elementByteSize[expected.datatype as DataType];
      const fixed = shape.reduce((product, dim) => (dim < 0 ? product : product * dim), 1) * size;
      shape[shape.findIndex((dim) => dim < 0)] = Math.floor(data.length / fixed);
    }
    if (this.#maxBatchSize > 0) shape.unshift(1);
    request.inputs = [{ name: expected.name, datatype: expected.datatype, shape, data }];
    return null;
  }

  #reshape(request: InferenceRequest): void {
    const offset = this.#maxBatchSize > 0 ? 1 : 0;
    request.inputs = request.inputs.map((input) => {
      const { reshape, dims } = this.#inputs.get(input.name)!;
      if (reshape === null) return input;
      // Variable dimensions of dims and reshape correspond in order (the configuration was checked for equal numbers).
      const variable = dims.flatMap((dim, i) => (dim < 0 ? [input.shape[i + offset]!] : []));
      let next = 0;
      const shape = reshape.map((dim) => (dim < 0 ? variable[next++]! : dim));
      return { ...input, shape: [...input.shape.slice(0, offset), ...shape] };
    });
  }
}

const invalid = (message: string): TritonError => new TritonError("INVALID_ARG", message);

const matches = (shape: readonly number[], offset: number, dims: readonly number[]): boolean => {
  if (shape.length - offset !== dims.length) return false;
  for (let i = 0; i < dims.length; i++) {
    if (dims[i]! >= 0 && dims[i] !== shape[i + offset]) return false;
  }
  return true;
};
