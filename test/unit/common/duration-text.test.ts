import { expect, test } from "vitest";
import { parseDurationText } from "../../../emulator/common/duration-text.ts";

test.for([
  ["20us", 20],
  ["500ms", 500_000],
  ["2.5s", 2_500_000],
  [" 1 min ", 60_000_000],
  ["0s", 0],
  ["2h", 7_200_000_000],
] as const)("duration: %s is %d microseconds", ([text, us]) => {
  expect(parseDurationText(text)).toBe(us);
});

test.for(["", "5", "s", "-1s", "1 day", "1e3s", "9007199254740993s", "1s 2s"])(
  "duration: '%s' is none",
  (text) => {
    expect(parseDurationText(text)).toBeNull();
  },
);
