import { scaleByPowerOfTen } from "../../common/rapidjson-double.ts";
import { fail, ok, type Result } from "../../common/status.ts";

/**
 * JSON as the server's RapidJSON 1.1.0 reads it: its error texts and offsets, `NaN` and `Inf` literals, three kinds of
 * numbers, the first of several equal keys, an optional byte order mark, a NUL that ends the document, and no check of
 * UTF-8. Nesting is not recursion here, so depth costs memory only. Source: spec/triton-wire.md 2.2 and 4, asked of 2.51.0.
 */

/** A number is an integer: `bigint` from 2^53 on, within int64 and uint64. Whatever has a point or an exponent is a JsonDouble. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | JsonDouble
  | JsonObject
  | JsonTensorData
  | readonly JsonValue[];

/** `1.0`, `1e3`, `NaN`, and integers that no 64-bit type holds. */
export class JsonDouble {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** Members in the document's order, equal names included; a chain, since most objects are small and soon gone. */
export class JsonObject {
  first: JsonMember | null = null;
  last: JsonMember | null = null;

  /** The value of the first member of that name. */
  find(name: string): JsonValue | undefined {
    for (let member = this.first; member !== null; member = member.next) {
      if (member.name === name) return member.value;
    }
    return undefined;
  }

  *entries(): IterableIterator<readonly [name: string, value: JsonValue]> {
    for (let member = this.first; member !== null; member = member.next) yield [member.name, member.value];
  }

  /** Adds a member whose value is to come. */
  add(name: string): void {
    const member = new JsonMember(name);
    if (this.last === null) this.first = member;
    else this.last.next = member;
    this.last = member;
  }
}

export class JsonMember {
  readonly name: string;
  value: JsonValue = null;
  next: JsonMember | null = null;

  constructor(name: string) {
    this.name = name;
  }
}

/** The array `data` of an inference input: never made into values, only known to be well formed. */
export class JsonTensorData {
  /** The elements as the declared datatype, if it stood before `data` and all of them were of it; else null. */
  readonly elements: Uint8Array | null;
  /** Offset of the opening bracket in the reader's bytes. */
  readonly start: number;
  /** Offset behind the closing bracket. */
  readonly end: number;

