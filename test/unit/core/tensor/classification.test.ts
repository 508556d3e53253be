import { describe, expect, test } from "vitest";
import { classify } from "../../../../emulator/core/tensor/classification.ts";
import type { DataType } from "../../../../emulator/core/tensor/data-type.ts";

const output = (datatype: DataType, array: ArrayBufferView, shape: readonly number[]) => ({
  name: "OUT",
  datatype,
  shape,
  data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
});

const strings = (data: Uint8Array): string[] => {
  const bytes = Buffer.from(data);
  const found: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    found.push(bytes.subarray(at + 4, at + 4 + length).toString());
    at += 4 + length;
  }
  return found;
};

const classes = (...[tensor, count, labels, batched]: Parameters<typeof classify>): string[] => {
  const result = classify(tensor, count, labels, batched);
  if (!result.ok) throw result.error;
  return strings(result.value.data);
};

test("classification: largest first, equal ones by index, with labels that are not empty", () => {
  const tensor = output("FP32", Float32Array.of(0.5, 3, 3, -1), [4]);
  expect(classes(tensor, 3, ["a", "", "c"], false)).toEqual(["3.000000:1", "3.000000:2:c", "0.500000:0:a"]);
});

test("classification: each row of a batch, and no more classes than there are", () => {
  const result = classify(output("UINT8", Uint8Array.of(1, 2, 4, 3), [2, 2, 1]), 5, null, true);
  expect(result.ok && result.value).toMatchObject({ name: "OUT", datatype: "BYTES", shape: [2, 2] });
  expect(result.ok && strings(result.value.data)).toEqual(["2:1", "1:0", "4:0", "3:1"]);
});

test("classification: no class, or an empty batch, is an empty tensor", () => {
  const none = classify(output("INT8", Int8Array.of(1), [1, 1]), 0, null, true);
  expect(none.ok && none.value).toMatchObject({ shape: [1, 0], data: Buffer.alloc(0) });
  const empty = classify(output("INT8", new Int8Array(0), [0, 4]), 2, null, true);
  expect(empty.ok && empty.value).toMatchObject({ shape: [0, 0], data: Buffer.alloc(0) });
});

describe("classification: values are printed as C does", () => {
  test.each<[DataType, ArrayBufferView, string]>([
    ["INT64", BigInt64Array.of(-9223372036854775808n), "-9223372036854775808:0"],
    ["UINT64", BigUint64Array.of(18446744073709551615n), "18446744073709551615:0"],
    ["INT16", Int16Array.of(-3), "-3:0"],
    ["UINT32", Uint32Array.of(4294967295), "4294967295:0"],
    ["FP64", Float64Array.of(0.1), "0.100000:0"],
    ["FP64", Float64Array.of(-0), "-0.000000:0"],
    ["FP64", Float64Array.of(0.0078125), "0.007812:0"],
    ["FP64", Float64Array.of(0.0234375), "0.023438:0"],
    ["FP64", Float64Array.of(-1e22), "-10000000000000000000000.000000:0"],
    ["FP32", Float32Array.of(3.4028234663852886e38), "340282346638528859811704183484516925440.000000:0"],
    ["FP32", Float32Array.of(Number.NEGATIVE_INFINITY), "-inf:0"],
    ["FP32", Float32Array.of(Number.NaN), "nan:0"],
  ])("%s %s", (datatype, array, expected) => {
    expect(classes(output(datatype, array, [1]), 1, null, false)).toEqual([expected]);
  });
});

test.each<DataType>(["BOOL", "FP16", "BF16", "BYTES"])("classification: %s has no classes", (datatype) => {
  const result = classify(output(datatype, Uint8Array.of(1, 2), [1]), 1, null, false);
  expect(result.ok ? "" : `${result.error.code} ${result.error.message}`).toBe(
    `INVALID_ARG class result not available for output due to unsupported type '${datatype}'`,
  );
});
