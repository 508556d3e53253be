import { fail, ok, type Result } from "../../common/status.ts";
import { type DataType, elementByteSize, isDataType } from "../../core/tensor/data-type.ts";
import {
  asBoolean,
  asDouble,
  asSignedInteger,
  asString,
  asUnsignedInteger,
  BIG_INTEGER,
  DOUBLE,
  isJsonArray,
  type JsonObject,
  JsonReader,
  type JsonTensorData,
  type JsonValue,
} from "./json-reader.ts";

/**
 * The JSON array `data` of an input, made into the binary layout of its datatype. Nesting is ignored: elements are taken
 * depth first and only their number counts. Integers of narrow types wrap. Source: spec/triton-wire.md 2.3.
 */

/** Types whose elements JSON can carry, BYTES apart. */
type JsonElementType = Exclude<DataType, "FP16" | "BF16" | "BYTES">;

/** Elements up to this size come from the shared pool of small buffers. */
const POOLED_BYTES = 2048;

/**
 * Reads `data` while the document is parsed, if `datatype` and `shape` stand before it. Null = something is unusual: then
 * `convertTensorData` finds out what, once the whole document is known to be well formed.
 */
export const readTensorData = (reader: JsonReader, input: JsonObject): Uint8Array | null => {
  const datatype = input.find("datatype");
  const shape = input.find("shape");
  if (typeof datatype !== "string" || !isDataType(datatype) || !isJsonArray(shape)) return null;
  if (datatype === "BYTES" || datatype === "FP16" || datatype === "BF16") return null;
  let count = shape.length === 0 ? 0 : 1;
  for (const dim of shape) {
    if (typeof dim !== "number" || dim < 0) return null;
    count *= dim;
  }
  // Each element takes two bytes of the document at least, so no shape makes us take more memory than was sent.
  if (count === 0 || count > (reader.end - reader.position) / 2) return null;
  const size = elementByteSize[datatype];
  const elements = allocate(count * size);
  const complete =
    datatype === "BOOL"
      ? readBooleans(reader, elements, count)
      : datatype === "FP32" || datatype === "FP64"
        ? readFloats(reader, viewOf(elements), elements.byteOffset, size, count)
        : readIntegers(
            reader,
            viewOf(elements),
            elements.byteOffset,
            size,
            datatype.charCodeAt(0) === 0x55,
            count,
          );
  return complete ? elements : null;
};

/**
 * Elements of the array at `data` as `datatype`. Errors, as the real server orders them: 400 for types that JSON does not
 * carry, else 500 with `Unable to parse 'data'` for an element of the wrong kind, one element too many, or too few.
 * @param input name of the input, for messages
 * @param count elements by the shape, not 0; below 0 where the shape overflows, which the real server does not survive
 */
export const convertTensorData = (
  bytes: Uint8Array,
  data: JsonTensorData,
  datatype: string,
  input: string,
  count: number,
): Result<Uint8Array> => {
  if (!isDataType(datatype)) return fail("INVALID_ARG", `invalid datatype for input ${input}`);
  if (datatype === "BYTES") return convertStrings(bytes, data);
  if (datatype !== "FP16" && datatype !== "BF16") return convertElements(bytes, data, datatype, count);
  return fail(
    "INVALID_ARG",
    `receiving ${datatype} data via JSON is not supported. Please use the binary data format for input ${input}`,
  );
};

const allocate = (byteSize: number): Buffer =>
  byteSize <= POOLED_BYTES ? Buffer.allocUnsafe(byteSize) : Buffer.allocUnsafeSlow(byteSize);

/** A view of the whole memory under `bytes`. Small buffers share theirs, so their view is kept; a large one is let go. */
const viewOf = (bytes: Uint8Array): DataView => {
  if (bytes.byteLength > POOLED_BYTES) return new DataView(bytes.buffer);
  if (bytes.buffer !== lastView.buffer) lastView = new DataView(bytes.buffer);
  return lastView;
};

let lastView: DataView = new DataView(new ArrayBuffer(0));

const COMMA = 0x2c;
const MINUS = 0x2d;
const ZERO = 0x30;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Digits that a number can take without leaving the exact integers. */
const EXACT_DIGITS = 15;

/**
 * Moves over brackets, commas and white space from the end of one element (or from the opening bracket of `data`) to the
 * next. Gives its offset, `~end` when the array ends there, or NaN for anything unusual.
 */
