import { formatDouble, scaleByPowerOfTen } from "../../common/rapidjson-double.ts";
import {
  exactInteger,
  type Field,
  type FieldType,
  isIntegerKind,
  type MessageSchema,
  modelConfigSchema,
} from "./config-schema.ts";
import type { ModelConfig } from "./model-config.ts";

/**
 * The body of `GET /v2/models/<model>/config`: every scalar, list and map is printed, unset sub-messages and oneofs are
 * not, in declaration order (2.51.0).
 */
export const configToJson = (config: ModelConfig): string => messageJson(modelConfigSchema, config);

const messageJson = (schema: MessageSchema, message: object): string => {
  const members: string[] = [];
  // Scalars of a oneof stand behind all other fields, e.g. `zero_data` behind `name` (2.51.0).
  const scalarsOfOneofs: string[] = [];
  for (const [name, field] of schema.fields) {
    const value: unknown = Reflect.get(message, name);
    if (value === undefined) continue;
    const member = `${stringJson(name)}:${fieldJson(field, value)}`;
    if (field.oneof !== null && field.type.kind !== "message") scalarsOfOneofs.push(member);
    else members.push(member);
  }
  return `{${[...members, ...scalarsOfOneofs].join(",")}}`;
};

const fieldJson = (field: Field, value: unknown): string => {
  if (value instanceof Map) {
    const entries: string[] = [];
    for (const [key, item] of value) entries.push(`${stringJson(String(key))}:${valueJson(field, item)}`);
    return `{${entries.join(",")}}`;
  }
  if (Array.isArray(value)) return `[${value.map((item: unknown) => valueJson(field, item)).join(",")}]`;
  return valueJson(field, value);
};

const valueJson = (field: Field, value: unknown): string => {
  if (typeof value === "string") return stringJson(value);
  if (typeof value === "number") {
    if (field.type.kind === "float") return floatJson(value);
    const text = integerText(field.type, value);
    return field.printedAsString ? stringJson(text) : text;
  }
  if (typeof value === "object" && value !== null && field.type.kind === "message") {
    return messageJson(field.type.message, value);
  }
  return String(value);
};

const integerText = (type: FieldType, value: number): string =>
  isIntegerKind(type.kind) ? String(exactInteger(type.kind, value)) : String(value);

/**
 * protobuf prints a float with 6 digits, or 9 where those are not enough, and RapidJSON prints what it reads of that: whole
 * numbers as integers, others as doubles that its inexact reader may have moved by a bit.
 */
const floatJson = (value: number): string => {
  if (Number.isNaN(value)) return '"NaN"';
  if (!Number.isFinite(value)) return value > 0 ? '"Infinity"' : '"-Infinity"';
  const digits = Math.fround(Number(value.toPrecision(6))) === value ? 6 : 9;
  const rounded = Number(value.toPrecision(digits));
  if (Number.isInteger(rounded) && Math.abs(rounded) < 10 ** digits) return String(rounded);
  const [mantissa = "", exponent = ""] = Math.abs(rounded).toExponential().split("e");
  const fractionDigits = Math.max(0, mantissa.length - 2);
  const read = scaleByPowerOfTen(Number(mantissa.replace(".", "")), Number(exponent) - fractionDigits);
  return formatDouble(rounded < 0 ? -read : read);
};

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: exactly what RapidJSON escapes
const escaped = /["\\\u0000-\u001f]/g;

const stringJson = (text: string): string =>
  `"${text.replace(
    escaped,
    (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  )}"`;
