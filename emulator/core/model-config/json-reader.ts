import { fail, ok, type Result } from "../../common/status.ts";

/** A JSON value that keeps 64-bit integers, the order of keys and keys given twice. */
export type JsonValue =
  | { readonly kind: "object"; readonly entries: readonly (readonly [key: string, value: JsonValue])[] }
  | { readonly kind: "array"; readonly items: readonly JsonValue[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "double"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "null" };

/** Objects in objects, as the real server counts them. */
const maxObjectDepth = 100;
/** Lists in lists have no limit there; ours keeps the reader off the end of the stack. */
const maxListDepth = 1000;
const contextLength = 20;
const unicodeEscapeLength = 6;
/** `false` */
const longestWord = 5;

/**
 * Reads JSON as protobuf's parser does: trailing commas, single quotes and bare keys are accepted, BOM and comments are
 * not. Errors are INVALID_ARG with protobuf's text, a piece of the input and a caret under the fault (2.51.0).
 */
export const readJson = (text: string): Result<JsonValue> => {
  const reader = new JsonReader(text);
  try {
    return ok(reader.document());
  } catch (error) {
    if (error instanceof JsonFault) return fail("INVALID_ARG", error.message);
    throw error;
  }
};

/** Thrown to leave the reader; never leaves this file. */
class JsonFault extends Error {}

class JsonReader {
  readonly #text: string;
  #position = 0;
  #objectDepth = 0;
  #listDepth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value("");
    if (!this.#atEnd()) this.#fault("Parsing terminated before end of input.");
    return value;
  }

  /** @param key of the value, for the message about too many levels */
  #value(key: string): JsonValue {
    if (this.#atEnd()) this.#fault("Expected a value.");
    const c = this.#text[this.#position]!;
    if (c === "{") return this.#object(key);
    if (c === "[") return this.#array(key);
    if (c === '"' || c === "'") return { kind: "string", value: this.#string() };
    if (/[-0-9]/.test(c)) return this.#number();
    for (const [word, value] of words) {
      if (this.#text.startsWith(word, this.#position)) {
        this.#position += word.length;
        return value;
      }
    }
    if (/[A-Za-z_$,:}\]]/.test(c)) {
      const mayGoOn = this.#text.length - this.#position < longestWord;
      return mayGoOn ? this.#faultFromHere("Unexpected token.") : this.#fault("Unexpected token.");
    }
    return this.#faultFromHere("Expected a value.");
  }

  #object(key: string): JsonValue {
    if (++this.#objectDepth > maxObjectDepth) this.#tooDeep(key);
    this.#position++;
    const entries: [string, JsonValue][] = [];
    while (!this.#take("}")) {
      const name = this.#key();
      if (!this.#take(":")) this.#fault("Expected : between key:value pair.");
      entries.push([name, this.#value(name)]);
      if (!this.#take(",") && !this.#isAt("}")) this.#fault("Expected , or } after key:value pair.");
    }
    this.#objectDepth--;
    return { kind: "object", entries };
  }

  #array(key: string): JsonValue {
    if (++this.#listDepth > maxListDepth) this.#tooDeep(key);
    this.#position++;
    const items: JsonValue[] = [];
    while (!this.#take("]")) {
      if (this.#atEnd()) this.#fault("Expected a value or ] within an array.");
      items.push(this.#value(key));
      if (!this.#take(",") && !this.#isAt("]")) this.#fault("Expected , or ] after array value.");
    }
    this.#listDepth--;
    return { kind: "array", items };
  }

  #key(): string {
    if (this.#isAt('"') || this.#isAt("'")) return this.#string();
    const bare = /^[A-Za-z_$][A-Za-z0-9_$]*/.exec(this.#text.slice(this.#position, this.#position + 1000));
    if (bare !== null && words.has(bare[0])) this.#position += bare[0].length;
    if (bare === null || words.has(bare[0])) return this.#fault("Expected an object key or }.");
    this.#position += bare[0].length;
    return bare[0];
  }

  #string(): string {
    const quote = this.#text[this.#position++]!;
    let value = "";
    let from = this.#position;
    for (;;) {
      const c = this.#text[this.#position];
      if (c === undefined) throw new JsonFault("Closing quote expected in string.\n\n^");
      if (c !== quote && c !== "\\") {
        this.#position++;
        continue;
      }
      value += this.#text.slice(from, this.#position);
      if (c === quote) {
        this.#position++;
        return value;
      }
      value += this.#escape();
      from = this.#position;
    }
  }

  #escape(): string {
    const letter = this.#text[this.#position + 1] ?? "";
    if (letter !== "u") {
      this.#position += 2;
      return simpleEscapes[letter] ?? letter;
    }
    const unit = this.#unit();
    if (unit < 0xd800 || unit >= 0xdc00) {
      this.#position += unicodeEscapeLength;
      return String.fromCharCode(unit);
    }
    if (!this.#text.startsWith("\\u", this.#position + unicodeEscapeLength)) {
      this.#faultFromHere("Missing low surrogate.");
    }
    this.#position += unicodeEscapeLength;
    const low = this.#unit();
    this.#position += unicodeEscapeLength;
    return String.fromCharCode(unit, low);
  }

  #unit(): number {
    const digits = this.#text.slice(this.#position + 2, this.#position + unicodeEscapeLength);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fault("Invalid escape sequence.");
    return Number.parseInt(digits, 16);
  }

  #number(): JsonValue {
    const text = /^[-+.0-9eE]*/.exec(this.#text.slice(this.#position, this.#position + 1000))![0];
    if (/^-?0[0-9]/.test(text) || /^-?0[xX]/.test(this.#text.slice(this.#position, this.#position + 3))) {
      return this.#fault("Octal/hex numbers are not valid JSON values.");
    }
    if (!/^-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/.test(text)) {
      return this.#fault("Unable to parse number.");
    }
    if (/^-?[0-9]+$/.test(text)) {
      const value = BigInt(text);
      if (value >= -(2n ** 63n) && value < 2n ** 64n) {
        this.#position += text.length;
        return { kind: "integer", value };
      }
    }
    const value = Number(text);
    if (!Number.isFinite(value)) return this.#fault("Number exceeds the range of double.");
    this.#position += text.length;
    return { kind: "double", value };
  }

  #skipSpace(): void {
    while (" \t\n\r\v\f".includes(this.#text[this.#position] ?? "x")) this.#position++;
  }

  /** A NUL byte ends the input. */
  #atEnd(): boolean {
    this.#skipSpace();
    return this.#position >= this.#text.length || this.#text[this.#position] === "\0";
  }

  #isAt(character: string): boolean {
    this.#skipSpace();
    return this.#text[this.#position] === character;
  }

  #take(character: string): boolean {
    if (!this.#isAt(character)) return false;
    this.#position++;
    return true;
  }

  #fault(message: string): never {
    if (this.#atEnd()) throw new JsonFault(`Unexpected end of string. ${message}\n\n^`);
    const begin = Math.max(0, this.#position - contextLength);
    const piece = this.#text.slice(begin, this.#position + contextLength);
    throw new JsonFault(`${message}\n${piece}\n${" ".repeat(this.#position - begin)}^`);
  }

  /** Where protobuf has already let go of what came before. */
  #faultFromHere(message: string): never {
    throw new JsonFault(`${message}\n${this.#text.slice(this.#position, this.#position + contextLength)}\n^`);
  }

  #tooDeep(key: string): never {
    throw new JsonFault(`Message too deep. Max recursion depth reached for key '${key}'`);
  }
}

const words: ReadonlyMap<string, JsonValue> = new Map<string, JsonValue>([
  ["true", { kind: "bool", value: true }],
  ["false", { kind: "bool", value: false }],
  ["null", { kind: "null" }],
]);

const simpleEscapes: Readonly<Record<string, string>> = {
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
