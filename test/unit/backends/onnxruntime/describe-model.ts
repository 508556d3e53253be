import type {
  ModelDescription,
  OnnxTensorInfo,
} from "../../../../emulator/backends/onnxruntime/session-protocol.ts";

/** @param elementType TensorProto.DataType; FLOAT */
export const info = (name: string, shape: readonly number[], elementType = 1): OnnxTensorInfo => ({
  name,
  elementType,
  shape,
});

export const description = (
  inputs: readonly OnnxTensorInfo[],
  outputs: readonly OnnxTensorInfo[],
  fields: Partial<ModelDescription> = {},
): ModelDescription => ({
  inputs,
  overridable: [],
  outputs,
  notTensor: null,
  consumers: new Map(),
  runTimeFollowsShapes: true,
  fingerprint: { byteSize: 1, mtimeMs: 1, ino: 1 },
  unusable: null,
  providerRefused: null,
  ...fields,
});
