import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One single-node test, as export.py writes it. */
export interface NodeCase {
  readonly name: string;
  /** Path of the ONNX file. */
  readonly model: string;
  readonly rtol: number;
  readonly atol: number;
  readonly sets: readonly { readonly inputs: readonly NodeValue[]; readonly outputs: readonly NodeValue[] }[];
}

export type NodeValue =
  | NodeTensor
  /** A sequence, an optional value, or a tensor of a type that KServe has no name for. */
  | { readonly name: string; readonly kind: string };

export interface NodeTensor {
  readonly name: string;
  readonly kind: "tensor";
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Elements in Triton's binary form. */
  readonly data: Buffer;
}

export interface NodeCases {
  /** Version of the Python package. */
  readonly onnx: string;
  readonly cases: readonly NodeCase[];
}

export function isTensor(value: NodeValue): value is NodeTensor {
  return value.kind === "tensor";
}

export function readCases(folder: string): NodeCases {
  const tensors = readFileSync(join(folder, "tensors.bin"));
  const withData = (_key: string, value: unknown): unknown => {
    if (typeof value !== "object" || value === null || !("offset" in value) || !("length" in value))
      return value;
    const { offset, length, ...rest } = value;
    return { ...rest, data: tensors.subarray(Number(offset), Number(offset) + Number(length)) };
  };
  return JSON.parse(readFileSync(join(folder, "cases.json"), "utf8"), withData);
}
