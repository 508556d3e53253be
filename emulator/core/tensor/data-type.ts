/** Data types as the v2 protocol spells them. BYTES elements carry a 4-byte little-endian length each. */
export type DataType =
  | "BOOL"
  | "UINT8"
  | "UINT16"
  | "UINT32"
  | "UINT64"
  | "INT8"
  | "INT16"
  | "INT32"
  | "INT64"
  | "FP16"
  | "BF16"
  | "FP32"
  | "FP64"
  | "BYTES";

/** Bytes per element; 0 for BYTES, whose elements differ in length. */
export const elementByteSize: Record<DataType, number> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
};

export const isDataType = (text: string): text is DataType => Object.hasOwn(elementByteSize, text);

/** The protocol's spelling of a config type (`TYPE_STRING` is BYTES); `<invalid>` for TYPE_INVALID, as the core prints it. */
export const dataTypeOfConfig = (configType: string): DataType | "<invalid>" => {
  if (configType === "TYPE_STRING") return "BYTES";
  const name = configType.slice("TYPE_".length);
  return isDataType(name) ? name : "<invalid>";
};

/** The config's spelling of a protocol type. */
export const configTypeOf = (type: DataType): string => (type === "BYTES" ? "TYPE_STRING" : `TYPE_${type}`);
