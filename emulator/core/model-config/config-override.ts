import { fail, ok, type Result } from "../../common/status.ts";
import {
  camelCase,
  type EnumSchema,
  type Field,
  type FieldType,
  type IntegerKind,
  integerRange,
  type MessageSchema,
  mapEntryName,
  modelConfigSchema,
} from "./config-schema.ts";
import { type JsonValue, readJson } from "./json-reader.ts";
import { asModelConfig, emptyMessage, type FieldValue, type Message, mapKey, memberSet } from "./message.ts";
import type { ModelConfig } from "./model-config.ts";

/**
 * Reads the `config` parameter of a load request: a whole ModelConfig as protobuf JSON. Field names in snake_case or
 * camelCase, enums by name in any case or by number, 64-bit integers as numbers or strings, null as unset.
 * Error: INVALID_ARG with protobuf's text, e.g. `no_such: Cannot find field.`; of several faults the last counts.
 */
export const parseConfigJson = (json: string): Result<ModelConfig> => {
  const document = readJson(json);
  if (!document.ok) return document;
  if (document.value.kind !== "object") return fail("INVALID_ARG", ": Root element must be a message.");
  const converter = new Converter();
  const message = emptyMessage(modelConfigSchema);
  converter.message(modelConfigSchema, document.value, "", message);
  if (converter.fault !== null) return fail("INVALID_ARG", converter.fault);
  if (converter.isUnreadable) return fail("INVALID_ARG", "JSON transcoder produced invalid protobuf output.");
  return ok(asModelConfig(message));
};

type JsonObject = Extract<JsonValue, { kind: "object" }>;

/** Walks JSON by the schema. A place is where protobuf says a fault is: `input[0].dims`. */
class Converter {
  fault: string | null = null;
  /** What comes out is no message of its type, which is found when everything has been read. */
  isUnreadable = false;

  message(schema: MessageSchema, json: JsonObject, place: string, message: Message): void {
    const oneofs = new Set<string>();
    for (const [key, value] of json.entries) {
      const name = fieldName(schema, key);
      const field = name === null ? undefined : schema.fields.get(name);
      if (name === null || field === undefined) {
        this.#invalidName(place, key, key === "" ? "Proto fields must have a name." : "Cannot find field.");
      } else if (value.kind !== "null") this.#field(schema, message, name, field, value, place, oneofs);
    }
  }

  #field(
    schema: MessageSchema,
    message: Message,
    name: string,
    field: Field,
    json: JsonValue,
    place: string,
    oneofs: Set<string>,
  ): void {
    const inner = place === "" ? name : `${place}.${name}`;
    const target = message[name];
    if (target instanceof Map) this.#map(schema, target, name, field, json, place, inner);
    else if (Array.isArray(target))
      this.#list(target, name, field, json, place, inner, json.kind !== "array");
    else if (json.kind === "array") {
      this.#invalidName(place, name, "Proto field is not repeating, cannot start list.");
    } else {
      if (field.oneof !== null && oneofs.has(field.oneof)) {
        const what = `oneof field '${field.oneof}' is already set. Cannot set '${name}'`;
        this.#invalidValue(place, what, "oneof");
        return;
      }
      const value = this.#value(name, field.type, json, place, inner, target);
      if (value === undefined) return;
      if (field.oneof !== null) {
        oneofs.add(field.oneof);
        // Of an object that is given twice the later member of a oneof stays.
        const before = memberSet(schema, message, field.oneof);
        if (before !== null) delete message[before];
      }
      message[name] = value;
    }
  }

  /** Lists in lists count as one list. */
  #list(
    target: FieldValue[],
    name: string,
    field: Field,
    json: JsonValue,
    place: string,
    inner: string,
    single: boolean,
  ): void {
    if (json.kind === "null") return;
    if (json.kind === "array") {
      for (const item of json.items) this.#list(target, name, field, item, place, inner, false);
      return;
    }
    const elementPlace = single ? inner : `${inner}[${target.length}]`;
    const value = this.#value(name, field.type, json, single ? place : inner, elementPlace, undefined);
    if (value !== undefined) target.push(value);
  }

  #map(
    schema: MessageSchema,
    target: Map<string, FieldValue>,
    name: string,
    field: Field,
    json: JsonValue,
    place: string,
    inner: string,
  ): void {
    if (json.kind === "array") {
      this.#invalidValue(place, `Cannot bind a list to map for field '${name}'.`, "Map");
      return;
    }
    if (json.kind !== "object") {
      this.#invalidValue(inner, valueText(json), typeUrl(mapEntryName(schema, name)));
      return;
    }
    const keys = new Set<string>();
    for (const [key, item] of json.entries) {
      if (keys.has(key)) {
        this.#invalidName(`${inner}[${keys.size - 1}]`, key, `Repeated map key: '${key}' is already set.`);
        continue;
      }
      const entryPlace = `${inner}[${keys.size}]`;
      keys.add(key);
      const typedKey = this.#value(
        "key",
        { kind: field.key },
        { kind: "string", value: key },
        entryPlace,
        `${entryPlace}.key`,
        undefined,
      );
      const empty = field.type.kind === "message" ? emptyMessage(field.type.message) : "";
      const value = item.kind === "null" ? empty : this.#mapValue(field.type, item, entryPlace);
      if (typedKey !== undefined && value !== undefined) target.set(mapKey(typedKey), value);
    }
  }

  /** A scalar's place in a map is taken for a message without fields. */
  #mapValue(type: FieldType, json: JsonValue, place: string): FieldValue | undefined {
    const inner = `${place}.value`;
    if (type.kind !== "message" && json.kind === "object") {
      for (const [key] of json.entries) this.#invalidName(inner, key, "Cannot find field.");
      this.isUnreadable = true;
      return "";
    }
    if (type.kind !== "message" && json.kind === "array") {
      this.#invalidName(inner, "", "Proto fields must have a name.");
      return undefined;
    }
    return this.#value("value", type, json, place, inner, undefined);
  }

  /** Undefined after a fault. @param before a sub-message given before is merged with */
  #value(
    name: string,
    type: FieldType,
    json: JsonValue,
    place: string,
    inner: string,
    before: FieldValue | undefined,
  ): FieldValue | undefined {
    if (type.kind === "message") {
      if (json.kind === "object") {
        const message = isMessage(before) ? before : emptyMessage(type.message);
        this.message(type.message, json, inner, message);
        return message;
      }
      this.#invalidValue(inner, valueText(json), typeUrl(type.message.name));
      return undefined;
    }
    if (json.kind === "object") {
      this.#invalidValue(place, "Starting an object on a scalar field", name);
      return undefined;
    }
    const value = scalarValue(type, json);
    if (value === undefined) this.#invalidValue(inner, valueText(json), typeName(type));
    return value;
  }

  #invalidName(place: string, name: string, message: string): void {
    this.fault = `${place === "" ? "" : `(${place}) `}${name}: ${message}`;
  }

  #invalidValue(place: string, value: string, type: string): void {
    this.fault = `${place === "" ? "" : `(${place})`}: invalid value ${value} for type ${type}`;
  }
}