  constructor(elements: Uint8Array | null, start: number, end: number) {
    this.elements = elements;
    this.start = start;
    this.end = end;
  }
}

/**
 * Called at the opening bracket of an input's `data`, with the members of the input read so far. Reads the whole array and
 * returns its elements, or returns null: the reader then goes back to the bracket and only checks the syntax.
 */
export type TensorDataReader = (reader: JsonReader, input: JsonObject) => Uint8Array | null;

/** Parses all of `bytes`. Error: INTERNAL `failed to parse the request JSON buffer: <reason> at <offset>`. */
export const parseJson = (bytes: Uint8Array): Result<JsonValue> =>
  parseRequestJson(bytes, bytes.length, null);

/**
 * Parses the first `length` bytes. With `readTensorData` the arrays at `inputs[i].data` become `JsonTensorData`.
 * The error is that of `parseJson`.
 */
export const parseRequestJson = (
  bytes: Uint8Array,
  length: number,
  readTensorData: TensorDataReader | null,
): Result<JsonValue> => {
  try {
    return ok(new JsonReader(bytes, 0, length).readDocument(readTensorData));
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return fail("INTERNAL", `failed to parse the request JSON buffer: ${error.message} at ${error.offset}`);
  }
};

/** The member of that name. Error: INTERNAL `attempt to access non-existing object member '<name>'`. */
export const memberOf = (value: JsonValue, name: string): Result<JsonValue> => {
  const member = optionalMember(value, name);
  if (member === undefined) return fail("INTERNAL", `attempt to access non-existing object member '${name}'`);
  return ok(member);
};

/** The member of that name; undefined where there is none, or no object. */
export const optionalMember = (value: JsonValue, name: string): JsonValue | undefined =>
  value instanceof JsonObject ? value.find(name) : undefined;

/** The object whose members are to be listed. Error: INTERNAL `attempt to get members for non-object`. */
export const membersOf = (value: JsonValue): Result<JsonObject> =>
  value instanceof JsonObject ? ok(value) : fail("INTERNAL", "attempt to get members for non-object");

export const asObject = (value: JsonValue): Result<JsonObject> =>
  value instanceof JsonObject ? ok(value) : accessError("object");

export const asArray = (value: JsonValue): Result<readonly JsonValue[]> =>
  isJsonArray(value) ? ok(value) : accessError("array");

export const asString = (value: JsonValue): Result<string> =>
  typeof value === "string" ? ok(value) : accessError("string");

export const asBoolean = (value: JsonValue): Result<boolean> =>
  typeof value === "boolean" ? ok(value) : accessError("boolean");

/** An integer literal within int64. */
export const asSignedInteger = (value: JsonValue): Result<number | bigint> =>
  typeof value === "number" || (typeof value === "bigint" && value <= MAX_INT64)
    ? ok(value)
    : accessError("signed-integer");

/** A non-negative integer literal within uint64. */
export const asUnsignedInteger = (value: JsonValue): Result<number | bigint> =>
  (typeof value === "number" || typeof value === "bigint") && value >= 0
    ? ok(value)
    : accessError("unsigned-integer");

/** Any number. */
export const asDouble = (value: JsonValue): Result<number> => {
  if (typeof value === "number" || typeof value === "bigint") return ok(Number(value));
  return value instanceof JsonDouble
    ? ok(value.value)
    : fail("INTERNAL", "attempt to access JSON non-number as double");
};

export const isJsonArray = (value: JsonValue | undefined): value is readonly JsonValue[] =>
  Array.isArray(value);

const accessError = (type: string) => fail("INTERNAL", `attempt to access JSON non-${type} as ${type}`);

export const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

/** What stopped the parser, and where. Never leaves this folder. */
export class JsonSyntaxError extends Error {
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(reason);
    this.name = "JsonSyntaxError";
    this.offset = offset;
  }
}

/** What `scanNumber` found. */
export const INTEGER = 0;
export const BIG_INTEGER = 1;
export const DOUBLE = 2;
export type NumberKind = typeof INTEGER | typeof BIG_INTEGER | typeof DOUBLE;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const PLUS = 0x2b;
const DOT = 0x2e;
const ZERO = 0x30;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

type Container = JsonValue[] | JsonObject;

