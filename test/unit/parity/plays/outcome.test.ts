import { expect, test } from "vitest";
import { hangsUp } from "../../../../emulator/parity/plays/outcome.ts";

const difference = (where: string, theirs: string) => ({
  kind: "differ" as const,
  at: 0,
  what: "turn 0",
  divergences: [
    { where: "code", ours: "OK", theirs: "UNAVAILABLE" },
    { where, ours: "", theirs },
  ],
  ours: "",
  theirs,
});

test.each([
  ["connection", "closed without a reply", true],
  ["message", "Connection dropped", true],
  ["message", "read ECONNRESET", true],
  ["message", "Request for unknown model: 'm' version 1 is not at ready state", false],
  ["/error", "Connection dropped", false],
])("hangsUp: a difference in %s, where the real server says %j: %s", (where, theirs, expected) => {
  expect(hangsUp(difference(where, theirs))).toBe(expected);
});
