import {
  ProtobufError,
  ProtobufReader,
  type ProtobufWriter,
  WIRE_LENGTH,
  WIRE_VARINT,
} from "../../../common/protobuf-wire.ts";

/** A field number and wire type as one number, which is also the field's tag on the wire. */
export const lengthTag = (field: number): number => field * 8 + WIRE_LENGTH;
export const varintTag = (field: number): number => field * 8 + WIRE_VARINT;

/**
 * Reads a message field by field. `visit` reads a field it knows and answers true; any other field, a known number with
 * a wire type that is not its own included, is skipped.
 */
export const readFields = (
  message: Uint8Array | ProtobufReader,
  visit: (reader: ProtobufReader, tag: number) => boolean,
): void => {
  const reader = message instanceof ProtobufReader ? message : new ProtobufReader(message);
  while (reader.next()) {
    if (!visit(reader, reader.field * 8 + reader.wireType)) reader.skip();
  }
};

/** One entry of a map field with string keys. `readValue` reads field 2; it is not called where that is absent. */
export const readMapEntry = (entry: ProtobufReader, readValue: (reader: ProtobufReader) => void): string => {
  let key = "";
  readFields(entry, (reader, tag) => {
    if (tag === lengthTag(1)) key = reader.utf8String();
    else if (tag === lengthTag(2)) readValue(reader);
    else return false;
    return true;
  });
  return key;
};

/** proto3 leaves a field with the default value out; these write the rest. */
export const writeString = (writer: ProtobufWriter, field: number, value: string): void => {
  if (value !== "") writer.string(field, value);
};

export const writeUint = (writer: ProtobufWriter, field: number, value: number): void => {
  if (value !== 0) writer.varint(field, value);
};

export const writeBool = (writer: ProtobufWriter, field: number, value: boolean): void => {
  if (value) writer.bool(field, true);
};

/** What `decode` answers, or null when the bytes are not its message. */
export const decodeOrNull = <T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T | null => {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof ProtobufError) return null;
    throw error;
  }
};
