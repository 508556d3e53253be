import { expect, test } from "vitest";
import { changeProfiles } from "../../../emulator/scenario/profile-numbers.ts";
import { shippedProfiles } from "../../support/scenarios.ts";

test("profile numbers: those that are named change, the others stay", () => {
  const result = changeProfiles(shippedProfiles, {
    python: { stub: { private_bytes: "20MiB" } },
    tritonserver: { second_kill_after_us: "1s" },
  });
  if (!result.ok) throw result.error;
  const python = result.value.backends.get("python");
  expect(python?.stub?.private_bytes).toEqual({ value: 20 * 2 ** 20, source: "scenario" });
  expect(python?.stub?.kernel_bytes).toEqual(shippedProfiles.backends.get("python")?.stub?.kernel_bytes);
  expect(result.value.server.second_kill_after_us.value).toBe(1_000_000);
  expect(shippedProfiles.backends.get("python")?.stub?.private_bytes.value).not.toBe(20 * 2 ** 20);
});

test.each([
  [{ pyton: {} }, "profile: 'pyton' is not known here; did you mean 'python'?"],
  [
    { python: { stub: { privat_bytes: 1 } } },
    "profile.python.stub: 'privat_bytes' is not known here; did you mean 'private_bytes'?",
  ],
  [{ python: { stub: { private_bytes: -1 } } }, "profile.python.stub.private_bytes: -1 is no number from 0"],
  [
    { python: { stub: { private_bytes: "many" } } },
    'profile.python.stub.private_bytes: "many" is no number from 0',
  ],
  [{ python: 3 }, "profile.python is no mapping of its numbers"],
])("profile numbers: %j is refused", (changes, text) => {
  const result = changeProfiles(shippedProfiles, changes);
  expect(result.ok ? "" : result.error.message).toContain(text);
});
