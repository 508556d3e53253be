import { expect, test } from "vitest";
import { modelMatcher } from "../../../../emulator/core/faults/model-pattern.ts";

test.for([
  ["a", "a", true],
  ["a", "ab", false],
  ["a.c", "abc", false],
  ["customer-*", "customer-", true],
  ["customer-*", "customer-1.tar.gz", true],
  ["*.tar.gz", "customer-1.tar.gz", true],
  ["*.tar.gz", "customer-1.tarxgz", false],
  ["m?", "m1", true],
  ["m?", "m12", false],
  ["*", "", true],
  ["[a]*", "[a]b", true],
] as const)("model pattern: %s and %s: %s", ([pattern, model, matches]) => {
  expect(modelMatcher(pattern)(model)).toBe(matches);
});
