import { describe, expect, test } from "vitest";
import { drawDuration, parseDuration } from "../../../../emulator/backends/synthetic/duration.ts";
import { Random } from "../../../../emulator/common/random.ts";

const draws = (text: string, count = 20_000): number[] => {
  const duration = parseDuration(text);
  if (duration === null) throw new Error(`not a duration: ${text}`);
  const random = new Random(11);
  return Array.from({ length: count }, () => drawDuration(duration, random));
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const deviation = (values: readonly number[]): number => {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
};

test("durations: a number is the same each time", () => {
  expect(new Set(draws("1500.5", 10))).toEqual(new Set([1500.5]));
});

test("durations: uniform stays within its bounds and has their mean", () => {
  const values = draws("uniform(100, 300)");
  expect(Math.min(...values)).toBeGreaterThanOrEqual(100);
  expect(Math.max(...values)).toBeLessThanOrEqual(300);
  expect(mean(values)).toBeCloseTo(200, -1);
  expect(deviation(values)).toBeCloseTo(200 / Math.sqrt(12), -0.5);
});

test("durations: normal has its mean and deviation, and nothing below 0", () => {
  const values = draws("normal(1000,50)");
  expect(Math.abs(mean(values) - 1000)).toBeLessThan(2);
  expect(Math.abs(deviation(values) - 50)).toBeLessThan(1.5);
  expect(Math.min(...draws("normal(10,100)"))).toBe(0);
});

test("durations: lognormal has its median, and its logarithm its deviation", () => {
  const values = draws("lognormal(1000,0.5)").sort((a, b) => a - b);
  expect(Math.abs(values[10_000]! / 1000 - 1)).toBeLessThan(0.03);
  expect(Math.abs(deviation(values.map(Math.log)) - 0.5)).toBeLessThan(0.02);
});

test("durations: exponential has its mean, which is its deviation too", () => {
  const values = draws("exponential(700)");
  expect(Math.abs(mean(values) / 700 - 1)).toBeLessThan(0.03);
  expect(Math.abs(deviation(values) / 700 - 1)).toBeLessThan(0.03);
});

test("durations: none is longer than a day", () => {
  expect(Math.max(...draws("lognormal(86400000000,10)", 100))).toBe(86_400_000_000);
});

describe("durations: what is none", () => {
  test.each([
    "",
    "-1",
    "1e3",
    "1 s",
    "86400000001",
    "uniform(1)",
    "uniform(3,1)",
    "uniform(1,2,3)",
    "uniform(1,x)",
    "normal()",
    "normal(1,-1)",
    "lognormal(1,11)",
    "exponential(1,2)",
    "gamma(1,2)",
    "normal(1,2",
    "normal 1,2",
  ])("%j", (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});
