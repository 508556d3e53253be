import { fail, ok, type Result } from "../../common/status.ts";
import {
  type EnumSchema,
  type Field,
  type IntegerKind,
  integerRange,
  type MessageSchema,
  mapEntryName,
  modelConfigSchema,
} from "./config-schema.ts";
import {
  asModelConfig,
  emptyMessage,
  type FieldValue,
  isSet,
  type Message,
  mapKey,
  memberSet,
} from "./message.ts";
import type { ModelConfig } from "./model-config.ts";
import { stringValue, TextTokenizer } from "./text-tokenizer.ts";

/** A file of nothing but faults would give a message a byte. */
const maxReportedErrors = 50;

/**
 * Reads a `config.pbtxt`. The error (INTERNAL) holds protobuf's log lines, one a fault, as the real server prints them:
 * `Error parsing text-format inference.ModelConfig: <line>:<column>: <what>`.
 */
export const parseConfigText = (text: string): Result<ModelConfig> => {
  const parser = new TextParser(text);
  const message = parser.parse(modelConfigSchema);
  if (parser.errors.length > 0) return fail("INTERNAL", parser.errors.join("\n"));
  return ok(asModelConfig(message));
};

/** Thrown to leave the parser at its first fault; never leaves this file. */
class ParseStop extends Error {}

class TextParser {
  readonly errors: string[] = [];
  readonly #tokens: TextTokenizer;

