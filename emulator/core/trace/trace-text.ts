import type { DataType } from "../tensor/data-type.ts";

/**
 * The text of trace files, event by event, as release 24.10 writes it: one JSON object an event, without breaks, and
 * without any escaping of what stands in quotes. All texts here are byte strings: each character is one byte (`latin1`),
 * because bytes of tensors go into a file as they are.
 */

/** A tensor as a trace shows it: little-endian elements, BYTES elements each after their 4-byte length. */
export interface TracedTensor {
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** @param us clock time in microseconds; its fraction carries nanoseconds */
export const timestampText = (id: number, name: string, us: number): string =>
  `{"id":${id},"timestamps":[{"name":"${name}","ns":${Math.round(us * 1000)}}]}`;

/** @param requestId empty = left out @param parentId of a child: the trace of the request that it serves */
export const requestText = (
  id: number,
  modelName: string,
  version: string,
  requestId: string,
  parentId: number | null = null,
): string => {
  const request = requestId === "" ? "" : `,"request_id":"${bytesOf(requestId)}"`;
  const parent = parentId === null ? "" : `,"parent_id":${parentId}`;
  return `{"id":${id},"model_name":"${bytesOf(modelName)}","model_version":${version}${request}${parent}}`;
};

export const tensorText = (id: number, activity: string, tensor: TracedTensor): string => {
  const { name, datatype, shape } = tensor;
  return `{"id":${id},"activity":"${activity}","tensor":{"name":"${bytesOf(name)}","data":"${elementsText(tensor)}","shape":"${shape.join(",")}","dtype":"${datatype}"}}`;
};

const bytesOf = (text: string): string => Buffer.from(text).toString("latin1");

const elementsText = ({ datatype, data }: TracedTensor): string => {
  const texts: string[] = [];
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (datatype === "BYTES") {
    for (let at = 0; at + 4 <= data.length; ) {
      const end = at + 4 + view.getUint32(at, true);
      texts.push(`\\"${Buffer.from(data.subarray(at + 4, end)).toString("latin1")}\\"`);
      at = end;
    }
  } else {
    const { byteSize, read } = elementText[datatype];
    if (byteSize === 0) return "";
    for (let at = 0; at < data.length; at += byteSize) texts.push(read(view, at));
  }
  return texts.join(",");
};

interface ElementText {
  readonly byteSize: number;
  read(view: DataView, at: number): string;
}

/** Numbers of one byte are printed as the character they stand for, half-precision ones not at all (2.51.0). */
const oneByte: ElementText = { byteSize: 1, read: (view, at) => String.fromCharCode(view.getUint8(at)) };
const notPrinted: ElementText = { byteSize: 0, read: () => "" };

const elementText: Readonly<Record<Exclude<DataType, "BYTES">, ElementText>> = {
  BOOL: { byteSize: 1, read: (view, at) => (view.getUint8(at) === 0 ? "0" : "1") },
  UINT8: oneByte,
  UINT16: { byteSize: 2, read: (view, at) => String(view.getUint16(at, true)) },
  UINT32: { byteSize: 4, read: (view, at) => String(view.getUint32(at, true)) },
  UINT64: { byteSize: 8, read: (view, at) => String(view.getBigUint64(at, true)) },
  INT8: oneByte,
  INT16: { byteSize: 2, read: (view, at) => String(view.getInt16(at, true)) },
  INT32: { byteSize: 4, read: (view, at) => String(view.getInt32(at, true)) },
  INT64: { byteSize: 8, read: (view, at) => String(view.getBigInt64(at, true)) },
  FP16: notPrinted,
  BF16: notPrinted,
  FP32: {
    byteSize: 4,
    read: (view, at) => floatText(view.getFloat32(at, true), view.getUint8(at + 3) >= 0x80),
  },
  FP64: {
    byteSize: 8,
    read: (view, at) => floatText(view.getFloat64(at, true), view.getUint8(at + 7) >= 0x80),
  },
};

/** As C's `%g`: six significant digits, no trailing zeros. @param negative the sign bit, which NaN and zero have too */
const floatText = (value: number, negative: boolean): string => {
  const sign = negative ? "-" : "";
  if (Number.isNaN(value)) return `${sign}nan`;
  const magnitude = Math.abs(value);
  if (magnitude === Number.POSITIVE_INFINITY) return `${sign}inf`;
  const [mantissa, exponentText] = sixDigits(magnitude).split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const digits = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${withoutZeros(mantissa!)}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  return sign + withoutZeros(Number(`${mantissa}e${exponent}`).toFixed(5 - exponent));
};

/** `d.ddddde±x`. Halfway between two texts C takes the even one, JavaScript the greater. */
const sixDigits = (magnitude: number): string => {
  const rounded = magnitude.toExponential(5);
  const exact = magnitude.toExponential(40);
  const cut = exact.slice(0, 7);
  return /^.{7}50+e/.test(exact) && Number(cut.at(-1)) % 2 === 0
    ? cut + exact.slice(exact.indexOf("e"))
    : rounded;
};

const withoutZeros = (text: string): string =>
  text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