const isMessage = (value: FieldValue | undefined): value is Message =>
  typeof value === "object" && !Array.isArray(value) && !(value instanceof Map);

const fieldName = (schema: MessageSchema, key: string): string | null => {
  if (schema.fields.has(key)) return key;
  for (const name of schema.fields.keys()) if (camelCase(name) === key) return name;
  return null;
};

const typeUrl = (name: string): string => `type.googleapis.com/${name}`;

const typeName = (type: FieldType): string => {
  if (type.kind === "enum") return typeUrl(type.enum.name);
  if (type.kind === "message") return typeUrl(type.message.name);
  return `TYPE_${type.kind.toUpperCase()}`;
};

/** Undefined where the value does not fit the type. */
const scalarValue = (
  type: Exclude<FieldType, { kind: "message" }>,
  json: JsonValue,
): FieldValue | undefined => {
  switch (type.kind) {
    case "string":
      return json.kind === "string" ? json.value : undefined;
    case "bool":
      return boolValue(json);
    case "enum":
      return enumValue(type.enum, json);
    case "float":
      return floatValue(json);
    default: {
      const value = integerValue(type.kind, json);
      return value === undefined ? undefined : Number(value);
    }
  }
};

const boolValue = (json: JsonValue): boolean | undefined => {
  if (json.kind === "bool") return json.value;
  if (json.kind !== "string") return undefined;
  if (/^(?:true|t|yes|y|1)$/i.test(json.value)) return true;
  return /^(?:false|f|no|n|0)$/i.test(json.value) ? false : undefined;
};

const enumValue = (schema: EnumSchema, json: JsonValue): string | undefined => {
  if (json.kind === "string") {
    const name = json.value.toUpperCase().replaceAll("-", "_");
    return (
      schema.values.find((value) => value === name) ??
      (/^[0-9]+$/.test(name) ? schema.values[Number(name)] : undefined)
    );
  }
  const number = integerValue("int32", json);
  return number === undefined ? undefined : schema.values[Number(number)];
};

const floatValue = (json: JsonValue): number | undefined => {
  let value: number;
  if (json.kind === "integer" || json.kind === "double") value = Number(json.value);
  else if (json.kind === "string" && /^[-+.0-9eE]+$|^-?Infinity$|^NaN$/.test(json.value)) {
    value = Number(json.value);
    if (Number.isNaN(value) && json.value !== "NaN") return undefined;
  } else return undefined;
  const float = Math.fround(value);
  return Number.isFinite(value) && !Number.isFinite(float) ? undefined : float;
};

const integerValue = (kind: IntegerKind, json: JsonValue): bigint | undefined => {
  let value: bigint;
  if (json.kind === "integer") value = json.value;
  else if (json.kind === "double" && Number.isInteger(json.value)) value = BigInt(json.value);
  else if (json.kind === "string" && /^[-+]?[0-9]{1,40}$/.test(json.value)) {
    value = BigInt(json.value.replace("+", ""));
  } else return undefined;
  const { min, max } = integerRange[kind];
  return value >= min && value <= max ? value : undefined;
};

const valueText = (json: JsonValue): string => {
  switch (json.kind) {
    case "string":
      return `"${json.value}"`;
    case "double":
      return doubleText(json.value);
    case "integer":
    case "bool":
      return String(json.value);
    default:
      return json.kind;
  }
};

/** `%.15g`, or `%.17g` where that is not exact. */
const doubleText = (value: number): string => {
  const [precise, digits] =
    Number(value.toPrecision(15)) === value ? [value.toPrecision(15), 15] : [value.toPrecision(17), 17];
  const [mantissa = "", exponent] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  const trim = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (power >= -4 && power < digits) return trim(precise);
  const sign = power < 0 ? "-" : "+";
  return `${trim(mantissa)}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
};
