import type { ConfigDataType } from "../../core/model-config/model-config.ts";
import { configTypeOf, type DataType } from "../../core/tensor/data-type.ts";

/** One row of spec/triton-core.md 2.10: an ONNX element type and what it is called everywhere else. */
interface ElementType {
  /** Number in TensorProto.DataType. */
  readonly onnx: number;
  /** As the checks of sequence controls print it. */
  readonly onnxName: string;
  readonly dataType: DataType;
  /** Type name of onnxruntime-node's Tensor. */
  readonly ort: OrtTypeName;
}

export type OrtTypeName =
  | "float32"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "int32"
  | "int64"
  | "string"
  | "bool"
  | "float16"
  | "float64"
  | "uint32"
  | "uint64";

/** Release 24.10 serves these and no others: BF16, float8, int4 and complex numbers have no config type there. */
const elementTypes: readonly ElementType[] = [
  { onnx: 1, onnxName: "FLOAT", dataType: "FP32", ort: "float32" },
  { onnx: 2, onnxName: "UINT8", dataType: "UINT8", ort: "uint8" },
  { onnx: 3, onnxName: "INT8", dataType: "INT8", ort: "int8" },
  { onnx: 4, onnxName: "UINT16", dataType: "UINT16", ort: "uint16" },
  { onnx: 5, onnxName: "INT16", dataType: "INT16", ort: "int16" },
  { onnx: 6, onnxName: "INT32", dataType: "INT32", ort: "int32" },
  { onnx: 7, onnxName: "INT64", dataType: "INT64", ort: "int64" },
  { onnx: 8, onnxName: "STRING", dataType: "BYTES", ort: "string" },
  { onnx: 9, onnxName: "BOOL", dataType: "BOOL", ort: "bool" },
  { onnx: 10, onnxName: "FLOAT16", dataType: "FP16", ort: "float16" },
  { onnx: 11, onnxName: "DOUBLE", dataType: "FP64", ort: "float64" },
  { onnx: 12, onnxName: "UINT32", dataType: "UINT32", ort: "uint32" },
  { onnx: 13, onnxName: "UINT64", dataType: "UINT64", ort: "uint64" },
];

const byOnnx = new Map(elementTypes.map((row) => [row.onnx, row]));
const byConfig = new Map<string, ElementType>(elementTypes.map((row) => [configTypeOf(row.dataType), row]));
const byOrt = new Map<string, ElementType>(elementTypes.map((row) => [row.ort, row]));

/** `TYPE_INVALID` where release 24.10 has no config type. */
export const configTypeOfOnnx = (onnx: number): ConfigDataType => {
  const row = byOnnx.get(onnx);
  return row === undefined ? "TYPE_INVALID" : configTypes[row.dataType];
};

/** `FLOAT`, `INT32` and so on; `UNDEFINED` for types the backend does not serve. */
export const onnxTypeName = (onnx: number): string => byOnnx.get(onnx)?.onnxName ?? "UNDEFINED";

/** The ONNX number of a config type; undefined for `TYPE_BF16` and `TYPE_INVALID`. */
export const onnxTypeOfConfig = (configType: string): number | undefined => byConfig.get(configType)?.onnx;

export const dataTypeOfOrt = (ort: string): DataType | undefined => byOrt.get(ort)?.dataType;

export const onnxTypeOfOrt = (ort: string): number | undefined => byOrt.get(ort)?.onnx;

export const dataTypeOfOnnx = (onnx: number): DataType | undefined => byOnnx.get(onnx)?.dataType;

const configTypes: Record<DataType, ConfigDataType> = {
  BOOL: "TYPE_BOOL",
  UINT8: "TYPE_UINT8",
  UINT16: "TYPE_UINT16",
  UINT32: "TYPE_UINT32",
  UINT64: "TYPE_UINT64",
  INT8: "TYPE_INT8",
  INT16: "TYPE_INT16",
  INT32: "TYPE_INT32",
  INT64: "TYPE_INT64",
  FP16: "TYPE_FP16",
  BF16: "TYPE_BF16",
  FP32: "TYPE_FP32",
  FP64: "TYPE_FP64",
  BYTES: "TYPE_STRING",
};
