import { describe, expect, test } from "vitest";
import {
  evaluate,
  MathError,
  namesIn,
  parseExpression,
  type Series,
} from "../../../../emulator/aws/cloudwatch/metric-math.ts";

const series = (label: string, values: readonly (number | null)[]): Series => ({
  label,
  periodS: 60,
  values: new Map(values.flatMap((value, index) => (value === null ? [] : [[index * 60, value] as const]))),
});

const known: Readonly<Record<string, Series>> = {
  m1: series("one", [1, 2, 3]),
  m2: series("two", [10, null, 30]),
  gaps: series("gaps", [1, null, null, 7]),
};

const scope = {
  startS: 0,
  originS: 0,
  endS: 240,
  value: (id: string) => {
    const found = known[id];
    if (found === undefined) throw new MathError(`Unknown identifier: ${id}`);
    return found;
  },
  metrics: () => new Map(Object.entries(known)),
};

const result = (text: string): unknown => {
  const value = evaluate(parseExpression(text), scope);
  if (typeof value === "number") return value;
  const plain = (one: Series) => Object.fromEntries([...one.values].map(([at, each]) => [at / 60, each]));
  return "periodS" in value ? plain(value) : value.map(plain);
};

describe("metric math", () => {
  test.each<[string, unknown]>([
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["2 ^ 3 - -1", 9],
    ["10 / 4", 2.5],
    ["1 < 2 AND 2 <= 1", 0],
    ["1 > 2 || 3 != 4", 1],
    ["m1 * 100", { 0: 100, 1: 200, 2: 300 }],
    ["100 - m1", { 0: 99, 1: 98, 2: 97 }],
    ["-m1", { 0: -1, 1: -2, 2: -3 }],
    ["m1 + m2", { 0: 11, 2: 33 }],
    ["m2 / m1", { 0: 10, 2: 10 }],
    ["m1 / (m1 - 2)", { 0: -1, 2: 3 }],
    ["m1 >= 2", { 0: 0, 1: 1, 2: 1 }],
    ["SUM(m1)", 6],
    ["m1 / SUM(m1) * 6", { 0: 1, 1: 2, 2: 3 }],
    ["AVG(m1)", 2],
    ["MIN(m2)", 10],
    ["max(m2)", 30],
    ["SUM([m1, m2])", { 0: 11, 1: 2, 2: 33 }],
    ["AVG([m1, m2])", { 0: 5.5, 1: 2, 2: 16.5 }],
    ["SUM(METRICS())", { 0: 12, 1: 2, 2: 33, 3: 7 }],
    ['MAX(METRICS("m"))', { 0: 10, 1: 2, 2: 30 }],
    ["METRIC_COUNT(METRICS())", 3],
    [
      "[m1, m2] * 2",
      [
        { 0: 2, 1: 4, 2: 6 },
        { 0: 20, 2: 60 },
      ],
    ],
    ["FILL(m2, 0)", { 0: 10, 1: 0, 2: 30, 3: 0 }],
    ["FILL(m2, m1)", { 0: 10, 1: 2, 2: 30 }],
    ["FILL(gaps, REPEAT)", { 0: 1, 1: 1, 2: 1, 3: 7 }],
    ["FILL(gaps, LINEAR)", { 0: 1, 1: 3, 2: 5, 3: 7 }],
    [
      "FILL([m1, m2], 5)",
      [
        { 0: 1, 1: 2, 2: 3, 3: 5 },
        { 0: 10, 1: 5, 2: 30, 3: 5 },
      ],
    ],
    ["IF(m1 > 1, m1, 0)", { 0: 0, 1: 2, 2: 3 }],
    ["IF(m1 > 1, m2)", { 2: 30 }],
    ["PERIOD(m1)", 60],
    ["DIFF(m1)", { 1: 1, 2: 1 }],
    ["RATE(m2)", { 2: 20 / 120 }],
    ["RUNNING_SUM(m1)", { 0: 1, 1: 3, 2: 6 }],
    ["CEIL(m1 / 2)", { 0: 1, 1: 1, 2: 2 }],
    ["FLOOR(ABS(0 - m1) / 2)", { 0: 0, 1: 1, 2: 1 }],
    ["STDDEV([m1, m1])", { 0: 0, 1: 0, 2: 0 }],
    ["LAST([m1, m2])", { 0: 10, 2: 30 }],
  ])("%s", (text, expected) => {
    expect(result(text)).toEqual(expected);
  });

  test.each([
    ["m1 +", "The expression ends too early"],
    ["(m1", "A ')' is missing"],
    ["SUM(m1", "A ')' is missing"],
    ["m1 m2", "Unexpected 'm2'"],
    ["m1 ; 2", "Unexpected ';'"],
    ["NOPE(m1)", "The function NOPE is not known"],
    ["toString(m1)", "The function TOSTRING is not known"],
    ["m9", "Unknown identifier: m9"],
    ["SUM(m1, m2)", "SUM takes one argument"],
    ["FILL(m1)", "FILL takes a time series and what to fill in"],
    [
      "[m1, m2] + [m1, m2]",
      "Unsupported operand type(s) for +: 'array of time series' and 'array of time series'",
    ],
    ["[1, 2]", "An array has numbers in it, where only time series may be"],
  ])("%s is refused", (text, why) => {
    expect(() => result(text)).toThrow(why);
  });

  test.each<[string, readonly string[] | null]>([
    ["m1 + FILL(m2, REPEAT)", ["m1", "m2"]],
    ["IF(a > 1, [b, c])", ["a", "b", "c"]],
    ["SUM(METRICS()) + x", null],
  ])("%s needs %o", (text, names) => {
    expect(namesIn(parseExpression(text))).toEqual(names);
  });
});