class ElementWalk {
  readonly #bytes: Uint8Array;
  depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(from: number): number {
    const bytes = this.#bytes;
    let position = from;
    let byte = bytes[position]!;
    let afterElement = this.depth !== 0;
    for (;;) {
      while (isSpace(byte)) byte = bytes[++position]!;
      if (afterElement) {
        if (byte === COMMA) afterElement = false;
        else if (byte !== CLOSE_BRACKET) return Number.NaN;
        position++;
        if (afterElement && --this.depth === 0) return ~position;
      } else {
        if (byte !== OPEN_BRACKET) return position;
        this.depth++;
        position++;
        while (isSpace(bytes[position]!)) position++;
        // An empty array gives no element: what follows it is as after an element.
        afterElement = bytes[position] === CLOSE_BRACKET;
      }
      byte = bytes[position]!;
    }
  }
}

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Takes the reader behind the array if all went well: `position` is what the walk said last. */
const finish = (reader: JsonReader, position: number, complete: boolean): boolean => {
  if (!complete || !(position < 0) || ~position > reader.end) return false;
  reader.position = ~position;
  return true;
};

const readIntegers = (
  reader: JsonReader,
  view: DataView,
  offset: number,
  size: number,
  unsigned: boolean,
  count: number,
): boolean => {
  const bytes = reader.bytes;
  const walk = new ElementWalk(bytes);
  let position = walk.next(reader.position);
  let at = offset;
  const end = offset + count * size;
  while (position >= 0) {
    if (at === end) return false;
    const start = position;
    const minus = bytes[position] === MINUS;
    if (minus) position++;
    let digit = bytes[position]! - ZERO;
    let value = digit;
    if (digit > 0 && digit <= 9) {
      const limit = position + EXACT_DIGITS;
      for (position++; position < limit; position++) {
        digit = bytes[position]! - ZERO;
        if (!(digit >= 0 && digit <= 9)) break;
        value = value * 10 + digit;
      }
      if (position === limit) {
        position = start;
        value = -1;
      }
    } else if (digit === 0) position++;
    else return false;
    if (position === start) {
      // Sixteen digits or more.
      reader.position = start;
      const kind = reader.scanNumber();
      if (kind === DOUBLE || reader.position > reader.end) return false;
      position = reader.position;
      if (kind === BIG_INTEGER) {
        const big = reader.bigInteger;
        if (unsigned ? big < 0n : big >= 2n ** 63n) return false;
        if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, big), true);
        else storeInteger(view, at, size, Number(BigInt.asIntN(32, big)));
        at += size;
        position = walk.next(position);
        continue;
      }
      value = reader.number;
      if (unsigned && value < 0) return false;
    } else if (minus) {
      if (unsigned && value !== 0) return false;
      value = -value;
    }
    if (size === 4) view.setInt32(at, value, true);
    else storeInteger(view, at, size, value);
    at += size;
    position = walk.next(position);
  }
  return finish(reader, position, at === end);
};

/** Stores the low bytes of an integer up to 2^53. */
const storeInteger = (view: DataView, at: number, size: number, value: number): void => {
  if (size === 1) view.setInt8(at, value);
  else if (size === 2) view.setInt16(at, value, true);
  else {
    view.setInt32(at, value, true);
    if (size === 8) view.setInt32(at + 4, Math.floor(value / 2 ** 32), true);
  }
};

const readFloats = (
  reader: JsonReader,
  view: DataView,
  offset: number,
  size: number,
  count: number,
): boolean => {
  const bytes = reader.bytes;
  const walk = new ElementWalk(bytes);
  let position = walk.next(reader.position);
  let at = offset;
  const end = offset + count * size;
  while (position >= 0) {
    if (at === end) return false;
    const byte = bytes[position]!;
    const named = byte === 0x4e || byte === 0x49;
    if (!named && byte !== MINUS && !(byte >= ZERO && byte <= 0x39)) return false;
    reader.position = position;
    const kind = reader.scanNumber();
    const value = kind === BIG_INTEGER ? Number(reader.bigInteger) : reader.number;
    position = reader.position;
    if (size === 4) view.setFloat32(at, value, true);
    else view.setFloat64(at, value, true);
    at += size;
    position = walk.next(position);
  }
  return finish(reader, position, at === end);
};

