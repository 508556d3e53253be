import { maxDoubleByteSize, writeDouble, writeUint32 } from "../../common/rapidjson-double.ts";
import { ok, type Result, TritonError } from "../../common/status.ts";
import type { ServableVersion } from "../../core/inference-server.ts";
import { bytesOfClasses, classify } from "../../core/tensor/classification.ts";
import { type DataType, elementByteSize } from "../../core/tensor/data-type.ts";
import type { InferenceResponse, OutputTensor, Parameter } from "../../core/tensor/inference-request.ts";
import { elementCount } from "../../core/tensor/shape.ts";
import type { DecodedInferRequest, RequestedOutput } from "./infer-request.ts";
import { jsonString, maxEscapedByteSize, writeJsonBytes } from "./json-writer.ts";

/** The reply to `POST .../infer` (spec/triton-wire.md 1.7): JSON, then the binary tensors in the order of the outputs. */
export interface EncodedInferResponse {
  /** Name and value in turn, in the order of the wire; the length of the body comes after them. */
  readonly headers: readonly string[];
  /** Pieces to be written one after the other. Large tensors are the views that the response holds: nothing is copied. */
  readonly body: readonly Uint8Array[];
}

/**
 * Encodes a response without error. Errors (of the response phase, so `text/plain`): INVALID_ARG for a tensor of a type
 * that JSON or classification does not carry, INTERNAL for a tensor whose size does not match its shape or its region.
 * @param binaryHeaders how a body with binary tensors is labelled: by default as KServe's binary extension has it
 */
export const encodeInferResponse = (
  request: DecodedInferRequest,
  version: ServableVersion,
  response: InferenceResponse,
  binaryHeaders: (jsonByteSize: number) => readonly string[] = kserveBinaryHeaders,
): Result<EncodedInferResponse> => {
  const json = new BodyWriter();
  const binary: Uint8Array[] = [];
  try {
    writeHead(json, request.fields.id ?? "", version, response.parameters);
    let separator = '{"name":';
    for (const output of response.outputs) {
      json.text(separator);
      writeOutput(json, binary, output, optionsOf(request, output.name), version);
      separator = ',{"name":';
    }
  } catch (error) {
    if (error instanceof TritonError) return { ok: false, error };
    throw error;
  }
  json.text("]}");
  let binarySize = 0;
  for (const part of binary) binarySize += part.byteLength;
  if (binarySize === 0) return ok({ headers: jsonHeaders, body: json.finish(noParts, 0) });
  return ok({ headers: binaryHeaders(json.byteSize), body: json.finish(binary, binarySize) });
};

const kserveBinaryHeaders = (jsonByteSize: number): readonly string[] => [
  "Content-Type",
  "application/octet-stream",
  "Inference-Header-Content-Length",
  String(jsonByteSize),
];

const jsonHeaders: readonly string[] = ["Content-Type", "application/json"];
const noParts: readonly Uint8Array[] = [];

/** Binary tensors of up to this many bytes together are copied behind the JSON: one write is cheaper than two. */
const JOINED_BYTES = 65_536;

const optionsOf = (request: DecodedInferRequest, name: string): RequestedOutput => {
  for (const output of request.outputs) if (output.name === name) return output;
  return request.binaryOutputs ? binaryOutput : jsonOutput;
};

const jsonOutput: RequestedOutput = { name: "", binary: false, classCount: 0, sharedMemory: null };
const binaryOutput: RequestedOutput = { name: "", binary: true, classCount: 0, sharedMemory: null };

const writeHead = (
  json: BodyWriter,
  id: string,
  version: ServableVersion,
  parameters: readonly Parameter[] | undefined,
): void => {
  json.text(id === "" ? '{"model_name":' : `{"id":${jsonString(id)},"model_name":`);
  json.text(jsonString(version.modelName));
  json.text(',"model_version":"');
  json.text(version.versionText);
  if (parameters === undefined || parameters.length === 0) {
    json.text('","outputs":[');
    return;
  }
  let separator = '","parameters":{';
  for (const { name, value } of parameters) {
    json.text(separator);
    json.text(jsonString(name));
    json.text(":");
    if (value.kind === "double") json.double(value.value);
    else json.text(value.kind === "string" ? jsonString(value.value) : String(value.value));
    separator = ",";
  }
  json.text('},"outputs":[');
};

/** Everything of an output behind the key of its name. */
const writeOutput = (
  json: BodyWriter,
  binary: Uint8Array[],
  output: OutputTensor,
  options: RequestedOutput,
  version: ServableVersion,
): void => {
  if (options.classCount > 0) {
    writeClasses(json, binary, output, options, version);
    return;
  }
  const { datatype, data } = output;
  writeDescription(json, output.name, datatype, output.shape);
  if (options.sharedMemory !== null) putIntoRegion(options.sharedMemory, output);
  else if (options.binary) {
    writeBinarySize(json, data.byteLength);
    binary.push(data);
  } else writeData(json, output);
  json.text("}");
};

