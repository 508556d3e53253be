import { serialization } from "../shapes.ts";
import { Timestamp } from "../timestamp.ts";

/** CBOR (RFC 8949) as far as Smithy's rpc-v2-cbor takes it; times are tag 1, seconds since 1970. */

const MAX_DEPTH = 64;
const BREAK = Symbol("break");

/** @throws AwsError `SerializationException`: it is no CBOR, or more follows */
export const decodeCbor = (bytes: Buffer): unknown => {
  const reader = new CborReader(bytes);
  const value = reader.value(0);
  if (value === BREAK || !reader.atEnd) throw malformed("more bytes than one value");
  return value;
};

export const encodeCbor = (value: unknown): Buffer => {
  const parts: Buffer[] = [];
  write(value, parts);
  return Buffer.concat(parts);
};

const malformed = (what: string): Error => serialization(`The body is no CBOR: ${what}`);

class CborReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** `BREAK` ends what has no length. */
  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw malformed("it is nested too deeply");
    const first = this.#take(1)[0]!;
    const major = first >> 5;
    const info = first & 31;
    if (major === 7) return this.#simple(info);
    const endless = info === 31 && major >= 2 && major <= 5;
    const length = endless ? null : this.#number(info);
    switch (major) {
      case 0:
        return Number(length);
      case 1:
        return -1 - Number(length);
      case 2:
        return this.#string(length, 2);
      case 3:
        return this.#string(length, 3).toString("utf8");
      case 4:
        return this.#list(length, depth);
      case 5:
        return this.#map(length, depth);
      default:
        return this.#tagged(Number(length), depth);
    }
  }

  #take(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw malformed("it ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  #number(info: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#take(1).readUInt8();
    if (info === 25) return this.#take(2).readUInt16BE();
    if (info === 26) return this.#take(4).readUInt32BE();
    if (info === 27) return Number(this.#take(8).readBigUInt64BE());
    throw malformed(`a length of kind ${info}`);
  }

  #string(length: number | null, major: number): Buffer {
    if (length !== null) return this.#take(length);
    const parts: Buffer[] = [];
    for (;;) {
      const first = this.#take(1)[0]!;
      if (first === 0xff) return Buffer.concat(parts);
      if (first >> 5 !== major) throw malformed("a part of a string is none");
      parts.push(this.#take(this.#number(first & 31)));
    }
  }

  #list(length: number | null, depth: number): unknown[] {
    const values: unknown[] = [];
    while (length === null || values.length < length) {
      const value = this.value(depth + 1);
      if (value === BREAK) {
        if (length === null) break;
        throw malformed("a list ends too early");
      }
      values.push(value);
    }
    return values;
  }

  #map(length: number | null, depth: number): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    while (length === null || entries.length < length) {
      const key = this.value(depth + 1);
      if (key === BREAK && length === null) break;
      const value = this.value(depth + 1);
      if (typeof key !== "string" || value === BREAK) throw malformed("a map's key is no text");
      entries.push([key, value]);
    }
    return Object.fromEntries(entries);
  }

  #tagged(tag: number, depth: number): unknown {
    const value = this.value(depth + 1);
    if (tag === 1 && typeof value === "number") return new Timestamp(value * 1000);
    if ((tag === 2 || tag === 3) && value instanceof Uint8Array) {
      const magnitude = Number(BigInt(`0x${Buffer.from(value).toString("hex") || "0"}`));
      return tag === 2 ? magnitude : -1 - magnitude;
    }
    if (value === BREAK) throw malformed("a tag without a value");
    return value;
  }

  #simple(info: number): unknown {
    switch (info) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
      case 23:
        return null;
      case 25:
        return halfFloat(this.#take(2).readUInt16BE());
      case 26:
        return this.#take(4).readFloatBE();
      case 27:
        return this.#take(8).readDoubleBE();
      case 31:
        return BREAK;
      default:
        throw malformed(`a simple value of kind ${info}`);
    }
  }
}

const halfFloat = (bits: number): number => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
};

const write = (value: unknown, parts: Buffer[]): void => {
  if (value === null || value === undefined) parts.push(Buffer.of(0xf6));
  else if (typeof value === "boolean") parts.push(Buffer.of(value ? 0xf5 : 0xf4));
  else if (typeof value === "number") parts.push(numberBytes(value));
  else if (typeof value === "string") {
    const text = Buffer.from(value);
    parts.push(headBytes(3, text.length), text);
  } else if (value instanceof Uint8Array) parts.push(headBytes(2, value.length), Buffer.from(value));
  else if (value instanceof Timestamp) parts.push(Buffer.of(0xc1), doubleBytes(value.seconds));
  else if (Array.isArray(value)) {
    parts.push(headBytes(4, value.length));
    for (const one of value) write(one, parts);
  } else {
    const entries = Object.entries(value).filter(([, one]) => one !== undefined);
    parts.push(headBytes(5, entries.length));
    for (const [key, one] of entries) {
      write(key, parts);
      write(one, parts);
    }
  }
};

const numberBytes = (value: number): Buffer => {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) return doubleBytes(value);
  return value >= 0 ? headBytes(0, value) : headBytes(1, -1 - value);
};

const doubleBytes = (value: number): Buffer => {
  const bytes = Buffer.alloc(9);
  bytes[0] = 0xfb;
  bytes.writeDoubleBE(value, 1);
  return bytes;
};

const headBytes = (major: number, length: number): Buffer => {
  const top = major << 5;
  if (length < 24) return Buffer.of(top | length);
  if (length < 0x100) return Buffer.of(top | 24, length);
  if (length < 0x10000) return Buffer.of(top | 25, length >> 8, length & 255);
  const bytes = Buffer.alloc(length <= 0xffffffff ? 5 : 9);
  if (length <= 0xffffffff) {
    bytes[0] = top | 26;
    bytes.writeUInt32BE(length, 1);
  } else {
    bytes[0] = top | 27;
    bytes.writeBigUInt64BE(BigInt(length), 1);
  }
  return bytes;
};
