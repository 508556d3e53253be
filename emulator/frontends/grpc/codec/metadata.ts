import { ProtobufWriter } from "../../../common/protobuf-wire.ts";
import type { ModelMetadata, ServerMetadata, TensorMetadata } from "../../../core/inference-server.ts";
import { writeBool, writeString } from "./fields.ts";

/** `ServerLiveResponse`, `ServerReadyResponse` and `ModelReadyResponse` have one field, a bool. */
export const encodeBoolResponse = (value: boolean): Uint8Array => {
  const writer = new ProtobufWriter(2);
  writeBool(writer, 1, value);
  return writer.finish();
};

/** `grpc.health.v1.HealthCheckResponse`: SERVING is 1, NOT_SERVING 2. */
export const encodeHealthCheckResponse = (serving: boolean): Uint8Array =>
  new ProtobufWriter(2).varint(1, serving ? 1 : 2).finish();

export const encodeServerMetadata = ({ name, version, extensions }: ServerMetadata): Uint8Array => {
  const writer = new ProtobufWriter();
  writeString(writer, 1, name);
  writeString(writer, 2, version);
  for (const extension of extensions) writer.string(3, extension);
  return writer.finish();
};

export const encodeModelMetadata = (metadata: ModelMetadata): Uint8Array => {
  const writer = new ProtobufWriter();
  writeString(writer, 1, metadata.name);
  for (const version of metadata.versions) writer.string(2, version);
  writeString(writer, 3, metadata.platform);
  for (const input of metadata.inputs) writer.message(4, (tensor) => writeTensor(tensor, input));
  for (const output of metadata.outputs) writer.message(5, (tensor) => writeTensor(tensor, output));
  return writer.finish();
};

const writeTensor = (writer: ProtobufWriter, { name, datatype, shape }: TensorMetadata): void => {
  writeString(writer, 1, name);
  writeString(writer, 2, datatype);
  if (shape.length > 0) writer.packedInts(3, shape);
};