  constructor(text: string) {
    this.#tokens = new TextTokenizer(Buffer.from(text).toString("latin1"), (line, column, message) =>
      this.#add(line, column, message),
    );
  }

  parse(schema: MessageSchema): Message {
    const message = emptyMessage(schema);
    try {
      this.#tokens.next();
      while (this.#tokens.current.kind !== "end") this.#field(schema, message);
    } catch (error) {
      if (!(error instanceof ParseStop)) throw error;
    }
    return message;
  }

  #field(schema: MessageSchema, message: Message): void {
    if (this.#take("[")) this.#extension(schema);
    const name = this.#identifier();
    const field = schema.fields.get(name);
    if (field === undefined) this.#stop(`Message type "${schema.name}" has no field named "${name}".`);
    this.#checkUnset(schema, message, name, field);
    if (field.shape === "map" || field.type.kind === "message") this.#take(":");
    else this.#expect(":");
    if (field.shape === "one") message[name] = this.#value(name, field);
    else if (this.#take("[")) {
      if (!this.#take("]")) {
        do this.#element(schema, message, name, field);
        while (!this.#take("]") && this.#expect(","));
      }
    } else this.#element(schema, message, name, field);
    if (!this.#take(";")) this.#take(",");
  }

  /** An extension or an Any; ModelConfig has neither, so the name alone is read. */
  #extension(schema: MessageSchema): never {
    let name = this.#identifier();
    while (this.#take(".")) name += `.${this.#identifier()}`;
    this.#expect("]");
    this.#stop(`Extension "${name}" is not defined or is not an extension of "${schema.name}".`);
  }

  #checkUnset(schema: MessageSchema, message: Message, name: string, field: Field): void {
    if (field.shape !== "one") return;
    if (isSet(message, name, field)) this.#stop(`Non-repeated field "${name}" is specified multiple times.`);
    if (field.oneof === null) return;
    const other = memberSet(schema, message, field.oneof);
    if (other !== null) {
      this.#stop(
        `Field "${name}" is specified along with field "${other}", another member of oneof "${field.oneof}".`,
      );
    }
  }

  /** One element of a list or one entry of a map. */
  #element(schema: MessageSchema, message: Message, name: string, field: Field): void {
    const target = message[name];
    if (target instanceof Map) {
      const [key, value] = this.#mapEntry(schema, name, field);
      target.set(key, value);
    } else if (Array.isArray(target)) target.push(this.#value(name, field));
  }

  #mapEntry(schema: MessageSchema, name: string, field: Field): [string, FieldValue] {
    const entrySchema: MessageSchema = {
      name: mapEntryName(schema, name),
      fields: new Map<string, Field>([
        ["key", { ...field, shape: "one", type: { kind: field.key } }],
        ["value", { ...field, shape: "one" }],
      ]),
    };
    const entry = this.#message(entrySchema);
    const value = entry.value ?? (field.type.kind === "message" ? emptyMessage(field.type.message) : "");
    return [mapKey(entry.key ?? ""), value];
  }

  #message(schema: MessageSchema): Message {
    const end = this.#take("<") ? ">" : this.#expect("{") && "}";
    const message = emptyMessage(schema);
    while (!this.#isAt(">") && !this.#isAt("}")) this.#field(schema, message);
    this.#expect(end);
    return message;
  }

  #value(name: string, field: Field): FieldValue {
    const type = field.type;
    switch (type.kind) {
      case "message":
        return this.#message(type.message);
      case "string":
        return this.#string();
      case "bool":
        return this.#bool(name);
      case "enum":
        return this.#enum(name, type.enum);
      case "float":
        return Math.fround(this.#double());
      default:
        return Number(this.#integer(type.kind));
    }
  }

  #string(): string {
    if (this.#tokens.current.kind !== "string") this.#stop(`Expected string, got: ${this.#text()}`);
    let value = "";
    while (this.#tokens.current.kind === "string") {
      value += stringValue(this.#tokens.current);
      this.#tokens.next();
    }
    return value;
  }

  #bool(name: string): boolean {
    if (this.#tokens.current.kind === "integer") return this.#unsigned(1n) === 1n;
    const value = this.#identifier();
    if (value === "true" || value === "True" || value === "t") return true;
    if (value === "false" || value === "False" || value === "f") return false;
    return this.#stop(`Invalid value for boolean field "${name}". Value: "${value}".`);
  }

  #enum(name: string, schema: EnumSchema): string {
    const { kind, text } = this.#tokens.current;
    let value: string | undefined;
    let written = text;
    if (kind === "identifier") {
      value = schema.values.find((one) => one === text);
      this.#tokens.next();
    } else if (kind === "integer" || text === "-") {
      const number = this.#integer("int32");
      value = schema.values[Number(number)];
      written = String(number);
    } else this.#stop(`Expected integer or identifier, got: ${this.#text()}`);
    return value ?? this.#stop(`Unknown enumeration value of "${written}" for field "${name}".`);
  }

  #integer(kind: IntegerKind): bigint {
    const { min, max } = integerRange[kind];
    if (min < 0n && this.#take("-")) return -this.#unsigned(-min);
    return this.#unsigned(max);
  }

  #unsigned(max: bigint): bigint {
    const { kind, text } = this.#tokens.current;
    if (kind !== "integer") this.#stop(`Expected integer, got: ${this.#text()}`);
    const value = unsignedValue(text);
    if (value === null || value > max) this.#stop(`Integer out of range (${text})`);
    this.#tokens.next();
    return value;
  }

  #double(): number {
    const sign = this.#take("-") ? -1 : 1;
    const { kind, text } = this.#tokens.current;
    const lower = text.toLowerCase();
    let value: number;
    if (kind === "integer") {
      if (/^0[0-9xX]/.test(text)) this.#stop(`Expect a decimal number, got: ${text}`);
      value = Number(text);
    } else if (kind === "float") value = Number.parseFloat(text);
    else if (kind === "identifier" && (lower === "inf" || lower === "infinity"))
      value = Number.POSITIVE_INFINITY;
    else if (kind === "identifier" && lower === "nan") value = Number.NaN;
    else this.#stop(`Expected double, got: ${this.#text()}`);
    this.#tokens.next();
    return sign * value;
  }

  #identifier(): string {
    const { kind, text } = this.#tokens.current;
    if (kind !== "identifier") this.#stop(`Expected identifier, got: ${this.#text()}`);
    this.#tokens.next();
    return text;
  }

  #isAt(symbol: string): boolean {
    const { kind, text } = this.#tokens.current;
    return text === symbol && kind !== "string";
  }

  #take(symbol: string): boolean {
    if (!this.#isAt(symbol)) return false;
    this.#tokens.next();
    return true;
  }

  #expect(symbol: string): true {
    if (!this.#take(symbol)) this.#stop(`Expected "${symbol}", found "${this.#text()}".`);
    return true;
  }

  #text(): string {
    return Buffer.from(this.#tokens.current.text, "latin1").toString("utf8");
  }

  #stop(message: string): never {
    const { line, column } = this.#tokens.current;
    this.#add(line, column, message);
    throw new ParseStop();
  }

  #add(line: number, column: number, message: string): void {
    if (this.errors.length >= maxReportedErrors) return;
    this.errors.push(
      `Error parsing text-format ${modelConfigSchema.name}: ${line + 1}:${column + 1}: ${message}`,
    );
  }
}

/** Null for what is no number of its base. A number that no 64 bits can hold need not be exact. */
const unsignedValue = (text: string): bigint | null => {
  if (text.length > 64) return null;
  if (/^0[xX]/.test(text)) return text.length === 2 ? 0n : BigInt(text);
  if (/^0[0-9]/.test(text)) return /[89]/.test(text) ? null : BigInt(`0o${text.slice(1)}`);
  return BigInt(text);
};