const readBooleans = (reader: JsonReader, out: Uint8Array, count: number): boolean => {
  const bytes = reader.bytes;
  const walk = new ElementWalk(bytes);
  let position = walk.next(reader.position);
  let at = 0;
  while (position >= 0) {
    if (at === count) return false;
    const text = bytes[position] === 0x74 ? "true" : "false";
    for (let i = 0; i < text.length; i++) if (bytes[position + i] !== text.charCodeAt(i)) return false;
    out[at++] = text.length === 4 ? 1 : 0;
    position = walk.next(position + text.length);
  }
  return finish(reader, position, at === count);
};

/** Calls `take` for each element, depth first, until it returns an error. The array is known to be well formed. */
const forEachElement = <E>(
  reader: JsonReader,
  end: number,
  take: (reader: JsonReader) => E | null,
): E | null => {
  for (;;) {
    reader.skipWhitespace();
    if (reader.position >= end) return null;
    const byte = reader.peek();
    if (byte === OPEN_BRACKET || byte === CLOSE_BRACKET || byte === COMMA) {
      reader.position++;
      continue;
    }
    const error = take(reader);
    if (error !== null) return error;
  }
};

const shapeMismatch = "Unable to parse 'data': Shape does not match true shape of 'data' field";

const convertElements = (
  bytes: Uint8Array,
  data: JsonTensorData,
  datatype: JsonElementType,
  count: number,
): Result<Uint8Array> => {
  const size = elementByteSize[datatype];
  const reader = new JsonReader(bytes, data.start, data.end);
  // Two bytes of the document an element at least: more elements than that are not there.
  const capacity = Math.max(0, Math.min(count, Math.ceil((data.end - data.start) / 2)));
  const elements = allocate(capacity * size);
  const view = viewOf(elements);
  let made = 0;
  const failure = forEachElement(reader, data.end, () => {
    const value = reader.readValue();
    if (made >= count) return fail("INTERNAL", shapeMismatch);
    const error = storeElement(view, elements.byteOffset + made * size, datatype, value);
    made++;
    return error === null ? null : fail("INTERNAL", `Unable to parse 'data': ${error}`);
  });
  if (failure !== null) return failure;
  return made === count ? ok(elements) : fail("INTERNAL", shapeMismatch);
};

/** Stores one element; gives what is wrong with it. */
const storeElement = (
  view: DataView,
  at: number,
  datatype: JsonElementType,
  value: JsonValue,
): string | null => {
  if (datatype === "BOOL") {
    const flag = asBoolean(value);
    if (!flag.ok) return flag.error.message;
    view.setUint8(at, flag.value ? 1 : 0);
    return null;
  }
  if (datatype === "FP32" || datatype === "FP64") {
    const double = asDouble(value);
    if (!double.ok) return double.error.message;
    if (datatype === "FP32") view.setFloat32(at, double.value, true);
    else view.setFloat64(at, double.value, true);
    return null;
  }
  const integer = datatype.startsWith("U") ? asUnsignedInteger(value) : asSignedInteger(value);
  if (!integer.ok) return integer.error.message;
  const size = elementByteSize[datatype];
  if (typeof integer.value === "number") storeInteger(view, at, size, integer.value);
  else if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, integer.value), true);
  else storeInteger(view, at, size, Number(BigInt.asIntN(32, integer.value)));
  return null;
};

/** The number of strings does not matter here; the core compares it with the shape. */
const convertStrings = (bytes: Uint8Array, data: JsonTensorData): Result<Uint8Array> => {
  const reader = new JsonReader(bytes, data.start, data.end);
  const span = data.end - data.start;
  // A string takes its bytes and three more (quotes, comma) here, and its bytes and four more there.
  const out = allocate(span + Math.ceil(span / 3));
  let end = 0;
  const failure = forEachElement(reader, data.end, () => {
    if (reader.peek() !== 0x22) {
      const value = asString(reader.readValue());
      if (!value.ok) return fail("INTERNAL", `Unable to parse JSON bytes array: ${value.error.message}`);
    }
    const next = reader.readStringInto(out, end + 4);
    out.writeUInt32LE(next - end - 4, end);
    end = next;
    return null;
  });
  return failure ?? ok(out.subarray(0, end));
};
