import { expect, test } from "vitest";
import {
  countBound,
  isWithin,
  latency,
  parseTime,
  shareBound,
  sizeBound,
  timeBound,
} from "../../../emulator/scenario/quantities.ts";

test.each([
  ["0", 0],
  ["250us", 250],
  ["1.5 s", 1_500_000],
  ["2min", 120_000_000],
  ["5", null],
  ["-1s", null],
  ["1 fortnight", null],
])("time: %s is %s us", (text, us) => {
  expect(parseTime(text)).toBe(us);
});

test.each([
  [countBound, 3, [3], [2, 4]],
  [countBound, ">= 3", [3, 4], [2]],
  [countBound, "> 3", [4], [3]],
  [countBound, "< 3", [2], [3]],
  [countBound, "<= 3", [3], [4]],
  [countBound, "2..4", [2, 4], [1, 5]],
  [timeBound, "< 2s", [1_999_999], [2_000_000]],
  [timeBound, "1s..1500ms", [1_000_000, 1_500_000], [999_999, 1_500_001]],
  [sizeBound, "<= 1GiB", [2 ** 30], [2 ** 30 + 1]],
  [sizeBound, "5MB", [5_000_000], [5_000_001]],
  [shareBound, ">= 90%", [0.9], [0.89]],
  [shareBound, "< 0.1", [0.09], [0.1]],
] as const)("bound: %# %s holds what is in it", (schema, text, inside, outside) => {
  const bound = schema.parse(text);
  expect(inside.map((value) => isWithin(value, bound))).toEqual(inside.map(() => true));
  expect(outside.map((value) => isWithin(value, bound))).toEqual(outside.map(() => false));
});

test.each([["about 3"], ["4..2"], ["=> 3"], [null], [[3]], [""]])("bound: %j is refused", (value) => {
  expect(countBound.safeParse(value).success).toBe(false);
});

test("bound: a time needs its unit", () => {
  expect(timeBound.safeParse("< 2").error?.issues[0]?.message).toContain(
    '"< 2" is not what a number may be held against',
  );
});

test.each([
  ["40ms", "40000"],
  ["uniform(4ms, 5ms)", "uniform(4000,5000)"],
  ["lognormal(9ms, 0.2)", "lognormal(9000,0.2)"],
  ["exponential(1s)", "exponential(1000000)"],
])("latency: %s becomes %s", (text, parameter) => {
  expect(latency.parse(text)).toBe(parameter);
});

test.each([["40"], ["gamma(1s, 2)"], ["uniform(1s)"], ["lognormal(9ms, 2ms)"]])(
  "latency: %s is refused",
  (text) => {
    expect(latency.safeParse(text).success).toBe(false);
  },
);
