import { describe, expect, test } from "vitest";
import { parseSchedule } from "../../../../emulator/aws/autoscaling/schedule.ts";

const ms = (text: string): number => Date.parse(`${text}Z`);

/** The first runs after a moment. */
const runs = (text: string, after: string, count: number, timeZone?: string): string[] => {
  const schedule = parseSchedule(text, timeZone);
  const found: string[] = [];
  let at = ms(after);
  for (let i = 0; i < count; i++) {
    const next = schedule?.next(at, ms(after)) ?? null;
    if (next === null) break;
    found.push(new Date(next).toISOString().slice(0, 16));
    at = next;
  }
  return found;
};

describe("parseSchedule", () => {
  test.each<[string, string, string[], string?]>([
    ["at(2026-12-01T08:30:00)", "2026-11-25T12:00:00", ["2026-12-01T08:30"]],
    ["at(2026-12-01T08:30:00)", "2026-11-25T12:00:00", ["2026-12-01T13:30"], "America/New_York"],
    ["at(2026-07-01T08:30:00)", "2026-06-25T12:00:00", ["2026-07-01T06:30"], "Europe/Berlin"],
    ["rate(90 minutes)", "2026-11-25T12:00:00", ["2026-11-25T13:30", "2026-11-25T15:00"]],
    ["rate(1 day)", "2026-11-25T12:00:00", ["2026-11-26T12:00", "2026-11-27T12:00"]],
    [
      "cron(0/20 10-11 * * ? *)",
      "2026-11-25T10:30:00",
      ["2026-11-25T10:40", "2026-11-25T11:00", "2026-11-25T11:20"],
    ],
    ["cron(15 8 ? * MON,FRI *)", "2026-11-25T12:00:00", ["2026-11-27T08:15", "2026-11-30T08:15"]],
    ["cron(15 8 ? * 2-6 *)", "2026-11-27T12:00:00", ["2026-11-30T08:15", "2026-12-01T08:15"]],
    ["cron(0 0 L * ? *)", "2026-01-31T12:00:00", ["2026-02-28T00:00", "2026-03-31T00:00"]],
    ["cron(0 0 29 2 ? *)", "2026-01-01T00:00:00", ["2028-02-29T00:00", "2032-02-29T00:00"]],
    ["cron(0 9 ? JAN,JUL 2#1 2027)", "2026-01-01T00:00:00", ["2027-01-04T09:00", "2027-07-05T09:00"]],
    ["cron(0 9 ? * 6L *)", "2026-11-01T00:00:00", ["2026-11-27T09:00"]],
    ["cron(0 9 1W * ? *)", "2026-07-15T00:00:00", ["2026-08-03T09:00", "2026-09-01T09:00"]],
    ["cron(0 8 * * ? *)", "2026-10-24T00:00:00", ["2026-10-24T06:00", "2026-10-25T07:00"], "Europe/Berlin"],
  ])("%s after %s", (text, after, expected, timeZone) => {
    expect(runs(text, after, expected.length, timeZone)).toEqual(expected);
  });

  test.each([
    ["at(2020-01-01T00:00:00)", "2026-11-25T12:00:00"],
    ["cron(0 0 1 1 ? 2020)", "2026-11-25T12:00:00"],
    ["cron(0 0 30 2 ? *)", "2026-11-25T12:00:00"],
  ])("%s has no run after %s", (text, after) => {
    expect(runs(text, after, 1)).toEqual([]);
  });

  test.each([
    "daily",
    "at(2026-12-01)",
    "at(2026-13-01T00:00:00)",
    "rate(0 minutes)",
    "rate(5 weeks)",
    "cron(0 8 * * *)",
    "cron(60 8 * * ? *)",
    "cron(0 8 * * * *)",
    "cron(0 8 ? * MON#6 *)",
    "cron(x 8 * * ? *)",
    "cron(5-1 8 * * ? *)",
  ])("%s is no schedule", (text) => {
    expect(parseSchedule(text)).toBeNull();
  });
});
