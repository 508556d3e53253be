import { fail, ok, type Result } from "../../common/status.ts";
import type { DataType } from "./data-type.ts";
import type { OutputTensor } from "./inference-request.ts";
import { elementCount } from "./shape.ts";

/**
 * The classification extension: the `count` largest elements of each row as BYTES `<value>:<index>[:<label>]`, largest
 * first, equal ones by index. Shape [rows, classes], or [classes] where the model does not batch.
 * Error: INVALID_ARG for a type without an order; BYTES, which kills the real server, included (spec/triton-wire.md 1.10).
 * @param labels line by line; null = none
 */
export const classify = (
  output: OutputTensor,
  count: number,
  labels: readonly string[] | null,
  batched: boolean,
): Result<OutputTensor> => {
  const reader = elementReaders[output.datatype];
  if (reader === undefined) {
    return fail(
      "INVALID_ARG",
      `class result not available for output due to unsupported type '${output.datatype}'`,
    );
  }
  const { data } = output;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const rows = batched ? (output.shape[0] ?? 1) : 1;
  const rowLength = rows === 0 ? 0 : elementCount(output.shape) / rows;
  const classes = Math.min(count, rowLength);
  const elements: Buffer[] = [];
  for (let row = 0; row < rows; row++) {
    const values = Array.from({ length: rowLength }, (_, i) => reader.read(view, row * rowLength + i));
    const order = values.map((_, i) => i).sort((a, b) => descending(values[a]!, values[b]!) || a - b);
    for (const index of order.slice(0, classes)) {
      const label = labels?.[index] ?? "";
      const text = `${reader.format(values[index]!)}:${index}${label === "" ? "" : `:${label}`}`;
      elements.push(withLength(Buffer.from(text)));
    }
  }
  return ok({
    name: output.name,
    datatype: "BYTES",
    shape: batched ? [rows, classes] : [classes],
    data: Buffer.concat(elements),
  });
};

type Value = number | bigint;

interface ElementReader {
  read(view: DataView, index: number): Value;
  format(value: Value): string;
}

const descending = (a: Value, b: Value): number => (a > b ? -1 : a < b ? 1 : 0);

const withLength = (text: Buffer): Buffer => {
  const bytes = Buffer.allocUnsafe(4 + text.length);
  bytes.writeUInt32LE(text.length);
  text.copy(bytes, 4);
  return bytes;
};

const integer = (read: (view: DataView, index: number) => Value): ElementReader => ({ read, format: String });
const floating = (read: (view: DataView, index: number) => number): ElementReader => ({
  read,
  format: (value) => sixDecimals(Number(value)),
});

const elementReaders: Partial<Record<DataType, ElementReader>> = {
  UINT8: integer((view, i) => view.getUint8(i)),
  UINT16: integer((view, i) => view.getUint16(2 * i, true)),
  UINT32: integer((view, i) => view.getUint32(4 * i, true)),
  UINT64: integer((view, i) => view.getBigUint64(8 * i, true)),
  INT8: integer((view, i) => view.getInt8(i)),
  INT16: integer((view, i) => view.getInt16(2 * i, true)),
  INT32: integer((view, i) => view.getInt32(4 * i, true)),
  INT64: integer((view, i) => view.getBigInt64(8 * i, true)),
  FP32: floating((view, i) => view.getFloat32(4 * i, true)),
  FP64: floating((view, i) => view.getFloat64(8 * i, true)),
};

/** C's `%f`: six decimals, exact digits however large the number, halves to the even neighbour. */
const sixDecimals = (value: number): string => {
  if (Number.isNaN(value)) return "nan";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const size = Math.abs(value);
  if (size === Number.POSITIVE_INFINITY) return `${sign}inf`;
  if (size >= 2 ** 53) return `${sign}${BigInt(size)}.000000`;
  // Exactly half a unit of the sixth decimal: only odd multiples of 1/128 are.
  if ((size * 128) % 2 === 1) {
    const millionths = (BigInt(size * 128) * 15625n) / 2n;
    const even = millionths % 2n === 0n ? millionths : millionths + 1n;
    return `${sign}${even / 1_000_000n}.${String(even % 1_000_000n).padStart(6, "0")}`;
  }
  return `${sign}${size.toFixed(6)}`;
};
