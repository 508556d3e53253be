import type { NodeCase, NodeTensor } from "./cases.ts";

/** What came back for one output. */
export interface ReceivedTensor {
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Null when both are the same within the tolerance of the case, else what differs. */
export function difference(
  received: ReceivedTensor | undefined,
  expected: NodeTensor,
  tolerance: Pick<NodeCase, "rtol" | "atol">,
): string | null {
  if (received === undefined) return `output ${expected.name} is missing`;
  if (received.datatype !== expected.datatype) return `${received.datatype} instead of ${expected.datatype}`;
  if (received.shape.join() !== expected.shape.join()) {
    return `shape [${received.shape}] instead of [${expected.shape}]`;
  }
  if (received.data.length !== expected.data.length) {
    return `${received.data.length} bytes instead of ${expected.data.length}`;
  }
  if (Buffer.compare(received.data, expected.data) === 0) return null;
  const floats = floatsOf(expected.datatype);
  if (floats === null) return "other values";
  const actual = floats(received.data);
  const wanted = floats(expected.data);
  for (let i = 0; i < wanted.length; i++) {
    if (!isClose(actual[i]!, wanted[i]!, tolerance))
      return `${actual[i]} instead of ${wanted[i]} at element ${i}`;
  }
  return null;
}

/** numpy's rule: equal infinities and any two NaN are close. */
function isClose(actual: number, wanted: number, { rtol, atol }: Pick<NodeCase, "rtol" | "atol">): boolean {
  if (actual === wanted || (Number.isNaN(actual) && Number.isNaN(wanted))) return true;
  return Number.isFinite(wanted) && Math.abs(actual - wanted) <= atol + rtol * Math.abs(wanted);
}

function floatsOf(datatype: string): ((bytes: Uint8Array) => ArrayLike<number>) | null {
  const aligned = (bytes: Uint8Array) => new Uint8Array(bytes).buffer;
  if (datatype === "FP64") return (bytes) => new Float64Array(aligned(bytes));
  if (datatype === "FP32") return (bytes) => new Float32Array(aligned(bytes));
  if (datatype === "FP16") return (bytes) => Array.from(new Uint16Array(aligned(bytes)), halfToNumber);
  return null;
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
