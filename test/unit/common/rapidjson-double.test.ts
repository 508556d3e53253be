import { expect, test } from "vitest";
import {
  formatDouble,
  maxDoubleByteSize,
  scaleByPowerOfTen,
  writeDouble,
  writeUint32,
} from "../../../emulator/common/rapidjson-double.ts";

/** What 2.51.0 answered for each value. */
const written: readonly (readonly [value: number, text: string])[] = [
  [0, "0.0"],
  [-0, "-0.0"],
  [1, "1.0"],
  [-2.5, "-2.5"],
  [100, "100.0"],
  [999_999_999, "999999999.0"],
  [1_000_000_000, "1000000000.0"],
  [2 ** 32, "4294967296.0"],
  [16_777_216, "16777216.0"],
  [1e20, "100000000000000000000.0"],
  [1e21, "1e21"],
  [0.1, "0.1"],
  [123456.789, "123456.789"],
  [0.000001, "0.000001"],
  [1e-7, "1e-7"],
  [1.234e-7, "1.234e-7"],
  [Math.fround(0.1), "0.10000000149011612"],
  [Math.fround(1e30), "1.0000000150474662e30"],
  [Math.fround(1e-7), "1.0000000116860974e-7"],
  [5e-324, "5e-324"],
  [2.225073858507201e-308, "2.225073858507201e-308"],
  [2.2250738585072014e-308, "2.2250738585072014e-308"],
  [Number.NaN, "NaN"],
  [Number.POSITIVE_INFINITY, "Infinity"],
  [Number.NEGATIVE_INFINITY, "-Infinity"],
  // The last digit is not the nearest one.
  [Math.fround(0.3), "0.30000001192092898"],
  [Math.fround(3.4028235e38), "3.4028234663852887e38"],
  [0.35883331298828125, "0.35883331298828127"],
  [2 ** 64, "18446744073709553000.0"],
];

for (const [value, text] of written) {
  test(`formatDouble: prints ${value} as ${text}`, () => {
    expect(formatDouble(value)).toBe(text);
  });
}

test("formatDouble: prints a text that reads back as the value, for every exponent and for subnormals", () => {
  for (let exponent = -1074; exponent < 1024; exponent++) {
    for (const significand of [1, 1 + 2 ** -52, 1.2345678901234567, 2 - 2 ** -52]) {
      const value = significand * 2 ** exponent;
      if (!Number.isFinite(value)) continue;
      expect(Number(formatDouble(value))).toBe(value);
      expect(formatDouble(-value)).toBe(`-${formatDouble(value)}`);
    }
  }
});

test("formatDouble: agrees with the shortest text where that has at most 15 digits", () => {
  for (let i = 1; i < 3000; i++) {
    const value = (i * 7919) / 1000;
    expect(formatDouble(value)).toBe(Number.isInteger(value) ? `${value}.0` : String(value));
  }
});

test("writeDouble: starts where it is told and gives the end", () => {
  const out = new Uint8Array(3 + maxDoubleByteSize);
  const end = writeDouble(out, 3, -1.5e-300);
  expect(Buffer.from(out.subarray(0, end)).toString("latin1")).toBe("\0\0\0-1.5e-300");
});

test("writeUint32: prints every length of integer", () => {
  const out = new Uint8Array(10);
  for (const value of [0, 9, 10, 99, 100, 12_345, 999_999, 1_000_000, 2 ** 31, 2 ** 32 - 1]) {
    const end = writeUint32(out, 0, value);
    expect(Buffer.from(out.subarray(0, end)).toString("latin1")).toBe(String(value));
  }
});

test("scaleByPowerOfTen: rounds once per step, in two steps below 1e-308, and to 0 below 1e-616", () => {
  expect(scaleByPowerOfTen(15, -1)).toBe(1.5);
  expect(scaleByPowerOfTen(12345678912345678, -8)).toBe(123456789.12345678);
  expect(scaleByPowerOfTen(49, -325)).toBe(4.9e-324);
  expect(scaleByPowerOfTen(5, -700)).toBe(0);
  expect(scaleByPowerOfTen(99, 308)).toBe(Number.POSITIVE_INFINITY);
});
