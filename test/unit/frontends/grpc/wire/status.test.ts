import { expect, test } from "vitest";
import { percentEncode } from "../../../../../emulator/frontends/grpc/wire/status.ts";

test.each([
  ["plain text stays", "model 'm' [1,2]", "model 'm' [1,2]"],
  ["line ends and percent signs are encoded", "100%\n", "100%25%0A"],
  ["UTF-8 is encoded byte by byte", "größe", "gr%C3%B6%C3%9Fe"],
  ["a space at either end is encoded", " a b. ", "%20a b.%20"],
  ["a single space is encoded", " ", "%20"],
])("grpc-message: %s", (_, message, expected) => {
  expect(percentEncode(message)).toBe(expected);
  expect(decodeURIComponent(expected)).toBe(message);
});
