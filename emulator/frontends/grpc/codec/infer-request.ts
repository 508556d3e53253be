import { upToNul } from "../../../common/c-string.ts";
import { ProtobufReader } from "../../../common/protobuf-wire.ts";

import {
  type InferParameter,
  type InferParameters,
  noParameters,
  readParameterEntry,
} from "./infer-parameter.ts";
import { TensorContents } from "./tensor-contents.ts";

/** A `ModelInferRequest` as it arrived. Bytes are views of the message. */
export interface InferRequestMessage {
  modelName: string;
  modelVersion: string;
  id: string;
  parameters: InferParameters;
  inputs: readonly InferInputTensor[];
  outputs: readonly RequestedOutputTensor[];
  rawInputContents: readonly Uint8Array[];
}

export interface InferInputTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: InferParameters;
  readonly contents: TensorContents | null;
}

export interface RequestedOutputTensor {
  readonly name: string;
  readonly parameters: InferParameters;
}

/** @throws ProtobufError when the bytes are no ModelInferRequest */
export const decodeInferRequest = (bytes: Uint8Array): InferRequestMessage => {
  let modelName = "";
  let modelVersion = "";
  let id = "";
  let parameters: Map<string, InferParameter> | null = null;
  const inputs: InferInputTensor[] = [];
  const outputs: RequestedOutputTensor[] = [];
  const rawInputContents: Uint8Array[] = [];
  const reader = new ProtobufReader(bytes);
  while (reader.next()) {
    if (reader.wireType !== 2) {
      reader.skip();
      continue;
    }
    switch (reader.field) {
      case 1:
        modelName = reader.utf8String();
        break;
      case 2:
        modelVersion = reader.utf8String();
        break;
      case 3:
        id = upToNul(reader.utf8String());
        break;
      case 4:
        parameters ??= new Map();
        readParameterEntry(reader.message(), parameters);
        break;
      case 5:
        inputs.push(readInput(reader.message()));
        break;
      case 6:
        outputs.push(readRequestedOutput(reader.message()));
        break;
      case 7:
        rawInputContents.push(reader.bytesField());
        break;
      default:
        reader.skip();
    }
  }
  return {
    modelName,
    modelVersion,
    id,
    parameters: parameters ?? noParameters,
    inputs,
    outputs,
    rawInputContents,
  };
};

const readInput = (reader: ProtobufReader): InferInputTensor => {
  let name = "";
  let datatype = "";
  const shape: number[] = [];
  let parameters: Map<string, InferParameter> | null = null;
  let contents: TensorContents | null = null;
  while (reader.next()) {
    if (reader.wireType === 0 && reader.field === 3) {
      shape.push(reader.signedVarint());
      continue;
    }
    if (reader.wireType !== 2) {
      reader.skip();
      continue;
    }
    switch (reader.field) {
      case 1:
        name = upToNul(reader.utf8String());
        break;
      case 2:
        datatype = reader.utf8String();
        break;
      case 3:
        readPackedInts(reader, shape);
        break;
      case 4:
        parameters ??= new Map();
        readParameterEntry(reader.message(), parameters);
        break;
      case 5:
        contents ??= new TensorContents();
        contents.merge(reader.message());
        break;
      default:
        reader.skip();
    }
  }
  return { name, datatype, shape, parameters: parameters ?? noParameters, contents };
};

const readRequestedOutput = (reader: ProtobufReader): RequestedOutputTensor => {
  let name = "";
  let parameters: Map<string, InferParameter> | null = null;
  while (reader.next()) {
    if (reader.wireType === 2 && reader.field === 1) name = upToNul(reader.utf8String());
    else if (reader.wireType === 2 && reader.field === 2) {
      parameters ??= new Map();
      readParameterEntry(reader.message(), parameters);
    } else reader.skip();
  }
  return { name, parameters: parameters ?? noParameters };
};

const readPackedInts = (reader: ProtobufReader, target: number[]): void => {
  const packed = reader.message();
  while (packed.position < packed.end) target.push(packed.signedVarint());
};
