import { describe, expect, test } from "vitest";
import { combineProfiles, parseProfile } from "../../../../emulator/core/memory/profile.ts";
import { backendDocument, profilesOf, section, serverDocument } from "../../../support/ledger-fixture.ts";

const message = (document: unknown): string => {
  const parsed = parseProfile(document, "p.yaml");
  if (parsed.ok) throw new Error("was taken");
  expect(parsed.error.code).toBe("INVALID_ARG");
  return parsed.error.message;
};

const good = () => structuredClone(backendDocument("b", { stub: {} }));

test("profile: sizes are bytes or texts, every number keeps its source", () => {
  const { server, backends } = profilesOf(
    serverDocument({ private_bytes: "4 MiB", longest_reclaim_us: 1.5 }),
    backendDocument("b", { library: 7 }),
  );
  expect(server.private_bytes).toEqual({ value: 4 * 2 ** 20, source: "test" });
  expect(server.longest_reclaim_us.value).toBe(1.5);
  expect(backends.get("b")).toMatchObject({
    stub: null,
    weights: null,
    library: { host_bytes: { value: 7, source: "test" } },
  });
});

test("profile: weights are optional, and complete where they are", () => {
  const weights = section(["inline_factor", "inline_without_arena_factor", "external_factor"], {
    inline_factor: 2,
  });
  expect(profilesOf(serverDocument(), { ...good(), weights }).backends.get("b")?.weights).toMatchObject({
    inline_factor: { value: 2 },
  });
  expect(message({ ...good(), weights: { inline_factor: weights.inline_factor } })).toBe(
    "memory profile: p.yaml.weights.inline_without_arena_factor is missing or no mapping",
  );
});

describe("profile: refuses", () => {
  const withLibrary = (entry: unknown) => ({ ...good(), library: { host_bytes: entry } });

  test.each([
    ["a text", "x", "p.yaml is no mapping"],
    ["nothing", null, "p.yaml is no mapping"],
    [
      "a negative number",
      withLibrary({ value: -1, source: "s" }),
      "p.yaml.library.host_bytes.value is negative: -1",
    ],
    ["a missing number", { ...good(), library: {} }, "p.yaml.library.host_bytes is missing or no mapping"],
    [
      "a number without value",
      withLibrary({ source: "s" }),
      "p.yaml.library.host_bytes.value is missing or no number: undefined",
    ],
    [
      "a text that is no size",
      withLibrary({ value: "-3 MiB", source: "s" }),
      "p.yaml.library.host_bytes.value is missing or no number: -3 MiB",
    ],
    ["a number without source", withLibrary({ value: 1 }), "p.yaml.library.host_bytes.source is missing"],
    [
      "part of a byte",
      withLibrary({ value: 1.5, source: "s" }),
      "p.yaml.library.host_bytes.value is not a whole number of bytes: 1.5",
    ],
    [
      "an unknown word in a number",
      withLibrary({ value: 1, source: "s", unit: "x" }),
      "p.yaml.library.host_bytes.unit is not known",
    ],
    ["an unknown section", { ...good(), extra: 1 }, "p.yaml.extra is not known"],
    ["a file without a name", { ...good(), backend: 3 }, "p.yaml.backend is no name"],
    [
      "a stub that lacks numbers",
      { ...good(), stub: {} },
      "p.yaml.stub.private_bytes is missing or no mapping",
    ],
    [
      "a fraction above 1",
      backendDocument("b", { retained: { residue_reused_fraction: 1.1 } }),
      "p.yaml.retained.residue_reused_fraction.value is above 1: 1.1",
    ],
    [
      "a placeholder that is none",
      backendDocument("b", { failure: "no {room}" }),
      "p.yaml.device_failure.value: {room} is not known",
    ],
    ["an empty server", { server: {} }, "p.yaml.server.private_bytes is missing or no mapping"],
  ])("%s", (_what, document, detail) => {
    expect(message(document)).toBe(`memory profile: ${detail}`);
  });
});

test("profiles: the last file of a backend counts, and there must be the server's", () => {
  expect(
    profilesOf(
      serverDocument(),
      backendDocument("b", { library: 1 }),
      backendDocument("b", { library: 2 }),
    ).backends.get("b")?.library.host_bytes.value,
  ).toBe(2);
  expect(combineProfiles([])).toMatchObject({
    ok: false,
    error: { message: "memory profile: none is of the server" },
  });
});
