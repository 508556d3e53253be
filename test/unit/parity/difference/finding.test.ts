import { expect, test } from "vitest";
import { ABSENT } from "../../../../emulator/parity/difference/compare-json.ts";
import { countsDiffer } from "../../../../emulator/parity/difference/finding.ts";

test("countsDiffer: where one of the two failed, be it one message of a stream; not where both tell it otherwise", () => {
  const differ = (where: string, ours: string, theirs: string): boolean =>
    countsDiffer([{ where, ours, theirs }]);
  expect(differ("status", "HTTP/1.1 200 OK", "HTTP/1.1 400 Bad Request")).toBe(true);
  expect(differ("code", "OK", "INTERNAL")).toBe(true);
  expect(differ("/0/error_message", ABSENT, '"onnx runtime error"')).toBe(true);
  expect(differ("/0/error_message", '"one text"', '"another"')).toBe(false);
  expect(differ("/error", '"one text"', '"another"')).toBe(false);
});
