import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { withProfileTable } from "../../../docs/profile-table.ts";
import { weightsFactors } from "../../../emulator/backends/onnxruntime/memory.ts";
import { readMemoryProfiles } from "../../../emulator/storage/memory-profiles.ts";
import { backendDocument } from "../../support/ledger-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "memory-profiles-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const read = (...paths: readonly string[]) => {
  const profiles = readMemoryProfiles(paths);
  if (!profiles.ok) throw profiles.error;
  return profiles.value;
};

test("shipped profiles: of the server and its backends; ONNX Runtime's factors are those of plain serving", () => {
  const { backends } = read();
  expect([...backends.keys()]).toEqual(
    expect.arrayContaining(["onnxruntime", "python", "pytorch", "tensorflow", "tensorrt"]),
  );
  const weights = backends.get("onnxruntime")?.weights;
  expect({
    inline: weights?.inline_factor.value,
    inlineWithoutArena: weights?.inline_without_arena_factor.value,
    external: weights?.external_factor.value,
  }).toEqual(weightsFactors);
});

test("docs/memory.md: has every number of the shipped profiles as it is now (npm run docs)", () => {
  const page = readFileSync(new URL("../../../docs/memory.md", import.meta.url), "utf8").replaceAll(
    "\r\n",
    "\n",
  );
  expect(page).toBe(withProfileTable(page));
});

test("profiles: a file replaces the one of its backend and leaves the others", () => {
  const mine = file("mine.yaml", JSON.stringify(backendDocument("python", { library: 77 })));
  const { backends } = read(mine);
  expect(backends.get("python")?.library.host_bytes.value).toBe(77);
  expect(backends.get("onnxruntime")).toEqual(read().backends.get("onnxruntime"));
});

test.each([
  ["bad.yaml", "a: [", /^memory profile: cannot read .*bad\.yaml: Flow sequence .*[^\n]$/],
  ["odd.yaml", "backend: x\nmore: 1\n", /^memory profile: odd\.yaml\.more is not known$/],
])("profiles: refuses %s and names it", (name, text, message) => {
  const refused = readMemoryProfiles([file(name, text)]);
  expect(refused.ok || refused.error.message).toMatch(message);
});

test("profiles: refuses a file that is not there", () => {
  const refused = readMemoryProfiles([join(folder, "none.yaml")]);
  expect(refused.ok || refused.error.message).toMatch(/^memory profile: cannot read .*none\.yaml: ENOENT/);
});
