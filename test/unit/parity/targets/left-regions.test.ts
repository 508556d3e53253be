import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeLeftRegions } from "../../../../emulator/parity/targets/left-regions.ts";

let folder: string;
let place: { readonly regions: string; readonly processes: string };
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "left-regions-"));
  place = { regions: join(folder, "shm"), processes: join(folder, "proc") };
  mkdirSync(place.regions);
  mkdirSync(join(place.processes, "12"), { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

const region = (id: string): string => join(place.regions, `triton_python_backend_shm_region_${id}`);

test("regions left by killed servers: are removed", () => {
  writeFileSync(region("a"), "");
  writeFileSync(region("b"), "");
  removeLeftRegions(0, place);
  expect(readdirSync(place.regions)).toEqual([]);
});

test("regions that a process still maps: stay", () => {
  writeFileSync(region("a"), "");
  writeFileSync(region("b"), "");
  writeFileSync(join(place.processes, "12", "maps"), `7f0-7f1 rw-s 00000000 00:1a 5  ${region("b")}\n`);
  removeLeftRegions(0, place);
  expect(readdirSync(place.regions)).toEqual(["triton_python_backend_shm_region_b"]);
});

test("what was there before, and what is no region: stays", () => {
  writeFileSync(region("a"), "");
  removeLeftRegions(Date.now() + 60_000, place);
  writeFileSync(join(place.regions, "other"), "");
  expect(readdirSync(place.regions)).toHaveLength(2);
  removeLeftRegions(0, place);
  expect(readdirSync(place.regions)).toEqual(["other"]);
});

test("no shared memory on this system: nothing to do", () => {
  const nowhere = join(folder, "nowhere");
  expect(() => removeLeftRegions(0, { regions: nowhere, processes: nowhere })).not.toThrow();
});