export class JsonReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  position: number;
  /** Result of `scanNumber` for INTEGER and DOUBLE. */
  number = 0;
  /** Result of `scanNumber` for BIG_INTEGER. */
  bigInteger = 0n;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  /** The byte at the position; 0 at the end, which no rule of the grammar accepts. */
  peek(): number {
    return this.position < this.end ? this.bytes[this.position]! : 0;
  }

  skipWhitespace(): void {
    const bytes = this.bytes;
    let position = this.position;
    while (position < this.end) {
      const byte = bytes[position]!;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      position++;
    }
    this.position = position;
  }

  readDocument(readTensorData: TensorDataReader | null): JsonValue {
    // Each byte of the mark is skipped if it is there, alone too.
    for (const byte of [0xef, 0xbb, 0xbf]) if (this.peek() === byte) this.position++;
    this.skipWhitespace();
    if (this.peek() === 0) this.#fail("The document is empty.");
    const value = this.readValue(readTensorData);
    this.skipWhitespace();
    if (this.peek() !== 0) this.#fail("The document root must not be followed by other values.");
    return value;
  }

  /** The value that starts at the position. */
  readValue(readTensorData: TensorDataReader | null = null): JsonValue {
    const outer: Container[] = [];
    let container: Container | null = null;
    for (;;) {
      let value: JsonValue;
      const byte = this.peek();
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.position++;
        this.skipWhitespace();
        const opened: Container = byte === OPEN_BRACE ? new JsonObject() : [];
        if (this.peek() === byte + 2) {
          this.position++;
          value = opened;
        } else {
          if (container !== null) outer.push(container);
          container = opened;
          if (opened instanceof JsonObject) {
            this.#readMemberName(opened);
            if (readTensorData !== null && this.#atTensorData(outer, opened)) {
              value = this.#readTensorData(readTensorData, opened);
            } else continue;
          } else continue;
        }
      } else value = this.#readScalar(byte);

      // Hangs the value into its container, closing as many as end here.
      for (;;) {
        if (container === null) return value;
        this.skipWhitespace();
        const next = this.peek();
        if (container instanceof JsonObject) {
          container.last!.value = value;
          if (next === COMMA) {
            this.position++;
            this.skipWhitespace();
            this.#readMemberName(container);
            if (readTensorData === null || !this.#atTensorData(outer, container)) break;
            value = this.#readTensorData(readTensorData, container);
            continue;
          }
          if (next !== CLOSE_BRACE) this.#fail("Missing a comma or '}' after an object member.");
        } else {
          container.push(value);
          if (next === COMMA) {
            this.position++;
            this.skipWhitespace();
            break;
          }
          if (next !== CLOSE_BRACKET) this.#fail("Missing a comma or ']' after an array element.");
        }
        this.position++;
        value = container;
        container = outer.pop() ?? null;
      }
    }
  }

  /** A string as text; bytes that are not UTF-8 become U+FFFD. */
  readString(): string {
    const bytes = this.bytes;
    const start = this.position + 1;
    const limit = Math.min(this.end, start + MAX_CACHED_BYTES);
    let position = start;
    let hash = 0;
    while (position < limit) {
      const byte = bytes[position]!;
      if (byte === QUOTE) {
        this.position = position + 1;
        return cachedString(bytes, start, position, hash);
      }
      if (byte === BACKSLASH || byte < 0x20 || byte >= 0x80) break;
      hash = (Math.imul(hash, 31) + byte) | 0;
      position++;
    }
    const { decoded, length } = this.#decodeLongString();
    return utf8(decoded, 0, length);
  }

  /**
   * Writes the bytes of a string, escapes resolved, into `out` at `at`; gives their end. They are never more than the
   * bytes between the quotes.
   */
  readStringInto(out: Uint8Array, at: number): number {
    const bytes = this.bytes;
    const end = this.end;
    let position = this.position + 1;
    let target = at;
    for (;;) {
      const byte = position < end ? bytes[position]! : 0;
      if (byte === QUOTE) {
        this.position = position + 1;
        return target;
      }
      if (byte === BACKSLASH) {
        this.position = position;
        target = this.#readEscape(out, target);
        position = this.position;
      } else if (byte < 0x20) {
        this.position = position;
        this.#fail(
          byte === 0 ? "Missing a closing quotation mark in string." : "Invalid escape character in string.",
        );
      } else {
        out[target++] = byte;
        position++;
      }
    }
  }

  /** Reads a number; what it is comes back, its value stands in `number` or `bigInteger`. */
  scanNumber(): NumberKind {
    const bytes = this.bytes;
    const end = this.end;
    const start = this.position;
    let position = start;
    let byte = position < end ? bytes[position]! : 0;
    const minus = byte === MINUS;
    if (minus) {
      position++;
      byte = position < end ? bytes[position]! : 0;
    }
    let digit = byte - ZERO;
    if (digit < 0 || digit > 9) {
      this.position = position;
      return this.#scanNamedNumber(start, minus);
    }
    // Significant digits of the integer part; the reader does not count the first one.
    let significantDigits = 0;
    let value = digit;
    position++;
    if (digit !== 0) {
      for (; position < end && value <= EXACT_STEP; position++) {
        digit = bytes[position]! - ZERO;
        if (digit < 0 || digit > 9) break;
        value = value * 10 + digit;
        significantDigits++;
      }
    }
    this.position = position;
    byte = position < end ? bytes[position]! : 0;
    let isDouble = false;
    let big: bigint | null = null;
    if (value > EXACT_STEP && byte >= ZERO && byte <= 0x39) {
      const limit = minus ? MAX_INT64 + 1n : MAX_UINT64;
      big = BigInt(value);
      for (; byte >= ZERO && byte <= 0x39; byte = this.peek()) {
        const next: bigint = big * 10n + BigInt(byte - ZERO);
        if (next > limit) {
          isDouble = true;
          break;
        }
        big = next;
        significantDigits++;
        this.position++;
      }
      value = Number(big);
      for (; byte >= ZERO && byte <= 0x39; byte = this.peek()) {
        if (value >= Number.MAX_VALUE / 10) this.#failAt("Number too big to be stored in double.", start);
        value = value * 10 + (byte - ZERO);
        this.position++;
      }
    }
    if (byte !== DOT && (byte | 0x20) !== 0x65) {
      if (isDouble) {
        this.number = minus ? -value : value;
        return DOUBLE;
      }
      if (big !== null && big > MAX_EXACT) {
        this.bigInteger = minus ? -big : big;
        return BIG_INTEGER;
      }
      // An integer has no negative zero.
      this.number = minus && value !== 0 ? -value : value;
      return INTEGER;
    }
    this.#scanFractionAndExponent(start, minus, value, isDouble, significantDigits);
    return DOUBLE;
  }

  #scanFractionAndExponent(
    start: number,
    minus: boolean,
    integer: number,
    isDouble: boolean,
    integerDigits: number,
  ): void {
    const bytes = this.bytes;
    const end = this.end;
    let position = this.position;
    let value = integer;
    let significantDigits = integerDigits;
    let fractionExponent = 0;
    let byte = bytes[position]!;
    if (byte === DOT) {
      position++;
      byte = position < end ? bytes[position]! : 0;
      if (byte < ZERO || byte > 0x39) this.#failAt("Miss fraction part in number.", position);
      if (!isDouble) {
        const start = position;
        if (value === 0) while (position < end && bytes[position] === ZERO) position++;
        const significant = position;
        for (; position < end && value <= EXACT_STEP; position++) {
          const digit = bytes[position]! - ZERO;
          if (digit < 0 || digit > 9) break;
          value = value * 10 + digit;
        }
        for (; position < end && value > EXACT_STEP && value <= MAX_EXACT_NUMBER; position++) {
          const digit = bytes[position]! - ZERO;
          if (digit < 0 || digit > 9) break;
          value = appendDigit(value, digit);
        }
        significantDigits += position - significant;
        fractionExponent = start - position;
        byte = position < end ? bytes[position]! : 0;
      }
      while (byte >= ZERO && byte <= 0x39) {
        // Digits beyond the seventeenth are dropped.
        if (significantDigits < 17) {
          value = value * 10 + (byte - ZERO);
          fractionExponent--;
          significantDigits++;
        }
        position++;
        byte = position < end ? bytes[position]! : 0;
      }
    }
    let exponent = 0;
    if ((byte | 0x20) === 0x65) {
      position++;
      byte = position < end ? bytes[position]! : 0;
      const exponentMinus = byte === MINUS;
      if (exponentMinus || byte === PLUS) {
        position++;
        byte = position < end ? bytes[position]! : 0;
      }
      if (byte < ZERO || byte > 0x39) this.#failAt("Miss exponent in number.", position);
      const largest = exponentMinus ? Number.POSITIVE_INFINITY : 308 - fractionExponent;
      exponent = byte - ZERO;
      position++;
      for (; position < end; position++) {
        byte = bytes[position]!;
        if (byte < ZERO || byte > 0x39) break;
        if (exponent < 1e8) exponent = exponent * 10 + (byte - ZERO);
        if (exponent > largest) this.#failAt("Number too big to be stored in double.", start);
      }
      if (exponentMinus) exponent = -exponent;
    }
    this.position = position;
    const scaled = scaleByPowerOfTen(value, exponent + fractionExponent);
    this.number = minus ? -scaled : scaled;
  }

  /**
   * `NaN`, `Inf` and `Infinity`; the sign counts for the last two. As in the original, a `NaN` that breaks off may go on as
   * `Inf`, and a fraction or an exponent behind any of them makes it a number that begins with 0.
   */
  #scanNamedNumber(start: number, minus: boolean): NumberKind {
    if (this.#consume(0x4e) && this.#consume(0x61) && this.#consume(0x4e)) this.number = Number.NaN;
    else if (this.#consume(0x49) && this.#consume(0x6e) && this.#consume(0x66)) {
      if (this.peek() === 0x69) this.#expect("inity");
      this.number = minus ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    } else this.#fail("Invalid value.");
    const byte = this.peek();
    if (byte === DOT || (byte | 0x20) === 0x65) this.#scanFractionAndExponent(start, minus, 0, false, 0);
    return DOUBLE;
  }

  #readScalar(byte: number): JsonValue {
    switch (byte) {
      case QUOTE:
        return this.readString();
      case 0x74:
        this.#expect("true");
        return true;
      case 0x66:
        this.#expect("false");
        return false;
      case 0x6e:
        this.#expect("null");
        return null;
      default: {
        const kind = this.scanNumber();
        if (kind === INTEGER) return this.number;
        return kind === DOUBLE ? new JsonDouble(this.number) : this.bigInteger;
      }
    }
  }

  #readMemberName(object: JsonObject): void {
    if (this.peek() !== QUOTE) this.#fail("Missing a name for object member.");
    object.add(this.readString());
    this.skipWhitespace();
    if (this.peek() !== COLON) this.#fail("Missing a colon after a name of object member.");
    this.position++;
    this.skipWhitespace();
  }

  /** Whether the member whose name was just read is `data` of an element of the root's `inputs`, and an array. */
  #atTensorData(outer: readonly Container[], input: JsonObject): boolean {
    if (outer.length !== 2 || input.last!.name !== "data") return false;
    const root = outer[0];
    return this.peek() === OPEN_BRACKET && root instanceof JsonObject && root.last!.name === "inputs";
  }

  #readTensorData(readTensorData: TensorDataReader, input: JsonObject): JsonTensorData {
    const start = this.position;
    const elements = readTensorData(this, input);
    if (elements === null) {
      this.position = start;
      this.#skipArray();
    }
    return new JsonTensorData(elements, start, this.position);
  }

  /** Passes an array, values checked for syntax only and not kept. */
  #skipArray(): void {
    let depth = 0;
    for (;;) {
      if (this.peek() === OPEN_BRACKET) {
        this.position++;
        depth++;
        this.skipWhitespace();
        if (this.peek() !== CLOSE_BRACKET) continue;
      } else this.#skipElement();
      for (;;) {
        this.skipWhitespace();
        const next = this.peek();
        if (next === CLOSE_BRACKET) {
          this.position++;
          depth--;
          if (depth === 0) return;
        } else if (next === COMMA) {
          this.position++;
          this.skipWhitespace();
          break;
        } else this.#fail("Missing a comma or ']' after an array element.");
      }
    }
  }

  #skipElement(): void {
    const byte = this.peek();
    if (byte === MINUS || (byte >= ZERO && byte <= 0x39)) this.scanNumber();
    else if (byte === QUOTE) this.#skipString();
    else this.readValue();
  }

  #skipString(): void {
    const bytes = this.bytes;
    const end = this.end;
    let position = this.position + 1;
    while (position < end) {
      const byte = bytes[position]!;
      if (byte === QUOTE) {
        this.position = position + 1;
        return;
      }
      if (byte === BACKSLASH) {
        this.position = position;
        this.#readEscape(escapeScratch, 0);
        position = this.position;
      } else if (byte < 0x20) break;
      else position++;
    }
    this.position = position;
    this.#fail(
      this.peek() === 0
        ? "Missing a closing quotation mark in string."
        : "Invalid escape character in string.",
    );
  }

  #decodeLongString(): { readonly decoded: Uint8Array; readonly length: number } {
    const start = this.position;
    this.#skipString();
    const decoded = new Uint8Array(this.position - start);
    this.position = start;
    return { decoded, length: this.readStringInto(decoded, 0) };
  }

  /** Resolves the escape at the position into `out`; gives the end of what it wrote, at most 4 bytes. */
  #readEscape(out: Uint8Array, at: number): number {
    const start = this.position;
    this.position++;
    const letter = this.peek();
    if (letter === 0x75) {
      this.position++;
      return writeUtf8(out, at, this.#readEscapedCodePoint(start));
    }
    const plain = simpleEscapes[letter]!;
    if (plain === 0) this.#failAt("Invalid escape character in string.", start);
    this.position++;
    out[at] = plain;
    return at + 1;
  }

  #readEscapedCodePoint(start: number): number {
    const first = this.#readHex4(start);
    if (first < 0xd800 || first > 0xdbff) return first;
    if (!this.#consume(BACKSLASH) || !this.#consume(0x75))
      this.#failAt("The surrogate pair in string is invalid.", start);
    const second = this.#readHex4(start);
    if (second < 0xdc00 || second > 0xdfff) this.#failAt("The surrogate pair in string is invalid.", start);
    return (((first - 0xd800) << 10) | (second - 0xdc00)) + 0x10000;
  }

  #readHex4(start: number): number {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const digit = hexDigit(this.peek());
      if (digit < 0) this.#failAt("Incorrect hex digit after \\u escape in string.", start);
      value = value * 16 + digit;
      this.position++;
    }
    return value;
  }

  #consume(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.position++;
    return true;
  }

  #expect(text: string): void {
    for (let i = 0; i < text.length; i++)
      if (!this.#consume(text.charCodeAt(i))) this.#fail("Invalid value.");
  }

  #fail(reason: string): never {
    this.#failAt(reason, this.position);
  }

  #failAt(reason: string, offset: number): never {
    throw new JsonSyntaxError(reason, offset);
  }
}

