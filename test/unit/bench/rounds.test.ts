import { expect, test } from "vitest";
import { interleave, quantile, ratiosOf } from "../../../bench/rounds.ts";

test("interleave: measures forwards and backwards in turn, so that drift hits all alike", async () => {
  const order: string[] = [];
  const results = await interleave(["a", "b", "c"], 3, async (subject) => order.push(subject));
  expect(order.join("")).toBe("abccbaabc");
  expect(results.get("a")).toEqual([1, 6, 7]);
});

test("ratiosOf: compares within each round, whatever the machine did between rounds", () => {
  expect(ratiosOf([10, 200, 33], [10, 100, 30])).toEqual({ median: 1.1, low: 1, high: 2 });
});

test("quantile: interpolates between the two nearest values", () => {
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3, 4], 1)).toBe(4);
  expect(quantile([7], 0.99)).toBe(7);
});
