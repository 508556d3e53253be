import { upToNul } from "../../common/c-string.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type {
  InferenceRequestFields,
  InputTensor,
  Parameter,
  ParameterValue,
} from "../../core/tensor/inference-request.ts";
import {
  asArray,
  asBoolean,
  asString,
  asUnsignedInteger,
  JsonDouble,
  JsonObject,
  JsonTensorData,
  type JsonValue,
  MAX_INT64,
  memberOf,
  membersOf,
  optionalMember,
  parseRequestJson,
} from "./json-reader.ts";
import { convertTensorData, readTensorData } from "./tensor-data.ts";

/**
 * The body of `POST .../infer`, in the order of checks and with the texts of 2.51.0 (spec/triton-wire.md 1.6, 1.8, 2).
 */

/** How one output is to be sent. */
export interface RequestedOutput {
  readonly name: string;
  readonly binary: boolean;
  /** How many classes to send in place of the tensor; 0 = the tensor. */
  readonly classCount: number;
  /** Where the tensor is to be put in place of the body; null = the body. */
  readonly sharedMemory: Uint8Array | null;
}

/** A request without the sink of its responses: `new InferenceRequest({ ...decoded.fields, respond })`. */
export interface DecodedInferRequest {
  readonly fields: Omit<InferenceRequestFields, "respond">;
  /** The first entry of each output the client listed; empty = all outputs, as `binaryOutputs` says. */
  readonly outputs: readonly RequestedOutput[];
  /** How outputs are sent that the client did not list. */
  readonly binaryOutputs: boolean;
}

/** The regions that clients have registered. */
export interface SharedMemoryRegions {
  /**
   * Part of a region, as a view.
   * Errors: NOT_FOUND `Unable to find shared memory region: '<region>'`; INVALID_ARG for a part that is not inside.
   */
  view(region: string, offset: number, byteSize: number): Result<Uint8Array>;
}

export const noSharedMemory: SharedMemoryRegions = {
  view: (region) => fail("NOT_FOUND", `Unable to find shared memory region: '${region}'`),
};

/** A number as C's `atoi` reads it: 32 bits of whatever digits stand in front, 0 where none do. */
export const parseHeaderNumber = (text: string): number => {
  if (isShortNumber(text)) return Number(text);
  const digits = /^[ \t\n\v\f\r]*([+-]?\d+)/.exec(text)?.[1];
  if (digits === undefined) return 0;
  if (digits.length < 10) return Number(digits);
  const value = BigInt(digits);
  const clamped = value > MAX_INT64 ? MAX_INT64 : value < -MAX_INT64 - 1n ? -MAX_INT64 - 1n : value;
  return Number(BigInt.asIntN(32, clamped));
};

/** The usual case, without a regular expression. */
const isShortNumber = (text: string): boolean => {
  if (text.length === 0 || text.length > 9) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
};

/**
 * Bytes of the JSON at the start of a body; 0 = none, the body is one raw tensor.
 * Error (before there is a request object): INVALID_ARG, out of range.
 * @param header value of `Inference-Header-Content-Length`; undefined = the whole body is JSON
 * @param bodyByteSize bytes of the body, decompressed
 */
export const inferenceHeaderLength = (header: string | undefined, bodyByteSize: number): Result<number> => {
  if (header === undefined) return ok(bodyByteSize);
  const length = parseHeaderNumber(header);
  if (length >= 0 && length <= bodyByteSize) return ok(length);
  return fail("INVALID_ARG", `inference header size should be in range (0, ${bodyByteSize}), got: ${header}`);
};

/**
 * Decodes a body. Binary tensors are views into `body`, which must not change until the last response: for tensors that
 * a runtime can use in place, put the body so that byte `headerLength` lies at a multiple of 64. Tensors from JSON have
 * memory of their own, perhaps a part of a shared small buffer.
 * Errors (of the request object, so `application/json`): those of the JSON, then in order id, parameters, inputs, binary
 * data left over, outputs.
 * @param body in one piece, decompressed
 * @param headerLength see `inferenceHeaderLength`
 * @param modelName for messages
 */
export const decodeInferRequest = (
  body: Uint8Array,
  headerLength: number,
  modelName: string,
  sharedMemory: SharedMemoryRegions = noSharedMemory,
): Result<DecodedInferRequest> => {
  if (headerLength === 0) return ok(rawRequest(body));
  const missing = headerLength - body.length;
  if (missing > 0)
    return fail("INVALID_ARG", `unexpected size for request JSON, expecting ${missing} more bytes`);
  const json = readHeader(body, headerLength);
  if (!json.ok) return json;
  try {
    return ok(new RequestDecoder(body, headerLength, modelName, sharedMemory).decode(json.value));
  } catch (error) {
    if (error instanceof TritonError) return { ok: false, error };
    throw error;
  }
};

