import { expect, test } from "vitest";
import {
  readStringElements,
  writeStringElements,
} from "../../../../emulator/backends/onnxruntime/string-elements.ts";

const elements = (...values: readonly (string | readonly number[])[]): Uint8Array =>
  Buffer.concat(
    values.flatMap((value) => {
      const bytes = typeof value === "string" ? Buffer.from(value) : Buffer.from(value);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );

test("string elements: UTF-8 is text to the graph", () => {
  expect(readStringElements(elements("", "a", "é€😀"), 3)).toEqual(["", "a", "é€😀"]);
});

test("string elements: UTF-8 is text also in memory that threads share", () => {
  const data = elements("é€😀");
  const shared = new Uint8Array(new SharedArrayBuffer(data.length));
  shared.set(data);
  expect(readStringElements(shared, 1)).toEqual(["é€😀"]);
});

test("string elements: end at their first NUL byte", () => {
  expect(readStringElements(elements("a\0b", "\0", "c"), 3)).toEqual(["a", "", "c"]);
});

test.each([
  ["lone bytes", [0xff, 0xfe]],
  ["a broken sequence between text", [0x61, 0xc3, 0x28, 0x62]],
  ["a truncated sequence at the end", [0xc3, 0xa9, 0xe2, 0x82]],
  ["a byte order mark", [0xef, 0xbb, 0xbf, 0x61]],
  ["an encoded surrogate", [0xed, 0xa0, 0x80]],
  ["code points of the range that stands for bytes", [...Buffer.from("x\u{10ffff}\u{10ff80}")]],
  ["both", [...Buffer.from("\u{10ff90}"), 0x80]],
])("string elements: %s come out as they went in", (_, value) => {
  const data = elements(value, "plain");
  const text = readStringElements(data, 2);
  expect(text[0]?.isWellFormed()).toBe(true);
  expect(new Uint8Array(writeStringElements(text))).toEqual(new Uint8Array(data));
});
