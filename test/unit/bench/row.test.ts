import { describe, expect, test } from "vitest";
import { OURS, REAL, rowOf, verdictOf } from "../../../bench/row.ts";

const both = new Map([
  [REAL, [100, 120, 100]],
  [OURS, [90, 90, 110]],
]);

test("rowOf: gives medians by subject and the ratio of ours to the real server", () => {
  const row = rowOf("section", "what", "us", both);
  expect(row.values).toEqual({ [REAL]: 100, [OURS]: 90 });
  expect(row.ratio).toEqual({ median: 0.9, low: 0.75, high: 1.1, to: REAL });
});

test("rowOf: gives no ratio, when there was no real server or it used nothing", () => {
  expect(rowOf("section", "what", "us", new Map([[OURS, [1]]])).ratio).toBeNull();
  const atRest = new Map([
    [REAL, [0]],
    [OURS, [1]],
  ]);
  expect(rowOf("section", "what", "%", atRest).ratio).toBeNull();
});

describe("verdictOf", () => {
  test("verdictOf: compares the median ratio with the limit on either side", () => {
    const verdict = (target: Parameters<typeof rowOf>[4]) =>
      verdictOf(rowOf("section", "what", "us", both, target));
    expect(verdict({ of: "ratio", atMost: 0.9 })).toBe("met");
    expect(verdict({ of: "ratio", atMost: 0.8 })).toBe("missed");
    expect(verdict({ of: "ratio", atLeast: 0.95 })).toBe("missed");
    expect(verdict({ of: "ours", atMost: 90 })).toBe("met");
    expect(verdict(null)).toBe("");
  });

  test("verdictOf: says that nothing was checked, when there is no ratio", () => {
    const row = rowOf("section", "what", "us", new Map([[OURS, [1]]]), { of: "ratio", atMost: 1 });
    expect(verdictOf(row)).toBe("not checked");
  });
});
