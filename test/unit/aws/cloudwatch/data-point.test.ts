import { expect, test } from "vitest";
import { DataPoint } from "../../../../emulator/aws/cloudwatch/data-point.ts";
import { Random } from "../../../../emulator/common/random.ts";

const pointOf = (values: readonly number[]): DataPoint => {
  const point = new DataPoint();
  for (const value of values) point.add(value);
  return point;
};

const shuffled = (values: readonly number[], seed: number): number[] => {
  const random = new Random(seed);
  return values
    .map((value) => [random.nextUint32(), value] as const)
    .sort(([a], [b]) => a - b)
    .map(([, value]) => value);
};

const all = (point: DataPoint) => ({
  count: point.count,
  sum: point.sum,
  minimum: point.minimum,
  maximum: point.maximum,
  percentiles: [0, 10, 50, 90, 99.9, 100].map((percent) => point.percentile(percent)),
});

test("a data point: count, sum, extremes and percentiles of what was added", () => {
  const point = pointOf([5, 1, 4, 2, 3]);
  point.add(10, 5);
  expect(all(point)).toEqual({
    count: 10,
    sum: 65,
    minimum: 1,
    maximum: 10,
    percentiles: [1, 1, 5, 10, 10, 10],
  });
});

test("a data point: tenths add up to whole numbers", () => {
  expect(pointOf(Array.from({ length: 10 }, () => 0.1)).sum).toBe(1);
  expect(pointOf(Array.from({ length: 9 }, () => 1 / 3)).sum).toBeCloseTo(3, 15);
});

test("a data point: neither the order of values nor how they were put together shows", () => {
  const random = new Random(7);
  for (let round = 0; round < 50; round++) {
    const values = Array.from(
      { length: 1 + (random.nextUint32() % 400) },
      () => (random.nextUint32() - 2 ** 31) / 1000,
    );
    const expected = all(pointOf(values));
    const other = shuffled(values, round);
    expect(all(pointOf(other))).toEqual(expected);
    const middle = random.nextUint32() % values.length;
    const merged = pointOf(other.slice(middle));
    merged.merge(pointOf(other.slice(0, middle)));
    expect(all(merged)).toEqual(expected);
  }
});

test("a data point of many different values: percentiles within 1 %, memory does not grow", () => {
  const point = pointOf(Array.from({ length: 100_000 }, (_, index) => index + 1));
  for (const percent of [1, 50, 99]) {
    const exact = percent * 1000;
    expect(Math.abs((point.percentile(percent) ?? 0) - exact) / exact).toBeLessThan(0.01);
  }
  expect(point.size).toBeLessThan(3000);
});

test("a data point of a statistic set: no percentiles, unless all its values are one", () => {
  const point = new DataPoint();
  point.addStatistics(3, 6, 2, 2);
  expect([point.percentile(50), point.sum, point.count]).toEqual([2, 6, 3]);
  point.addStatistics(2, 10, 4, 6);
  expect([point.percentile(50), point.sum, point.count, point.maximum]).toEqual([null, 16, 5, 6]);
});
