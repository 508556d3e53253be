import { expect, test } from "vitest";
import { Random } from "../../../emulator/common/random.ts";

const draw = (seed: number, count = 1000): number[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => random.nextUint32());
};

test("random: a seed reproduces every number, another one gives others", () => {
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test("random: numbers are 32-bit and spread over their range", () => {
  const numbers = draw(1, 10_000);
  expect(numbers.every((number) => Number.isInteger(number) && number >= 0 && number < 2 ** 32)).toBe(true);
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length / 2 ** 32;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
});