const writeClasses = (
  json: BodyWriter,
  binary: Uint8Array[],
  output: OutputTensor,
  options: RequestedOutput,
  version: ServableVersion,
): void => {
  const classified = classify(
    output.datatype,
    output.shape,
    output.data,
    version.config.max_batch_size > 0,
    options.classCount,
    version.labels(output.name),
  );
  if (!classified.ok) throw classified.error;
  // The real server (2.51.0) dies of this over HTTP, and answers with an empty tensor over gRPC.
  if (classified.value.classes.length === 0) {
    throw new TritonError("INVALID_ARG", "class result not available for output without elements");
  }
  const data = bytesOfClasses(classified.value.classes);
  writeDescription(json, output.name, "BYTES", classified.value.shape);
  if (options.binary) {
    writeBinarySize(json, data.byteLength);
    binary.push(data);
  } else writeData(json, { name: output.name, datatype: "BYTES", shape: classified.value.shape, data });
  json.text("}");
};

const writeDescription = (
  json: BodyWriter,
  name: string,
  datatype: DataType,
  shape: readonly number[],
): void => {
  json.text(jsonString(name));
  json.text(',"datatype":"');
  json.text(datatype);
  json.text('","shape":[');
  for (let i = 0; i < shape.length; i++) {
    if (i > 0) json.text(",");
    json.text(String(shape[i]));
  }
  json.text("]");
};

const writeBinarySize = (json: BodyWriter, byteSize: number): void => {
  json.text(',"parameters":{"binary_data_size":');
  json.text(String(byteSize));
  json.text("}");
};

const putIntoRegion = (region: Uint8Array, { name, data }: OutputTensor): void => {
  if (data.byteLength > region.byteLength) {
    throw new TritonError(
      "INTERNAL",
      `shared memory size specified with the request for output '${name}' (${region.byteLength} bytes) should be at least ${data.byteLength} bytes to hold the results`,
    );
  }
  region.set(data);
};

const writeData = (json: BodyWriter, output: OutputTensor): void => {
  const { datatype, data } = output;
  if (datatype === "FP16" || datatype === "BF16") {
    throw new TritonError(
      "INVALID_ARG",
      `sending ${datatype} data via JSON is not supported. Please use the binary data format for output`,
    );
  }
  const count = elementCount(output.shape);
  json.text(',"data":[');
  if (datatype === "BYTES") json.strings(output.name, data, count);
  else {
    if (count * elementByteSize[datatype] !== data.byteLength) throw sizeMismatch(output.name);
    if (count > 0) json.elements(datatype, data, count);
  }
  json.text("]");
};

const sizeMismatch = (output: string): TritonError =>
  new TritonError("INTERNAL", `output tensor shape does not match size of output for '${output}'`);

/** Where every body is begun; larger ones go on in chunks of their own. */
const scratch = Buffer.allocUnsafeSlow(16_384);
const CHUNK_BYTES = 1_048_576;
const COMMA = 0x2c;
const MINUS = 0x2d;
const QUOTE = 0x22;

/** Room for one element of any type but BYTES, comma included. */
const maxElementByteSize = maxDoubleByteSize + 1;
/** Bytes of a string that are escaped in one go. */
const STRING_SLICE = 1024;

/**
 * Builds the JSON of one body. Only one exists at a time: it begins in memory that all share, and `finish` copies out
 * what is small.
 */
class BodyWriter {
  #chunk = scratch;
  #position = 0;
  #full: Buffer[] | null = null;
  #fullByteSize = 0;

  get byteSize(): number {
    return this.#fullByteSize + this.#position;
  }

