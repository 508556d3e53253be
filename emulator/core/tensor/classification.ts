import { fail, ok, type Result } from "../../common/status.ts";
import { type DataType, elementByteSize } from "./data-type.ts";
import { elementCount } from "./shape.ts";

/**
 * The classification extension: a tensor sent as its largest values, each `<value>:<index>[:<label>]`
 * (spec/triton-wire.md 1.10).
 */

/** A BYTES tensor. */
export interface ClassifiedTensor {
  readonly shape: readonly number[];
  /** One text an element, row by row. */
  readonly classes: readonly string[];
}

/**
 * The `count` largest values of each row of a tensor. A row is one entry of the batch, or all of a tensor without batch.
 * Error: INVALID_ARG for types that have no classes; the real server (2.51.0) dies on BYTES.
 * @param batched whether the first dimension is the batch
 * @param count how many at most
 * @param labels of the output, line by line; null = none
 */
export const classify = (
  datatype: DataType,
  shape: readonly number[],
  data: Uint8Array,
  batched: boolean,
  count: number,
  labels: readonly string[] | null,
): Result<ClassifiedTensor> => {
  const size = elementByteSize[datatype];
  const rows = batched ? (shape[0] ?? 0) : 1;
  const width = elementCount(batched ? shape.slice(1) : shape);
  if (datatype === "BOOL" || datatype === "FP16" || datatype === "BF16" || size === 0) {
    return fail("INVALID_ARG", `class result not available for output due to unsupported type '${datatype}'`);
  }
  if (rows * width * size !== data.byteLength) {
    return fail(
      "INTERNAL",
      "class result not available for output due to a size that does not match its shape",
    );
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const kept = Math.min(count, width);
  const classes: string[] = [];
  for (let row = 0; row < rows; row++) {
    const start = row * width;
    const values = readRow(view, datatype, start, width);
    const order = new Uint32Array(width);
    for (let index = 0; index < width; index++) order[index] = index;
    sortByValue(order, values);
    for (let rank = 0; rank < kept; rank++) {
      const index = order[rank]!;
      const label = labels?.[index] ?? "";
      const negative = (data[(start + index + 1) * size - 1]! & 0x80) !== 0;
      classes.push(
        `${valueText(values[index]!, datatype, negative)}:${index}${label === "" ? "" : `:${label}`}`,
      );
    }
  }
  return ok({ shape: batched ? [rows, kept] : [kept], classes });
};

/** The data of a BYTES tensor with these elements. */
export const bytesOfClasses = (classes: readonly string[]): Buffer => {
  const parts: Buffer[] = [];
  for (const text of classes) {
    const bytes = Buffer.from(text);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(bytes.length);
    parts.push(length, bytes);
  }
  return Buffer.concat(parts);
};

type Values = ArrayLike<number> | ArrayLike<bigint>;

const readRow = (view: DataView, datatype: DataType, start: number, width: number): Values => {
  const size = elementByteSize[datatype];
  const read = readers[datatype];
  if (datatype === "INT64" || datatype === "UINT64") {
    const signed = datatype === "INT64";
    return Array.from({ length: width }, (_, i) =>
      signed ? view.getBigInt64((start + i) * size, true) : view.getBigUint64((start + i) * size, true),
    );
  }
  const values = new Float64Array(width);
  for (let i = 0; i < width; i++) values[i] = read(view, (start + i) * size);
  return values;
};

const none = (): number => 0;

const readers: Record<DataType, (view: DataView, at: number) => number> = {
  BOOL: none,
  UINT8: (view, at) => view.getUint8(at),
  UINT16: (view, at) => view.getUint16(at, true),
  UINT32: (view, at) => view.getUint32(at, true),
  UINT64: none,
  INT8: (view, at) => view.getInt8(at),
  INT16: (view, at) => view.getInt16(at, true),
  INT32: (view, at) => view.getInt32(at, true),
  INT64: none,
  FP16: none,
  BF16: none,
  FP32: (view, at) => view.getFloat32(at, true),
  FP64: (view, at) => view.getFloat64(at, true),
  BYTES: none,
};

/** @param negative the sign bit, which not-a-numbers have too */
const valueText = (value: number | bigint, datatype: DataType, negative: boolean): string =>
  typeof value === "number" && datatype.startsWith("FP") ? fixedText(value, negative) : value.toString();

/** C's `%f`: six decimals, exact and half to even. */
const fixedText = (value: number, negative: boolean): string => {
  const sign = negative ? "-" : "";
  const magnitude = Math.abs(value);
  if (Number.isNaN(value)) return `${sign}nan`;
  if (magnitude === Number.POSITIVE_INFINITY) return `${sign}inf`;
  if (magnitude >= 1e21) return `${sign}${BigInt(magnitude)}.000000`;
  const text = magnitude.toFixed(6);
  // Exactly half a millionth happens only for odd multiples of 1/128, and toFixed then goes up.
  const scaled = magnitude * 128;
  const isTie = Number.isInteger(scaled) && scaled % 2 === 1;
  const lastDigit = text.charCodeAt(text.length - 1) - 0x30;
  return sign + (isTie && lastDigit % 2 === 1 ? text.slice(0, -1) + (lastDigit - 1) : text);
};

/** Ranges up to this long are left to the insertion sort. */
const THRESHOLD = 16;

/**
 * Puts indices in descending order of value. Equal values come out in the order in which the sort of the C++ library that
 * the real server uses leaves them: quicksort around a median of three down to short ranges, then one insertion sort.
 */
const sortByValue = (order: Uint32Array, values: Values): void => {
  quickSort(order, values, 0, order.length, 2 * (31 - Math.clz32(order.length)));
  for (let i = 1; i < order.length; i++) {
    const index = order[i]!;
    let hole = i;
    // A value above the first one goes before it without a look at the others, which not-a-numbers among them would end.
    if (i < THRESHOLD && values[index]! > values[order[0]!]!) {
      order.copyWithin(1, 0, i);
      hole = 0;
    }
    while (hole > 0 && values[index]! > values[order[hole - 1]!]!) {
      order[hole] = order[hole - 1]!;
      hole--;
    }
    order[hole] = index;
  }
};

const quickSort = (order: Uint32Array, values: Values, first: number, last: number, depth: number): void => {
  let end = last;
  for (let left = depth; end - first > THRESHOLD; left--) {
    if (left === 0) {
      order
        .subarray(first, end)
        .sort((a, b) => (values[a]! > values[b]! ? -1 : values[b]! > values[a]! ? 1 : 0));
      return;
    }
    medianToFirst(order, values, first, first + 1, first + ((end - first) >> 1), end - 1);
    const cut = partition(order, values, first, end);
    quickSort(order, values, cut, end, left - 1);
    end = cut;
  }
};

const medianToFirst = (
  order: Uint32Array,
  values: Values,
  first: number,
  a: number,
  b: number,
  c: number,
): void => {
  const before = (left: number, right: number) => values[order[left]!]! > values[order[right]!]!;
  let median: number;
  if (before(a, b)) median = before(b, c) ? b : before(a, c) ? c : a;
  else median = before(a, c) ? a : before(b, c) ? c : b;
  swap(order, first, median);
};

/** Splits what follows `first` around the value at `first`; gives where the second part begins. */
const partition = (order: Uint32Array, values: Values, first: number, last: number): number => {
  const pivot = values[order[first]!]!;
  let low = first + 1;
  let high = last;
  for (;;) {
    while (low < last && values[order[low]!]! > pivot) low++;
    high--;
    while (high > first && pivot > values[order[high]!]!) high--;
    if (low >= high) return low;
    swap(order, low, high);
    low++;
  }
};

const swap = (order: Uint32Array, a: number, b: number): void => {
  const index = order[a]!;
  order[a] = order[b]!;
  order[b] = index;
};
