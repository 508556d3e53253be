import { expect, test } from "vitest";
import { parseTimeoutMs } from "../../../../../emulator/frontends/grpc/wire/timeout.ts";

test.each([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3000],
  ["99999999m", 99_999_999],
  ["500u", 0.5],
  ["1000000n", 1],
  ["0S", 0],
  ["123456789S", 123_456_789_000],
  [" 1 S ", 1000],
])("grpc-timeout: %s is %d ms", (header, expected) => {
  expect(parseTimeoutMs(header)).toBeCloseTo(expected, 9);
});

test.each(["", "S", "5", "-1S", "+1S", "1.5S", "1s", "1SS", "1\tS"])("grpc-timeout: %j is none", (header) => {
  expect(parseTimeoutMs(header)).toBeNull();
});