  /** The pieces of the body. A body in one chunk, with binary parts that are small, is one piece. */
  finish(binary: readonly Uint8Array[], binarySize: number): Uint8Array[] {
    const joined = binarySize <= JOINED_BYTES;
    const last = Buffer.allocUnsafe(this.#position + (joined ? binarySize : 0));
    this.#chunk.copy(last, 0, 0, this.#position);
    if (joined) {
      let at = this.#position;
      for (const part of binary) {
        last.set(part, at);
        at += part.byteLength;
      }
    }
    const pieces: Uint8Array[] = this.#full === null ? [last] : [...this.#full, last];
    if (!joined) for (const part of binary) if (part.byteLength > 0) pieces.push(part);
    return pieces;
  }

  text(text: string): void {
    const length = text.length;
    const at = this.#reserve(3 * length);
    const chunk = this.#chunk;
    if (length <= 64) {
      let i = 0;
      while (i < length) {
        const code = text.charCodeAt(i);
        if (code >= 0x80) break;
        chunk[at + i] = code;
        i++;
      }
      if (i === length) {
        this.#position = at + length;
        return;
      }
    }
    this.#position = at + chunk.write(text, at);
  }

  double(value: number): void {
    const at = this.#reserve(maxDoubleByteSize);
    this.#position = writeDouble(this.#chunk, at, value);
  }

  /** `count` elements with commas between them. */
  elements(datatype: DataType, data: Uint8Array, count: number): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const size = elementByteSize[datatype];
    let next = 0;
    while (next < count) {
      const at = this.#reserve(maxElementByteSize);
      const room = Math.floor((this.#chunk.length - at) / maxElementByteSize);
      const end = Math.min(count, next + room);
      this.#position = writeElements(this.#chunk, at, datatype, view, next * size, end * size);
      next = end;
    }
    // The last one has a comma too many.
    this.#position--;
  }

  /** The strings of a BYTES tensor. */
  strings(output: string, data: Uint8Array, count: number): void {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    let offset = 0;
    for (let i = 0; i < count; i++) {
      if (offset + 4 > data.byteLength) throw sizeMismatch(output);
      const start = offset + 4;
      const end = start + view.getUint32(offset, true);
      if (end > data.byteLength) throw sizeMismatch(output);
      let at = this.#reserve(2);
      if (i > 0) this.#chunk[at++] = COMMA;
      this.#chunk[at++] = QUOTE;
      this.#position = at;
      for (let from = start; from < end; from += STRING_SLICE) {
        const to = Math.min(end, from + STRING_SLICE);
        at = this.#reserve((to - from) * maxEscapedByteSize);
        this.#position = writeJsonBytes(this.#chunk, at, data, from, to);
      }
      at = this.#reserve(1);
      this.#chunk[at] = QUOTE;
      this.#position = at + 1;
      offset = end;
    }
  }

  /** Makes sure of `byteSize` bytes in one piece; gives the offset where they begin. */
  #reserve(byteSize: number): number {
    if (this.#position + byteSize <= this.#chunk.length) return this.#position;
    const full = this.#chunk.subarray(0, this.#position);
    this.#full ??= [];
    this.#full.push(this.#chunk === scratch ? Buffer.from(full) : full);
    this.#fullByteSize += this.#position;
    this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, byteSize));
    this.#position = 0;
    return 0;
  }
}

/** Writes the elements between two offsets of `view`, each with a comma behind it; gives the end. */
const writeElements = (
  out: Uint8Array,
  at: number,
  datatype: DataType,
  view: DataView,
  from: number,
  to: number,
): number => {
  let position = at;
  switch (datatype) {
    case "INT32":
      for (let i = from; i < to; i += 4) position = writeInteger(out, position, view.getInt32(i, true));
      break;
    case "FP32":
      for (let i = from; i < to; i += 4) {
        position = writeDouble(out, position, view.getFloat32(i, true));
        out[position++] = COMMA;
      }
      break;
    case "FP64":
      for (let i = from; i < to; i += 8) {
        position = writeDouble(out, position, view.getFloat64(i, true));
        out[position++] = COMMA;
      }
      break;
    case "INT64":
    case "UINT64":
      for (let i = from; i < to; i += 8) position = writeLong(out, position, view, i, datatype === "INT64");
      break;
    case "UINT32":
      for (let i = from; i < to; i += 4) position = writeInteger(out, position, view.getUint32(i, true));
      break;
    case "INT16":
      for (let i = from; i < to; i += 2) position = writeInteger(out, position, view.getInt16(i, true));
      break;
    case "UINT16":
      for (let i = from; i < to; i += 2) position = writeInteger(out, position, view.getUint16(i, true));
      break;
    case "INT8":
      for (let i = from; i < to; i++) position = writeInteger(out, position, view.getInt8(i));
      break;
    case "UINT8":
      for (let i = from; i < to; i++) position = writeInteger(out, position, view.getUint8(i));
      break;
    default:
      for (let i = from; i < to; i++)
        position = writeText(out, position, view.getUint8(i) === 0 ? "false," : "true,");
  }
  return position;
};

const writeInteger = (out: Uint8Array, at: number, value: number): number => {
  let position = at;
  let magnitude = value;
  if (value < 0) {
    out[position++] = MINUS;
    magnitude = -value;
  }
  position = writeUint32(out, position, magnitude);
  out[position] = COMMA;
  return position + 1;
};

/** A 64-bit integer with every digit; most are small enough to do without bigint. */
const writeLong = (out: Uint8Array, at: number, view: DataView, offset: number, signed: boolean): number => {
  const low = view.getUint32(offset, true);
  const high = signed ? view.getInt32(offset + 4, true) : view.getUint32(offset + 4, true);
  if (high === 0) return writeInteger(out, at, low);
  const value = high * 2 ** 32 + low;
  if (value < 0 && value > -(2 ** 32)) return writeInteger(out, at, value);
  if (Number.isSafeInteger(value)) return writeText(out, at, `${value},`);
  return writeText(out, at, `${signed ? view.getBigInt64(offset, true) : view.getBigUint64(offset, true)},`);
};

const writeText = (out: Uint8Array, at: number, text: string): number => {
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i);
  return at + text.length;
};
