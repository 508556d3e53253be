import { expect, test } from "vitest";
import type { EmulatorControl, PoolMemory } from "../../../emulator/testing/control.ts";
import { hasAnswered507, hasEvicted, hasStayedUnder } from "../../../emulator/testing/judgements.ts";
import { eviction, GIB, Story } from "../../support/journal-story.ts";

const host = (change: Partial<PoolMemory> = {}): PoolMemory => ({
  pool: "host",
  capacityBytes: 16 * GIB,
  reserveBytes: 0,
  usedBytes: 2 * GIB,
  freeBytes: 14 * GIB,
  highWaterBytes: 9 * GIB,
  ...change,
});

/** An emulator whose journal is that of the story. */
const emulatorOf = (story: Story, ...pools: readonly PoolMemory[]): EmulatorControl => ({
  reset: async () => {},
  journal: async (query) => story.journal.events(query),
  explain: async (id) => `about ${id}\n`,
  faults: { add: async () => {}, clear: async () => {} },
  memory: async () => ({
    instances: pools.map((pool, index) => ({
      instance: `i-${index}`,
      machine: "any",
      pools: [pool],
      models: [],
    })),
  }),
  advance: async () => new Date(0),
});

test("stayed under: the highest of all instances counts, also where it was there before the first event", async () => {
  const emulator = emulatorOf(new Story(), host(), host({ usedBytes: 5 * GIB }));
  expect(await hasStayedUnder(emulator, "5.1GiB", "host")).toMatchObject({ pass: true });
  const judged = await hasStayedUnder(emulator, "5GiB", "host");
  expect([judged.pass, judged.message()]).toEqual([
    false,
    "expected host to have stayed under 5.0 GiB of 16.0 GiB, but host reached 5.0 GiB",
  ]);
});

test("stayed under: names the moment and the model of the highest use", async () => {
  const story = new Story()
    .at(1)
    .bytes("a", 3 * GIB, 3 * GIB)
    .at(2.5)
    .bytes("b", 4 * GIB, 7 * GIB);
  story.at(3).bytes("b", -4 * GIB, 3 * GIB);
  const judged = await hasStayedUnder(emulatorOf(story, host()), "25%", "host");
  expect(judged.message()).toBe(
    "expected host to have stayed under 4.0 GiB of 16.0 GiB, but host reached 7.0 GiB 2.5 s after the start, " +
      "when b took 4.0 GiB (weights)\n\nabout b",
  );
});

test("stayed under: where the journal has dropped lines, the ledger's own mark counts", async () => {
  const story = new Story("by hand", 1).bytes("a", GIB, GIB).bytes("a", -GIB, 0);
  expect(await hasStayedUnder(emulatorOf(story, host()), "8GiB", "host")).toMatchObject({ pass: false });
});

test("stayed under: without a machine there is nothing to judge by", async () => {
  await expect(hasStayedUnder(emulatorOf(new Story()), "8GiB", "host")).rejects.toThrow(
    "no machine is emulated, so no memory has a size: start with `machine`",
  );
});

test("evicted: an unload that nobody's arrival caused is none", async () => {
  const victim = { model: "a", hostBytes: 1, gpuBytes: 0, idleUs: 1, uses: 1 };
  const unloaded = new Story().write({ model: "a", event: "unload", because: "asked for" });
  expect(await hasEvicted(emulatorOf(unloaded), "a")).toMatchObject({ pass: false });
  const evicted = new Story().write(eviction("b", "r-1", { victims: [victim] }));
  expect(await hasEvicted(emulatorOf(evicted), "a", "b")).toMatchObject({ pass: true });
  expect(await hasEvicted(emulatorOf(evicted), "a", "c")).toMatchObject({ pass: false });
});

test("answered 507: a 507 in the words of a model is none", async () => {
  const told = (from: "container" | "platform", text: string): Story =>
    new Story().write({
      model: "a",
      request: "r-1",
      event: "answer",
      status: 424,
      from,
      durationUs: 1,
      text,
    });
  const text = 'Received server error (507) from primary with message "full". See the log';
  expect(await hasAnswered507(emulatorOf(told("container", text)))).toMatchObject({ pass: true });
  expect(await hasAnswered507(emulatorOf(told("platform", text)))).toMatchObject({ pass: false });
  const quoted = 'Received client error (400) from primary with message "server error (507)". See the log';
  expect(await hasAnswered507(emulatorOf(told("container", quoted)))).toMatchObject({ pass: false });
});
