import { expect, test } from "vitest";
import {
  errorBody,
  jsonString,
  maxEscapedByteSize,
  writeJsonBytes,
} from "../../../../emulator/frontends/kserve-json/json-writer.ts";

test("jsonString: escapes quotes, backslashes and control characters, and nothing else", () => {
  expect(jsonString("plain")).toBe('"plain"');
  expect(jsonString('a"\\/\b\f\n\r\t\x01\x1f\x7fé😀')).toBe(
    '"a\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7fé😀"',
  );
});

test("errorBody: is the error of every route", () => {
  expect(errorBody('it\'s "bad"\n').toString()).toBe('{"error":"it\'s \\"bad\\"\\n"}');
});

test("writeJsonBytes: copies bytes that are not UTF-8, and stays within its bound", () => {
  const bytes = Buffer.from([0xff, 0x00, 0x22, 0x41]);
  const out = Buffer.alloc(bytes.length * maxEscapedByteSize);
  const end = writeJsonBytes(out, 0, bytes, 0, bytes.length);
  expect(out.toString("latin1", 0, end)).toBe('\xff\\u0000\\"A');
});