/** Clients repeat the JSON in front of their binary tensors byte by byte: the last one is not parsed again. */
let lastHeader: { readonly bytes: Buffer; readonly document: Result<JsonValue> } | null = null;

/** Longer ones are rarely the same, and no trouble beside tensors of their size. */
const MAX_REMEMBERED_BYTES = 4096;

const readHeader = (body: Uint8Array, length: number): Result<JsonValue> => {
  // Without binary data behind it the JSON holds the tensors, which are another request's next time.
  if (length === body.length || length > MAX_REMEMBERED_BYTES) {
    return parseRequestJson(body, length, readTensorData);
  }
  if (lastHeader?.bytes.length === length && lastHeader.bytes.compare(body, 0, length) === 0) {
    return lastHeader.document;
  }
  const document = parseRequestJson(body, length, readTensorData);
  const bytes = Buffer.from(body.subarray(0, length));
  // An input may still have its elements in the JSON; a backslash could hide the word.
  const holdsElements = bytes.includes('"data"') || bytes.includes("\\");
  lastHeader = holdsElements ? null : { bytes, document };
  return document;
};

const rawRequest = (body: Uint8Array): DecodedInferRequest => ({
  fields: { inputs: [{ name: "raw_input", datatype: "", shape: [], data: body }], raw: true },
  outputs: [],
  binaryOutputs: true,
});

const MAX_SEQUENCE_ID_LENGTH = 128;
const empty = new Uint8Array(0);

/** Reads one document; what is wrong with it is thrown as a TritonError, and caught above. */
class RequestDecoder {
  readonly #body: Uint8Array;
  readonly #modelName: string;
  readonly #sharedMemory: SharedMemoryRegions;
  /** Offset of the binary data that no input has taken yet. */
  #binaryPosition: number;
  #id = "";
  #sequenceId: number | bigint | string = 0;
  #sequenceStart = false;
  #sequenceEnd = false;
  #priority = 0;
  #timeoutUs = 0;
  #binaryOutputs = false;
  readonly #parameters: Parameter[] = [];

  constructor(body: Uint8Array, headerLength: number, modelName: string, sharedMemory: SharedMemoryRegions) {
    this.#body = body;
    this.#binaryPosition = headerLength;
    this.#modelName = modelName;
    this.#sharedMemory = sharedMemory;
  }

  decode(document: JsonValue): DecodedInferRequest {
    const id = optionalMember(document, "id");
    if (id !== undefined) this.#id = upToNul(parse(asString(id), "id"));
    const parameters = optionalMember(document, "parameters");
    if (parameters !== undefined) this.#readParameters(parameters);
    const inputs = this.#readInputs(document);
    if (this.#binaryPosition < this.#body.length) {
      throw new TritonError("INVALID_ARG", `unexpected additional input data for model '${this.#modelName}'`);
    }
    const listed = optionalMember(document, "outputs");
    const outputs = listed === undefined ? [] : this.#readOutputs(listed);
    return {
      fields: {
        id: this.#id,
        inputs,
        requestedOutputs: outputs.map((output) => output.name),
        parameters: this.#parameters,
        sequenceId: this.#sequenceId,
        sequenceStart: this.#sequenceStart,
        sequenceEnd: this.#sequenceEnd,
        priority: this.#priority,
        timeoutUs: this.#timeoutUs,
        raw: false,
      },
      outputs,
      binaryOutputs: this.#binaryOutputs,
    };
  }

