import { expect, test } from "vitest";
import { parseTraceNumber } from "../../../../emulator/core/settings/trace-number.ts";

const parse = (...args: Parameters<typeof parseTraceNumber>): number | string => {
  const result = parseTraceNumber(...args);
  return result.ok ? result.value : result.error.message;
};

test.each([
  ["trace_rate", "5", 5],
  ["trace_rate", " +7x", 7],
  ["trace_rate", "-1", 4294967295],
  ["log_frequency", "2147483647", 2147483647],
  ["trace_count", "-1", -1],
  ["trace_count", "2147483647", 2147483647],
] as const)("trace number: %s %j is %d", (name, text, value) => {
  expect(parse(name, text, "")).toBe(value);
});

test.each([
  ["trace_rate", "", "Unable to parse 'trace_rate', got: "],
  ["log_frequency", "x1", "Unable to parse 'log_frequency', got: x1"],
  [
    "trace_rate",
    "2147483648",
    "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: 2147483648",
  ],
  [
    "trace_count",
    "-2147483649",
    "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: -2147483649",
  ],
] as const)("trace number: %s %j is refused", (name, text, message) => {
  expect(parse(name, text, "")).toBe(message);
});

test("trace number: a count below -1 is refused, with or without a gap", () => {
  expect(parse("trace_count", "-2", "")).toBe("Unable to parse 'trace_count'. Expecting value >= -1, got:-2");
  expect(parse("trace_count", "-2", " ")).toBe(
    "Unable to parse 'trace_count'. Expecting value >= -1, got: -2",
  );
});
