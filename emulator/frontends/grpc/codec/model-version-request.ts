import { upToNul } from "../../../common/c-string.ts";
import { lengthTag, readFields } from "./fields.ts";

/** `ModelReadyRequest`, `ModelMetadataRequest`, `ModelConfigRequest` and `ModelStatisticsRequest` all say this. */
export interface ModelVersionRequest {
  name: string;
  version: string;
}

export const decodeModelVersionRequest = (bytes: Uint8Array): ModelVersionRequest => {
  const request = { name: "", version: "" };
  readFields(bytes, (reader, tag) => {
    if (tag === lengthTag(1)) request.name = upToNul(reader.utf8String());
    else if (tag === lengthTag(2)) request.version = reader.utf8String();
    else return false;
    return true;
  });
  return request;
};

/** Checks that the bytes are a message at all: for requests without fields. */
export const decodeEmpty = (bytes: Uint8Array): Record<string, never> => {
  readFields(bytes, () => false);
  return {};
};

/** Checks that the bytes are a `grpc.health.v1.HealthCheckRequest`. */
export const checkHealthCheckRequest = (bytes: Uint8Array): void =>
  readFields(bytes, (reader, tag) => {
    if (tag !== lengthTag(1)) return false;
    reader.utf8String();
    return true;
  });
