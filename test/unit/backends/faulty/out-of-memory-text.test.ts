import { expect, test } from "vitest";
import { outOfMemoryText } from "../../../../emulator/backends/faulty/out-of-memory-text.ts";
import { tellsOutOfMemory } from "../../../../emulator/frontends/sagemaker/out-of-memory.ts";
import { readMemoryProfiles } from "../../../../emulator/storage/memory-profiles.ts";

const GIB = 2 ** 30;

const read = readMemoryProfiles([]);
if (!read.ok) throw read.error;
const profiles = read.value;

const gpu = (free: number) => ({
  pools: () => [
    {
      pool: "gpu:1" as const,
      capacityBytes: 15 * GIB,
      reserveBytes: 0,
      usedBytes: 15 * GIB - free,
      highWaterBytes: 15 * GIB,
    },
  ],
  free: () => free,
});

const failed = { profile: "python", instance: "m_0_0", gpu: 1, askedBytes: 0, atRun: false };

test("out of memory text: a profile's words with the sizes of the machine, and more asked for than is free", () => {
  const text = outOfMemoryText(profiles, gpu(2 * GIB));
  expect(text({ ...failed, askedBytes: 3 * GIB })).toBe(
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 3.0 GiB. GPU 1 has a total capacity of 15.0 GiB of which 2.0 GiB is free.",
  );
  expect(text({ ...failed, askedBytes: GIB })).toContain("Tried to allocate 2.0 GiB.");
});

test("out of memory text: of a run it is that of the instance", () => {
  expect(outOfMemoryText(profiles, null)({ ...failed, atRun: true })).toMatch(
    /^Failed to process the request\(s\) for model 'm_0_0', message: OutOfMemoryError: CUDA out of memory\. Tried to allocate 2\.0 MiB\. GPU 1 has a total capacity of 15\.0 GiB of which 0 B is free\.$/,
  );
});

test("out of memory text: makes a 507 for every backend, one without a profile included", () => {
  for (const profile of [...profiles.backends.keys(), "synthetic"]) {
    for (const atRun of [false, true]) {
      expect(tellsOutOfMemory(outOfMemoryText(profiles, null)({ ...failed, profile, atRun }))).toBe(true);
    }
  }
});
