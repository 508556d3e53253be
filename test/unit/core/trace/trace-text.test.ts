import { expect, test } from "vitest";
import type { DataType } from "../../../../emulator/core/tensor/data-type.ts";
import { requestText, tensorText, timestampText } from "../../../../emulator/core/trace/trace-text.ts";

/** The `data` of a tensor of one row, as bytes. */
const dataOf = (datatype: DataType, data: ArrayBufferView): string => {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const text = tensorText(3, "TENSOR_QUEUE_INPUT", { name: "IN", datatype, shape: [1, 2], data: bytes });
  const [before, after] = [
    '{"id":3,"activity":"TENSOR_QUEUE_INPUT","tensor":{"name":"IN","data":"',
    `","shape":"1,2","dtype":"${datatype}"}}`,
  ];
  expect(text.startsWith(before)).toBe(true);
  expect(text.endsWith(after)).toBe(true);
  return text.slice(before.length, -after.length);
};

test.each<[DataType, ArrayBufferView, string]>([
  ["BOOL", new Uint8Array([1, 0, 2]), "1,0,1"],
  ["UINT8", new Uint8Array([65, 66, 200, 92]), "A,B,\xc8,\\"],
  ["INT8", new Int8Array([65, -1]), "A,\xff"],
  ["UINT16", new Uint16Array([1, 65535]), "1,65535"],
  ["INT16", new Int16Array([-1, 7]), "-1,7"],
  ["UINT32", new Uint32Array([4294967295]), "4294967295"],
  ["INT32", new Int32Array([-2147483648, 0]), "-2147483648,0"],
  ["UINT64", new BigUint64Array([18446744073709551615n]), "18446744073709551615"],
  ["INT64", new BigInt64Array([-1n, 9007199254740993n]), "-1,9007199254740993"],
  ["FP16", new Uint16Array([0, 15360]), ""],
  ["BF16", new Uint16Array([0, 15360]), ""],
  [
    "FP32",
    new Float32Array([1.5, 0.1, 1e10, 1e-5, 123456.7, 1234567, 0.00001234, 3, -0]),
    "1.5,0.1,1e+10,1e-05,123457,1.23457e+06,1.234e-05,3,-0",
  ],
  ["FP32", new Uint32Array([0x7fc00000, 0xffc00000, 0x7f800000, 0xff800000]), "nan,-nan,inf,-inf"],
  [
    "FP64",
    new Float64Array([1e300, 0.1 + 0.2, 100000, 1000000, 1e-4, -5e-324]),
    "1e+300,0.3,100000,1e+06,0.0001,-4.94066e-324",
  ],
  ["FP64", new Float64Array([1000000.5, 1000001.5, 999999.5, 0.5]), "1e+06,1e+06,1e+06,0.5"],
  ["FP64", new Float64Array([100000.5, 100001.5]), "100000,100002"],
])("tensor: %s elements as the real server prints them, %#", (datatype, data, expected) => {
  expect(dataOf(datatype, data)).toBe(expected);
});

test("tensor: BYTES elements stand in quotes, and nothing in them is escaped", () => {
  const elements = ['é"x\\', ""].map((text) => Buffer.from(text));
  const parts = elements.flatMap((element) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(element.length);
    return [length, element];
  });
  expect(dataOf("BYTES", Buffer.concat(parts))).toBe('\\"\xc3\xa9"x\\\\",\\"\\"');
});

test("tensor: without elements its data is empty", () => {
  expect(dataOf("FP32", new Float32Array())).toBe("");
  expect(dataOf("BYTES", new Uint8Array())).toBe("");
});

test("timestamp: microseconds become whole nanoseconds", () => {
  expect(timestampText(1, "REQUEST_START", 12.3456)).toBe(
    '{"id":1,"timestamps":[{"name":"REQUEST_START","ns":12346}]}',
  );
});

test("request: an empty id is left out, names are bytes", () => {
  expect(requestText(2, "m", "1", "")).toBe('{"id":2,"model_name":"m","model_version":1}');
  expect(requestText(2, "m", "1", "é")).toBe(
    '{"id":2,"model_name":"m","model_version":1,"request_id":"\xc3\xa9"}',
  );
});
