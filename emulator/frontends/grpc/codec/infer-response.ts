import { upToNul } from "../../../common/c-string.ts";
import { ProtobufWriter } from "../../../common/protobuf-wire.ts";
import type { OutputTensor, Parameter } from "../../../core/tensor/inference-request.ts";
import { writeString } from "./fields.ts";
import { writeParameterEntry } from "./infer-parameter.ts";

/** What a `ModelInferResponse` says. */
export interface InferResponseMessage {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: readonly Parameter[];
  readonly outputs: readonly OutputTensor[];
}

/** Tensors from this size on are sent as they are instead of being copied into the message. */
const SEPARATE_BYTES = 64 * 1024;

/** A `ModelInferResponse` in pieces, in their order. Large tensors are views of the outputs' data. */
export const encodeInferResponse = (message: InferResponseMessage): Uint8Array[] => {
  const { modelName, modelVersion, id, parameters, outputs } = message;
  const pieces: Uint8Array[] = [];
  let writer = new ProtobufWriter();
  writeString(writer, 1, modelName);
  writeString(writer, 2, modelVersion);
  writeString(writer, 3, id);
  for (const parameter of parameters) writeParameterEntry(writer, 4, parameter);
  for (const { name, datatype, shape } of outputs) {
    const start = writer.beginMessage(5);
    writeString(writer, 1, name);
    writeString(writer, 2, datatype);
    if (shape.length > 0) writer.packedInts(3, shape);
    writer.endMessage(start);
  }
  for (const { data } of outputs) {
    if (data.length < SEPARATE_BYTES) writer.bytes(6, data);
    else {
      writer.tag(6, 2).rawVarint(data.length);
      pieces.push(writer.finish(), data);
      writer = new ProtobufWriter();
    }
  }
  const rest = writer.finish();
  if (rest.length > 0 || pieces.length === 0) pieces.push(rest);
  return pieces;
};

/** A `ModelStreamInferResponse` that carries a response. */
export const encodeStreamResponse = (message: InferResponseMessage): Uint8Array[] => {
  const pieces = encodeInferResponse(message);
  let byteSize = 0;
  for (const piece of pieces) byteSize += piece.length;
  const head = new ProtobufWriter(16).tag(2, 2).rawVarint(byteSize).finish();
  return [head, ...pieces];
};

/** A `ModelStreamInferResponse` for a request that failed; the response beside the message says which. */
export const encodeStreamError = (errorMessage: string, message: InferResponseMessage): Uint8Array[] => {
  const head = new ProtobufWriter(64);
  writeString(head, 1, upToNul(errorMessage));
  return [head.finish(), ...encodeStreamResponse(message)];
};
