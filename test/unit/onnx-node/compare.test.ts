import { expect, test } from "vitest";
import type { NodeTensor } from "../../onnx-node/cases.ts";
import { difference } from "../../onnx-node/compare.ts";

const tolerance = { rtol: 1e-3, atol: 1e-7 };

function floats(values: readonly number[], datatype = "FP32"): NodeTensor {
  const data = Buffer.from(Float32Array.from(values).buffer);
  return { name: "Y", kind: "tensor", datatype, shape: [values.length], data };
}

function halves(bits: readonly number[]): NodeTensor {
  const data = Buffer.from(Uint16Array.from(bits).buffer);
  return { name: "Y", kind: "tensor", datatype: "FP16", shape: [bits.length], data };
}

test("difference: allows the relative and the absolute tolerance, and no more", () => {
  expect(difference(floats([1000.9, 0]), floats([1000, 1e-8]), tolerance)).toBeNull();
  expect(difference(floats([1001.2]), floats([1000]), tolerance)).toMatch(/ instead of 1000 at element 0$/);
});

test("difference: takes two NaN as equal and infinities only of the same sign", () => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
  expect(difference(floats([nan, inf]), floats([nan, inf]), tolerance)).toBeNull();
  expect(difference(floats([-inf]), floats([inf]), tolerance)).not.toBeNull();
  expect(difference(floats([1]), floats([inf]), tolerance)).not.toBeNull();
  expect(difference(floats([inf]), floats([1]), tolerance)).not.toBeNull();
});

test("difference: reads half precision, subnormal numbers included", () => {
  expect(difference(halves([0x3c00, 0x0001]), halves([0x3c00, 0x0001]), tolerance)).toBeNull();
  expect(difference(halves([0x3c01]), halves([0x3c00]), tolerance)).toBeNull();
  expect(difference(halves([0x4000]), halves([0x3c00]), tolerance)).toBe("2 instead of 1 at element 0");
});

test("difference: names what is missing or of another type or shape", () => {
  expect(difference(undefined, floats([1]), tolerance)).toBe("output Y is missing");
  expect(difference(floats([1], "FP64"), floats([1]), tolerance)).toBe("FP64 instead of FP32");
  expect(difference(floats([1, 2]), floats([1]), tolerance)).toBe("shape [2] instead of [1]");
});