  #readParameters(value: JsonValue): void {
    const members = take(membersOf(value), "failed to get request params.: ");
    for (let member = members.first; member !== null; member = member.next) {
      // Of equal names the first value counts, each time.
      const name = upToNul(member.name);
      const value = members.find(name);
      if (value === undefined) throw missingParameter(name);
      this.#readParameter(name, value);
    }
  }

  #readParameter(name: string, value: JsonValue): void {
    switch (name) {
      case "sequence_id":
        this.#readSequenceId(value);
        return;
      case "sequence_start":
        this.#sequenceStart = parse(asBoolean(value), name);
        return;
      case "sequence_end":
        this.#sequenceEnd = parse(asBoolean(value), name);
        return;
      case "priority":
        this.#priority = Number(parse(asUnsignedInteger(value), name));
        return;
      case "timeout":
        this.#timeoutUs = Number(parse(asUnsignedInteger(value), name));
        return;
      case "binary_data_output":
        this.#binaryOutputs = parse(asBoolean(value), name);
        return;
      default:
        this.#parameters.push({ name, value: customParameter(name, value) });
    }
  }

  #readSequenceId(value: JsonValue): void {
    const number = asUnsignedInteger(value);
    if (number.ok) {
      this.#sequenceId = number.value;
      return;
    }
    const text = upToNul(parse(asString(value), "sequence_id"));
    if (Buffer.byteLength(text) > MAX_SEQUENCE_ID_LENGTH) {
      throw new TritonError(
        "UNSUPPORTED",
        `string correlation ID cannot be longer than ${MAX_SEQUENCE_ID_LENGTH} characters`,
      );
    }
    this.#sequenceId = text;
  }

  #readInputs(document: JsonValue): InputTensor[] {
    const list = parse(asArray(parse(memberOf(document, "inputs"), "inputs")), "inputs");
    const inputs: InputTensor[] = [];
    for (const entry of list) {
      checkSource(entry);
      const name = stringMember(entry, "name");
      const datatype = stringMember(entry, "datatype");
      const shape = readShape(entry);
      for (const other of inputs) if (other.name === name) this.#failDuplicate(name);
      inputs.push({ name, datatype, shape, data: this.#readInputData(entry, name, datatype, shape) });
    }
    return inputs;
  }

  #readInputData(entry: JsonValue, name: string, datatype: string, shape: readonly number[]): Uint8Array {
    const parameters = optionalMember(entry, "parameters");
    if (parameters instanceof JsonObject) {
      const binarySize = parameters.find("binary_data_size");
      if (binarySize !== undefined) {
        return this.#takeBinary(name, parse(asUnsignedInteger(binarySize), "binary_data_size"));
      }
      const region = this.#readSharedMemory(parameters);
      if (region !== null) return region;
    }
    const count = countElements(shape);
    if (count === 0) return empty;
    const data = parse(memberOf(entry, "data"), "data");
    if (!(data instanceof JsonTensorData)) {
      throw new TritonError("INTERNAL", "Unable to parse 'data': attempt to access JSON non-array as array");
    }
    if (data.elements !== null) return data.elements;
    const converted = convertTensorData(this.#body, data, datatype, name, count);
    if (!converted.ok) throw converted.error;
    return converted.value;
  }

  #takeBinary(name: string, size: number | bigint): Uint8Array {
    const start = this.#binaryPosition;
    const left = this.#body.length - start;
    if (size > left) {
      const missing = BigInt(size) - BigInt(left);
      throw new TritonError(
        "INVALID_ARG",
        `unexpected size for input '${name}', expecting ${missing} additional bytes for model '${this.#modelName}'`,
      );
    }
    this.#binaryPosition = start + Number(size);
    return this.#body.subarray(start, this.#binaryPosition);
  }

  /** The part of a region that the parameters of an input or output name; null = they name none. */
  #readSharedMemory(parameters: JsonObject): Uint8Array | null {
    const region = parameters.find("shared_memory_region");
    const offset = parameters.find("shared_memory_offset");
    const byteSize = parameters.find("shared_memory_byte_size");
    if (region === undefined && offset === undefined && byteSize === undefined) return null;
    const regionName = region === undefined ? null : upToNul(parse(asString(region), "shared_memory_region"));
    const from = offset === undefined ? 0 : Number(parse(asUnsignedInteger(offset), "shared_memory_offset"));
    const size =
      byteSize === undefined ? 0 : Number(parse(asUnsignedInteger(byteSize), "shared_memory_byte_size"));
    return regionName === null ? null : take(this.#sharedMemory.view(regionName, from, size), "");
  }

  #readOutputs(value: JsonValue): RequestedOutput[] {
    const outputs: RequestedOutput[] = [];
    for (const entry of parse(asArray(value), "outputs")) {
      const parameters = optionalMember(entry, "parameters");
      if (parameters instanceof JsonObject) checkDestination(parameters);
      const name = stringMember(entry, "name");
      const output =
        parameters instanceof JsonObject
          ? this.#readOutputOptions(name, parameters)
          : { name, binary: false, classCount: 0, sharedMemory: null };
      if (!outputs.some((other) => other.name === name)) outputs.push(output);
    }
    return outputs;
  }

  #readOutputOptions(name: string, parameters: JsonObject): RequestedOutput {
    const classification = parameters.find("classification");
    const classCount =
      classification === undefined
        ? 0
        : uint32(take(asUnsignedInteger(classification), "Unable to set 'classification': "));
    const sharedMemory = this.#readSharedMemory(parameters);
    const binary = parameters.find("binary_data");
    return {
      name,
      binary: binary === undefined ? false : parse(asBoolean(binary), "binary_data"),
      classCount,
      sharedMemory,
    };
  }

  #failDuplicate(name: string): never {
    const id = this.#id === "" ? "<id_unknown>" : this.#id;
    throw new TritonError("INVALID_ARG", `[request id: ${id}] input '${name}' already exists in request`);
  }
}

