/**
 * The protobuf wire format, and no more: what the ModelInfer codec and the ONNX reader and writer share.
 * https://protobuf.dev/programming-guides/encoding/
 */

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_LENGTH = 2;
const WIRE_START_GROUP = 3;
const WIRE_END_GROUP = 4;
export const WIRE_FIXED32 = 5;

/** As protobuf itself has it. */
const MAX_NESTED_GROUPS = 100;

/** The bytes are not a protobuf message. */
export class ProtobufError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ProtobufError";
  }
}

const utf8 = new TextDecoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Walks the fields of one message. `next()` moves to a field; then exactly one of the readers, or `skip()`, is called.
 * All lengths are checked against the end of the message; a wrong one is a ProtobufError.
 */
export class ProtobufReader {
  readonly bytes: Uint8Array;
  #lazyView: DataView | null = null;
  position: number;
  readonly end: number;
  field = 0;
  wireType = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  next(): boolean {
    if (this.position >= this.end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0) throw new ProtobufError("field number 0");
    return true;
  }

  /** An unsigned varint as a number: exact to 2^53, the nearest double beyond. */
  varint(): number {
    const bytes = this.bytes;
    let byte = this.#byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    for (let i = 1; i < 10; i++) {
      if (this.position >= this.end) throw new ProtobufError("truncated varint");
      byte = bytes[this.position++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new ProtobufError("varint of more than 10 bytes");
  }

  /** An int64 or int32 field as a number (two's complement; exact to 2^53 either way). */
  signedVarint(): number {
    const start = this.position;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    this.position = start;
    return Number(BigInt.asIntN(64, this.bigVarint()));
  }

  /** A varint with every digit, unsigned. */
  bigVarint(): bigint {
    let value = 0n;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new ProtobufError("varint of more than 10 bytes");
  }

  fixed32(): number {
    const at = this.#take(4);
    return this.#view.getUint32(at, true);
  }

  float(): number {
    const at = this.#take(4);
    return this.#view.getFloat32(at, true);
  }

  double(): number {
    const at = this.#take(8);
    return this.#view.getFloat64(at, true);
  }

  /** A view of a length-delimited field; nothing is copied. */
  bytesField(): Uint8Array {
    const length = this.varint();
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  string(): string {
    const length = this.varint();
    const at = this.#take(length);
    if (length < 24) {
      let text = "";
      for (let i = at; i < at + length; i++) {
        const code = this.bytes[i]!;
        if (code >= 0x80) return utf8.decode(this.bytes.subarray(at, at + length));
        text += String.fromCharCode(code);
      }
      return text;
    }
    return utf8.decode(this.bytes.subarray(at, at + length));
  }

  /** A string of proto3, which has to be UTF-8; other bytes are a ProtobufError. */
  utf8String(): string {
    const length = this.varint();
    const at = this.#take(length);
    if (length < 24) {
      let text = "";
      for (let i = at; i < at + length; i++) {
        const code = this.bytes[i]!;
        if (code >= 0x80) return decodeStrictly(this.bytes.subarray(at, at + length));
        text += String.fromCharCode(code);
      }
      return text;
    }
    return decodeStrictly(this.bytes.subarray(at, at + length));
  }

  /** A reader over an embedded message. */
  message(): ProtobufReader {
    const length = this.varint();
    const at = this.#take(length);
    return new ProtobufReader(this.bytes, at, at + length);
  }

  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.bigVarint();
        return;
      case WIRE_FIXED64:
        this.#take(8);
        return;
      case WIRE_LENGTH:
        this.#take(this.varint());
        return;
      case WIRE_FIXED32:
        this.#take(4);
        return;
      case WIRE_START_GROUP:
        this.#skipGroup(MAX_NESTED_GROUPS);
        return;
      default:
        throw new ProtobufError(`wire type ${this.wireType}`);
    }
  }

