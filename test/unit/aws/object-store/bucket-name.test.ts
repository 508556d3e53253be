import { expect, test } from "vitest";
import { isBucketName } from "../../../../emulator/aws/object-store/bucket-name.ts";

test.each(["abc", "a.b-c", "models", "1-2", "a".repeat(63)])("name: '%s' is one", (name) => {
  expect(isBucketName(name)).toBe(true);
});

test.each([
  "",
  "ab",
  "a".repeat(64),
  "Models",
  "a_b",
  "-abc",
  "abc-",
  "a..b",
  "..",
  "a/b",
  "192.168.1.1",
  "xn--abc",
  "abc-s3alias",
  "ab\0c",
])("name: '%s' is none", (name) => {
  expect(isBucketName(name)).toBe(false);
});
