import { describe, expect, test } from "vitest";
import { bytesOfClasses, classify } from "../../../../emulator/core/tensor/classification.ts";
import type { DataType } from "../../../../emulator/core/tensor/data-type.ts";

const run = (
  datatype: DataType,
  array: ArrayBufferView,
  shape: readonly number[],
  count: number,
  labels: readonly string[] | null = null,
  batched = false,
) =>
  classify(
    datatype,
    shape,
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
    batched,
    count,
    labels,
  );

const classes = (...args: Parameters<typeof run>): readonly string[] => {
  const result = run(...args);
  if (!result.ok) throw result.error;
  return result.value.classes;
};

test("classification: largest first, equal ones by index, with labels that are not empty", () => {
  const values = Float32Array.of(0.5, 3, 3, -1);
  expect(classes("FP32", values, [4], 3, ["a", "", "c"])).toEqual([
    "3.000000:1",
    "3.000000:2:c",
    "0.500000:0:a",
  ]);
});

test("classification: each row of a batch, and no more classes than there are", () => {
  const result = run("UINT8", Uint8Array.of(1, 2, 4, 3), [2, 2, 1], 5, null, true);
  expect(result.ok && result.value).toEqual({ shape: [2, 2], classes: ["2:1", "1:0", "4:0", "3:1"] });
});

test("classification: no class asked for is an empty list", () => {
  const result = run("INT8", Int8Array.of(1), [1, 1], 0, null, true);
  expect(result.ok && result.value).toEqual({ shape: [1, 0], classes: [] });
});

test("classification: the elements are those of a BYTES tensor", () => {
  expect([...bytesOfClasses(["5:1", ""])]).toEqual([3, 0, 0, 0, 0x35, 0x3a, 0x31, 0, 0, 0, 0]);
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
    expect(classes(datatype, array, [1], 1)).toEqual([expected]);
  });
});

test.each<DataType>(["BOOL", "FP16", "BF16", "BYTES"])("classification: %s has no classes", (datatype) => {
  const result = run(datatype, Uint8Array.of(1, 2), [1], 1);
  expect(result.ok ? "" : `${result.error.code} ${result.error.message}`).toBe(
    `INVALID_ARG class result not available for output due to unsupported type '${datatype}'`,
  );
});
