import { exactInteger, type Field, type MessageSchema, modelConfigSchema } from "./config-schema.ts";
import type { ModelConfig } from "./model-config.ts";

/** What a field can hold while a reader does not know its type: a scalar, a sub-message, a list or a map. */
export type FieldValue = string | number | boolean | Message | FieldValue[] | Map<string, FieldValue>;

/** A message under construction, walked by its schema. */
export interface Message {
  [field: string]: FieldValue;
}

/** proto3's default of a field; undefined where an unset field is absent (sub-messages and members of a oneof). */
const defaultOf = (field: Field): FieldValue | undefined => {
  if (field.shape === "list") return [];
  if (field.shape === "map") return new Map();
  if (field.oneof !== null) return undefined;
  switch (field.type.kind) {
    case "string":
      return "";
    case "bool":
      return false;
    case "message":
      return undefined;
    case "enum":
      return field.type.enum.values[0]!;
    default:
      return 0;
  }
};

/** A message with nothing set. */
export const emptyMessage = (schema: MessageSchema): Message => {
  const message: Message = {};
  for (const [name, field] of schema.fields) {
    const value = defaultOf(field);
    if (value !== undefined) message[name] = value;
  }
  return message;
};

/** Whether protobuf would say the field is set: proto3 scalars are unset while they hold their default. */
export const isSet = (message: Message, name: string, field: Field): boolean => {
  const value = message[name];
  if (value === undefined) return false;
  return field.oneof !== null || field.type.kind === "message" || value !== defaultOf(field);
};

/** Name of the member of the oneof that is set. */
export const memberSet = (schema: MessageSchema, message: Message, oneof: string): string | null => {
  for (const [name, field] of schema.fields) {
    if (field.oneof === oneof && message[name] !== undefined) return name;
  }
  return null;
};

/** A key as maps hold it: with every digit. */
export const mapKey = (key: FieldValue): string =>
  String(typeof key === "number" ? exactInteger("uint64", key) : key);

/** A finished message as the type its schema was declared with; the schema's declaration is what makes this true. */
export const asModelConfig = (message: Message): ModelConfig => message as unknown as ModelConfig;

/** A configuration in which nothing is set. */
export const emptyModelConfig = (): ModelConfig => asModelConfig(emptyMessage(modelConfigSchema));
