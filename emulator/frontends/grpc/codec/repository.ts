import { upToNul } from "../../../common/c-string.ts";
import { type ProtobufReader, ProtobufWriter } from "../../../common/protobuf-wire.ts";
import type { RepositoryIndexRow } from "../../../core/inference-server.ts";
import { lengthTag, readFields, readMapEntry, varintTag, writeString } from "./fields.ts";

export interface RepositoryIndexRequest {
  repositoryName: string;
  ready: boolean;
}

export const decodeRepositoryIndexRequest = (bytes: Uint8Array): RepositoryIndexRequest => {
  const request = { repositoryName: "", ready: false };
  readFields(bytes, (reader, tag) => {
    if (tag === lengthTag(1)) request.repositoryName = reader.utf8String();
    else if (tag === varintTag(2)) request.ready = reader.bigVarint() !== 0n;
    else return false;
    return true;
  });
  return request;
};

export const encodeRepositoryIndex = (rows: readonly RepositoryIndexRow[]): Uint8Array => {
  const writer = new ProtobufWriter();
  for (const row of rows) {
    writer.message(1, (model) => {
      writeString(model, 1, row.name);
      writeString(model, 2, row.version ?? "");
      writeString(model, 3, row.state ?? "");
      writeString(model, 4, row.reason ?? "");
    });
  }
  return writer.finish();
};

/** A `ModelRepositoryParameter`; nothing Triton knows is an integer, so their values are not kept. */
export type RepositoryParameter =
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | { readonly kind: "other" };

/** `RepositoryModelLoadRequest` and `RepositoryModelUnloadRequest`. */
export interface RepositoryModelRequest {
  repositoryName: string;
  modelName: string;
  readonly parameters: Map<string, RepositoryParameter>;
}

export const decodeRepositoryModelRequest = (bytes: Uint8Array): RepositoryModelRequest => {
  const request: RepositoryModelRequest = { repositoryName: "", modelName: "", parameters: new Map() };
  readFields(bytes, (reader, tag) => {
    if (tag === lengthTag(1)) request.repositoryName = reader.utf8String();
    else if (tag === lengthTag(2)) request.modelName = upToNul(reader.utf8String());
    else if (tag === lengthTag(3)) readParameterEntry(reader.message(), request.parameters);
    else return false;
    return true;
  });
  return request;
};

const readParameterEntry = (entry: ProtobufReader, target: Map<string, RepositoryParameter>): void => {
  const values: RepositoryParameter[] = [];
  const key = readMapEntry(entry, (reader) => {
    values.push(readParameter(reader.message()));
  });
  target.set(key, values.at(-1) ?? { kind: "other" });
};

const readParameter = (message: ProtobufReader): RepositoryParameter => {
  const choices: RepositoryParameter[] = [];
  readFields(message, (reader, tag) => {
    if (tag === varintTag(1)) choices.push({ kind: "bool", value: reader.bigVarint() !== 0n });
    else if (tag === lengthTag(3)) choices.push({ kind: "string", value: reader.utf8String() });
    else if (tag === lengthTag(4)) choices.push({ kind: "bytes", value: reader.bytesField() });
    else {
      if (tag === varintTag(2)) choices.push({ kind: "other" });
      return false;
    }
    return true;
  });
  return choices.at(-1) ?? { kind: "other" };
};