const take = <T>(result: Result<T>, prefix: string): T => {
  if (result.ok) return result.value;
  throw prefix === "" ? result.error : new TritonError(result.error.code, prefix + result.error.message);
};

const parse = <T>(result: Result<T>, field: string): T =>
  result.ok ? result.value : take(result, `Unable to parse '${field}': `);

const stringMember = (value: JsonValue, name: string): string =>
  upToNul(parse(asString(parse(memberOf(value, name), name)), name));

/** A name cut short by a NUL is looked for as what is left of it. */
const missingParameter = (name: string): TritonError =>
  new TritonError(
    "INTERNAL",
    ownParameters.has(name)
      ? `Unable to parse '${name}': attempt to access non-existing object member '${name}'`
      : `parameter key '${name}' was not found in the JSON`,
  );

const ownParameters: ReadonlySet<string> = new Set([
  "sequence_id",
  "sequence_start",
  "sequence_end",
  "priority",
  "timeout",
  "binary_data_output",
]);

const customParameter = (name: string, value: JsonValue): ParameterValue => {
  if (name.startsWith("triton_")) {
    throw new TritonError(
      "INVALID_ARG",
      "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    );
  }
  if (typeof value === "string") return { kind: "string", value: upToNul(value) };
  if (typeof value === "boolean") return { kind: "bool", value };
  if (typeof value === "number") return { kind: "int", value };
  // What int64 does not hold is a double.
  if (typeof value === "bigint") {
    return value > MAX_INT64 ? { kind: "double", value: Number(value) } : { kind: "int", value };
  }
  if (value instanceof JsonDouble) return { kind: "double", value: value.value };
  throw new TritonError(
    "INVALID_ARG",
    `parameter '${name}' has invalid type. It should be either 'int', 'bool', or 'string'.`,
  );
};

/** An input has its data in exactly one place. */
const checkSource = (entry: JsonValue): void => {
  const parameters = optionalMember(entry, "parameters");
  const inJson = optionalMember(entry, "data") !== undefined;
  const inBody = parameters !== undefined && optionalMember(parameters, "binary_data_size") !== undefined;
  const inMemory =
    parameters !== undefined && optionalMember(parameters, "shared_memory_region") !== undefined;
  if ((inJson ? 1 : 0) + (inBody ? 1 : 0) + (inMemory ? 1 : 0) === 1) return;
  const set = `${inJson ? " 'data'" : ""}${inBody ? " 'binary_data_size'" : ""}${inMemory ? " 'shared_memory_region'" : ""}`;
  throw new TritonError(
    "INVALID_ARG",
    `Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But ${set === "" ? "no field is set" : `set${set}`}`,
  );
};

/** An output that goes to shared memory goes there as it is. Looked at before the name. */
const checkDestination = (parameters: JsonObject): void => {
  if (parameters.find("shared_memory_region") === undefined) return;
  if (parameters.find("classification") !== undefined) {
    throw new TritonError("INVALID_ARG", "Output can't set both 'shared_memory_region' and 'classification'");
  }
  const binary = parameters.find("binary_data");
  if (binary !== undefined && take(asBoolean(binary), "Unable to set 'binary_data': ")) {
    throw new TritonError("INVALID_ARG", "Output can't set both 'shared_memory_region' and 'binary_data'");
  }
};

const readShape = (entry: JsonValue): number[] => {
  const dims = parse(asArray(parse(memberOf(entry, "shape"), "shape")), "shape");
  const shape: number[] = [];
  for (const dim of dims) {
    const value = parse(asUnsignedInteger(dim), "shape");
    shape.push(typeof value === "number" ? value : Number(BigInt.asIntN(64, value)));
  }
  return shape;
};

/** Elements of a shape as this front end of 2.51.0 counts them: in 64 bits, which may overflow to 0, and 0 for a scalar. */
const countElements = (shape: readonly number[]): number => {
  if (shape.length === 0) return 0;
  let product = 1;
  for (const dim of shape) product *= dim;
  if (Number.isSafeInteger(product)) return product;
  return Number(shape.reduce((count, dim) => BigInt.asIntN(64, count * BigInt(dim)), 1n));
};

/** The real server keeps 32 bits of a number of classes, so that 2^32 asks for none. */
const uint32 = (value: number | bigint): number => Number(BigInt.asUintN(32, BigInt(value)));
