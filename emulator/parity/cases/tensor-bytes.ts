import type { Json } from "../exchange/json.ts";

type Write = (value: Json) => Buffer | null;

const integer =
  (bytes: number, min: bigint, max: bigint): Write =>
  (value) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value)) return null;
    const exact = BigInt(value);
    if (exact < min || exact > max) return null;
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt.asIntN(64, exact));
    return buffer.subarray(0, bytes);
  };

const signed = (bits: number): Write =>
  integer(bits / 8, -(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n);
const unsigned = (bits: number): Write => integer(bits / 8, 0n, 2n ** BigInt(bits) - 1n);

const float =
  (bytes: 4 | 8): Write =>
  (value) => {
    const number = value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value;
    if (typeof number !== "number") return null;
    const buffer = Buffer.alloc(bytes);
    if (bytes === 4) buffer.writeFloatLE(number);
    else buffer.writeDoubleLE(number);
    return buffer;
  };

const writers: Readonly<Record<string, Write>> = {
  BOOL: (value) => (typeof value === "boolean" ? Buffer.from([value ? 1 : 0]) : null),
  INT8: signed(8),
  INT16: signed(16),
  INT32: signed(32),
  INT64: signed(64),
  UINT8: unsigned(8),
  UINT16: unsigned(16),
  UINT32: unsigned(32),
  UINT64: unsigned(64),
  FP32: float(4),
  FP64: float(8),
  BYTES: (value) => {
    if (typeof value !== "string") return null;
    const text = Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    return Buffer.concat([length, text]);
  },
};

/**
 * The binary form of JSON tensor data, nesting ignored; null where the data is not sound for type and shape (then the
 * case is about how JSON is read). Integers that JavaScript does not hold exactly are not sound either.
 */
export const packTensor = (
  datatype: string,
  data: readonly Json[],
  shape: readonly number[],
): Buffer | null => {
  const write = writers[datatype];
  if (write === undefined) return null;
  const values: Json[] = data.flat(Infinity as 1);
  if (values.length !== shape.reduce((product, dim) => product * dim, 1)) return null;
  const parts = values.map(write);
  return parts.some((part) => part === null) ? null : Buffer.concat(parts.filter((part) => part !== null));
};
