import { expect, test } from "vitest";
import { nextTick } from "../../../../emulator/aws/cloudwatch/next-tick.ts";

test.each([
  ["between two", 12_345, Number.NaN, 20_000],
  ["on one", 20_000, 20_000, 30_000],
  ["when the last one ran a millisecond too early", 19_999, 20_000, 30_000],
  ["when the clock was set back", 5_000, 20_000, 10_000],
])("nextTick: %s", (_, nowMs, lastMs, next) => {
  expect(nextTick(nowMs, 10_000, lastMs)).toBe(next);
});
