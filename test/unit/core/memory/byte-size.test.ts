import { expect, test } from "vitest";
import { formatByteSize, parseByteSize } from "../../../../emulator/core/memory/byte-size.ts";

test.each([
  ["0", 0],
  ["123", 123],
  ["768MiB", 805_306_368],
  ["1.5 GiB", 1_610_612_736],
  ["15.6 mib", 16_357_786],
  ["16GB", 16e9],
  ["7 B", 7],
])("size: %s is %d bytes", (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test.each(["", "-1", "GiB", "1 GiBs", "1e3", "0x10", "1,5GiB", "99999999999TiB"])(
  "size: '%s' is none",
  (text) => {
    expect(parseByteSize(text)).toBeNull();
  },
);

test.each([
  [12, "12 B"],
  [1024, "1.0 KiB"],
  [805_306_368, "768.0 MiB"],
  [16_106_127_360, "15.0 GiB"],
  [2 ** 41, "2.0 TiB"],
])("size: %d bytes are shown as %s", (bytes, text) => {
  expect(formatByteSize(bytes)).toBe(text);
});