  /** Up to its end, which names the same field. */
  #skipGroup(depth: number): void {
    if (depth === 0) throw new ProtobufError("groups nested too deeply");
    const { field } = this;
    while (this.next()) {
      if (this.wireType === WIRE_START_GROUP) this.#skipGroup(depth - 1);
      else if (this.wireType !== WIRE_END_GROUP) this.skip();
      else if (this.field === field) return;
      else throw new ProtobufError("end of another group");
    }
    throw new ProtobufError("group without an end");
  }

  get #view(): DataView {
    this.#lazyView ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#lazyView;
  }

  #byte(): number {
    if (this.position >= this.end) throw new ProtobufError("truncated message");
    return this.bytes[this.position++]!;
  }

  #take(length: number): number {
    const at = this.position;
    if (length > this.end - at) throw new ProtobufError("length beyond the end of the message");
    this.position = at + length;
    return at;
  }
}

const decodeStrictly = (bytes: Uint8Array): string => {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw new ProtobufError("a string that is not UTF-8");
  }
};

/** Builds a message in a buffer that grows. Fields are written in the order of the calls. */
export class ProtobufWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialByteSize = 256) {
    this.#buffer = Buffer.allocUnsafe(initialByteSize);
  }

  /** What was written so far, as a view. */
  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  tag(field: number, wireType: number): this {
    return this.rawVarint(field * 8 + wireType);
  }

  /** A non-negative integer up to 2^53. */
  varint(field: number, value: number): this {
    return this.tag(field, WIRE_VARINT).rawVarint(value);
  }

  bigVarint(field: number, value: bigint): this {
    this.tag(field, WIRE_VARINT);
    this.#rawBig(BigInt.asUintN(64, value));
    return this;
  }

  /** int32 and int64: negative numbers take ten bytes. */
  int(field: number, value: number): this {
    return value >= 0 ? this.varint(field, value) : this.bigVarint(field, BigInt(value));
  }

  bool(field: number, value: boolean): this {
    return this.varint(field, value ? 1 : 0);
  }

  float(field: number, value: number): this {
    this.tag(field, WIRE_FIXED32);
    this.#reserve(4);
    this.#length = this.#buffer.writeFloatLE(value, this.#length);
    return this;
  }

  double(field: number, value: number): this {
    this.tag(field, WIRE_FIXED64);
    this.#reserve(8);
    this.#length = this.#buffer.writeDoubleLE(value, this.#length);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.tag(field, WIRE_LENGTH).rawVarint(value.length);
    return this.raw(value);
  }

  string(field: number, value: string): this {
    const length = Buffer.byteLength(value);
    this.tag(field, WIRE_LENGTH).rawVarint(length);
    this.#reserve(length);
    this.#buffer.write(value, this.#length);
    this.#length += length;
    return this;
  }

  /** An embedded message: what `build` writes, in place. */
  message(field: number, build: (writer: ProtobufWriter) => void): this {
    const start = this.beginMessage(field);
    build(this);
    return this.endMessage(start);
  }

  /** Opens an embedded message for callers that want no closure; `endMessage` takes what this answers. */
  beginMessage(field: number): number {
    this.tag(field, WIRE_LENGTH);
    this.#reserve(1);
    this.#length++;
    return this.#length;
  }

  endMessage(start: number): this {
    const byteSize = this.#length - start;
    let lengthBytes = 1;
    for (let rest = byteSize; rest >= 128; rest = Math.floor(rest / 128)) lengthBytes++;
    if (lengthBytes > 1) {
      this.#reserve(lengthBytes - 1);
      this.#buffer.copyWithin(start + lengthBytes - 1, start, this.#length);
    }
    this.#length = start - 1;
    this.rawVarint(byteSize);
    this.#length += byteSize;
    return this;
  }

  /** `repeated int64` in its packed form. */
  packedInts(field: number, values: readonly number[]): this {
    const start = this.beginMessage(field);
    for (const value of values) {
      if (value >= 0) this.rawVarint(value);
      else this.#rawBig(BigInt.asUintN(64, BigInt(value)));
    }
    return this.endMessage(start);
  }

  raw(value: Uint8Array): this {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  rawVarint(value: number): this {
    this.#reserve(10);
    const buffer = this.#buffer;
    let rest = value;
    while (rest >= 128) {
      buffer[this.#length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    buffer[this.#length++] = rest;
    return this;
  }

  #rawBig(value: bigint): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 128n) {
      this.#buffer[this.#length++] = Number(rest & 127n) + 128;
      rest >>= 7n;
    }
    this.#buffer[this.#length++] = Number(rest);
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
