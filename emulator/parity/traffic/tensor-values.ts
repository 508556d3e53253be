import { type JsonText, string, token } from "../exchange/json-text.ts";
import type { Chance } from "./chance.ts";

/** One tensor of a request, its elements as they would be written in JSON. */
export interface TensorValues {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly elements: readonly JsonText[];
}

type MakeElement = (chance: Chance) => JsonText;

const integers = (bits: number, signed: boolean): MakeElement => {
  const min = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const max = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  return (chance) => {
    if (chance.oneIn(12)) return token(chance.pick([min, max, min + 1n, max - 1n, 0n]));
    if (chance.oneIn(6)) {
      const wide = (BigInt(chance.below(2 ** 31)) << 33n) | BigInt(chance.below(2 ** 32));
      return token(signed ? BigInt.asIntN(bits, wide) : BigInt.asUintN(bits, wide));
    }
    return token(chance.below(100));
  };
};

const floats =
  (edges: readonly string[]): MakeElement =>
  (chance) => {
    if (chance.oneIn(8)) return token(chance.pick(edges));
    const sign = chance.oneIn(2) ? "-" : "";
    switch (chance.below(4)) {
      case 0:
        return token(`${sign}${chance.below(1000)}`);
      case 1:
        return token(`${sign}${chance.below(100)}.${chance.below(1_000_000)}`);
      case 2:
        return token(
          `${sign}${chance.below(10)}.${chance.below(2 ** 32)}${chance.below(2 ** 24)}e${chance.between(-30, 30)}`,
        );
      default:
        return token(`${sign}0.${"0".repeat(chance.below(8))}${1 + chance.below(2 ** 31)}`);
    }
  };

const commonEdges = [
  "0.0",
  "-0.0",
  "0",
  "-0",
  "1e-7",
  "0.000001",
  "1e21",
  "100000000000000000000.0",
  "16777217",
  "0.3",
];

const words = [
  "",
  "a",
  "17",
  "-3",
  "ä",
  "日本",
  "🙂",
  'q"q',
  "b\\s",
  "\n\t",
  "\u0001",
  "x y",
  "/",
  "\u007f",
  "0".repeat(40),
];

const makers: Readonly<Record<string, MakeElement>> = {
  BOOL: (chance) => token(chance.oneIn(2)),
  INT8: integers(8, true),
  INT16: integers(16, true),
  INT32: integers(32, true),
  INT64: integers(64, true),
  UINT8: integers(8, false),
  UINT16: integers(16, false),
  UINT32: integers(32, false),
  UINT64: integers(64, false),
  FP16: floats(["0.0", "1.0", "65504"]),
  BF16: floats(["0.0", "1.0"]),
  FP32: floats([
    ...commonEdges,
    "3.4028235e38",
    "1e39",
    "1e-45",
    "1e-46",
    "NaN",
    "Infinity",
    "-Infinity",
    "Inf",
  ]),
  FP64: floats([
    ...commonEdges,
    "1.7976931348623157e308",
    "5e-324",
    "123456789.123456789",
    "2e-308",
    "NaN",
    "-Infinity",
  ]),
  BYTES: (chance) => string(chance.pick(words)),
};

export const datatypes = Object.keys(makers);

/** @param numeric strings are decimal numbers, which some models ask for */
export const randomElements = (
  chance: Chance,
  datatype: string,
  count: number,
  numeric: boolean,
): JsonText[] => {
  const make = makers[datatype] ?? makers.INT32;
  if (datatype === "BYTES" && numeric)
    return chance.times(count, () => string(String(chance.below(1000) - 500)));
  return chance.times(count, () => make!(chance));
};

type Write = (text: string) => Buffer;

const integerBytes =
  (bytes: number): Write =>
  (text) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(BigInt.asIntN(64, /^-?\d+$/.test(text) ? BigInt(text) : 0n));
    return buffer.subarray(0, bytes);
  };

const numberOf = (text: string): number => (text.endsWith("Inf") ? Number(`${text}inity`) : Number(text));

const fp32 = (text: string): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(numberOf(text));
  return buffer;
};

const fp64 = (text: string): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleLE(numberOf(text));
  return buffer;
};

/** Sign, exponent and the first bits of the fraction, rounded towards zero; enough to make sound values. */
const fp16 = (text: string): Buffer => {
  const bits = fp32(text).readUInt32LE();
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const buffer = Buffer.alloc(2);
  const body = exponent <= 0 ? 0 : exponent > 30 ? 0x7c00 : (exponent << 10) | ((bits >>> 13) & 0x3ff);
  buffer.writeUInt16LE(((bits >>> 16) & 0x8000) | body);
  return buffer;
};

const writers: Readonly<Record<string, Write>> = {
  BOOL: (text) => Buffer.from([text === "true" ? 1 : 0]),
  INT8: integerBytes(1),
  UINT8: integerBytes(1),
  INT16: integerBytes(2),
  UINT16: integerBytes(2),
  INT32: integerBytes(4),
  UINT32: integerBytes(4),
  INT64: integerBytes(8),
  UINT64: integerBytes(8),
  FP16: fp16,
  BF16: (text) => fp32(text).subarray(2),
  FP32: fp32,
  FP64: fp64,
};

/** The tensor's bytes as they follow the JSON part, or fill raw_input_contents. */
export const packedElements = ({ datatype, elements }: TensorValues): Buffer => {
  const write = writers[datatype];
  return Buffer.concat(
    elements.map((element) => {
      const text = element.kind === "string" ? element.value : element.kind === "token" ? element.text : "";
      if (write !== undefined) return write(text);
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return Buffer.concat([length, bytes]);
    }),
  );
};
