import { ProtobufWriter } from "../../common/protobuf-wire.ts";
import {
  exactInteger,
  type Field,
  type FieldType,
  type IntegerKind,
  type MessageSchema,
  modelConfigSchema,
} from "./config-schema.ts";
import type { ModelConfig } from "./model-config.ts";

/** The configuration as bytes of an `inference.ModelConfig`, fields by number, as gRPC ModelConfig carries it. */
export const configToProtobuf = (config: ModelConfig): Uint8Array => {
  const writer = new ProtobufWriter(1024);
  writeMessage(writer, modelConfigSchema, config);
  return writer.finish();
};

const byNumber = new WeakMap<MessageSchema, readonly (readonly [string, Field])[]>();

const fieldsByNumber = (schema: MessageSchema): readonly (readonly [string, Field])[] => {
  let fields = byNumber.get(schema);
  if (fields === undefined) {
    fields = [...schema.fields].sort(([, a], [, b]) => a.number - b.number);
    byNumber.set(schema, fields);
  }
  return fields;
};

const writeMessage = (writer: ProtobufWriter, schema: MessageSchema, message: object): void => {
  for (const [name, field] of fieldsByNumber(schema)) {
    const value: unknown = Reflect.get(message, name);
    if (value instanceof Map) writeMap(writer, field, value);
    else if (Array.isArray(value)) writeList(writer, field, value);
    else if (value !== undefined && (field.oneof !== null || !isDefault(field.type, value))) {
      writeValue(writer, field.number, field.type, value);
    }
  }
};

const writeMap = (writer: ProtobufWriter, field: Field, map: ReadonlyMap<unknown, unknown>): void => {
  for (const [key, value] of map) {
    writer.message(field.number, (entry) => {
      const typedKey = field.key === "string" ? key : Number(key);
      writeValue(entry, 1, { kind: field.key }, typedKey);
      writeValue(entry, 2, field.type, value);
    });
  }
};

/** Numbers, enums and bools are packed. */
const writeList = (writer: ProtobufWriter, field: Field, values: readonly unknown[]): void => {
  if (values.length === 0) return;
  const type = field.type;
  if (type.kind === "string" || type.kind === "message") {
    for (const value of values) writeValue(writer, field.number, type, value);
  } else if (type.kind === "float") {
    const packed = Buffer.alloc(4 * values.length);
    for (const [index, value] of values.entries()) packed.writeFloatLE(Number(value), 4 * index);
    writer.bytes(field.number, packed);
  } else {
    writer.packedInts(
      field.number,
      values.map((value) => (type.kind === "enum" ? type.enum.values.indexOf(String(value)) : Number(value))),
    );
  }
};

const writeValue = (writer: ProtobufWriter, number: number, type: FieldType, value: unknown): void => {
  switch (type.kind) {
    case "string":
      writer.string(number, String(value));
      return;
    case "bool":
      writer.bool(number, value === true);
      return;
    case "float":
      writer.float(number, Number(value));
      return;
    case "enum":
      writer.int(number, type.enum.values.indexOf(String(value)));
      return;
    case "message":
      writer.message(number, (inner) => {
        if (typeof value === "object" && value !== null) writeMessage(inner, type.message, value);
      });
      return;
    default:
      writeInteger(writer, number, type.kind, Number(value));
  }
};

const writeInteger = (writer: ProtobufWriter, number: number, kind: IntegerKind, value: number): void => {
  if (Number.isSafeInteger(value)) writer.int(number, value);
  else writer.bigVarint(number, exactInteger(kind, value));
};

/** Sub-messages have no default: they are there or not. */
const isDefault = (type: FieldType, value: unknown): boolean =>
  value === "" || value === 0 || value === false || (type.kind === "enum" && value === type.enum.values[0]);