/** Up to here `value * 10 + digit` is exact. */
const EXACT_STEP = 900719925474098;
const MAX_EXACT_NUMBER = Number.MAX_SAFE_INTEGER;
const MAX_EXACT = BigInt(Number.MAX_SAFE_INTEGER);

/** `value * 10 + digit` of an integer up to 2^53, rounded once. */
const appendDigit = (value: number, digit: number): number => {
  const high = Math.floor(value / 2 ** 20);
  return high * 10 * 2 ** 20 + ((value - high * 2 ** 20) * 10 + digit);
};

const escapeScratch = new Uint8Array(4);

/** Byte for the letter after a backslash; 0 = no such escape. */
const simpleEscapes = new Uint8Array(256);
for (const [letter, text] of [
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
] as const) {
  simpleEscapes[letter.charCodeAt(0)] = text.charCodeAt(0);
}

const hexDigit = (byte: number): number => {
  if (byte >= ZERO && byte <= 0x39) return byte - ZERO;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
};

/** UTF-8 of a code point, lone surrogates included. */
const writeUtf8 = (out: Uint8Array, at: number, codePoint: number): number => {
  let position = at;
  if (codePoint < 0x80) out[position++] = codePoint;
  else if (codePoint < 0x800) {
    out[position++] = 0xc0 | (codePoint >> 6);
    out[position++] = 0x80 | (codePoint & 0x3f);
  } else {
    if (codePoint < 0x10000) out[position++] = 0xe0 | (codePoint >> 12);
    else {
      out[position++] = 0xf0 | (codePoint >> 18);
      out[position++] = 0x80 | ((codePoint >> 12) & 0x3f);
    }
    out[position++] = 0x80 | ((codePoint >> 6) & 0x3f);
    out[position++] = 0x80 | (codePoint & 0x3f);
  }
  return position;
};

const utf8 = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8", start, end);

/** Strings up to this long are looked for among the ones seen last: names and types come again in every request. */
const MAX_CACHED_BYTES = 33;
const cacheSize = 512;
const cachedStrings: string[] = new Array<string>(cacheSize).fill("");

/** The ASCII string in `bytes` from `start` to `end`. */
const cachedString = (bytes: Uint8Array, start: number, end: number, hash: number): string => {
  const slot = (hash ^ (hash >>> 9)) & (cacheSize - 1);
  const candidate = cachedStrings[slot]!;
  const length = end - start;
  if (candidate.length === length) {
    let index = 0;
    while (index < length && candidate.charCodeAt(index) === bytes[start + index]) index++;
    if (index === length) return candidate;
  }
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  // A property name is one object for the engine wherever it stands: comparing it with a literal looks at no characters.
  const name = Object.keys({ [text]: 0 })[0]!;
  cachedStrings[slot] = name;
  return name;
};
