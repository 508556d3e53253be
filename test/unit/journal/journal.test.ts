import { expect, test } from "vitest";
import { VirtualClock } from "../../../emulator/common/virtual-clock.ts";
import type { JournalEvent } from "../../../emulator/journal/event.ts";
import { readJournal } from "../../../emulator/journal/event-text.ts";
import { Journal } from "../../../emulator/journal/journal.ts";

const run = { seed: 7, machine: "1GiB", profile: "builtin", policy: null, scenario: null };

const journalOf = (limit?: number) => {
  const clock = new VirtualClock(1_700_000_000_000);
  return { clock, journal: new Journal({ clock, run, ...(limit === undefined ? {} : { limit }) }) };
};

test("journal: begins with the run, and gives each event the time it was written at", () => {
  const { clock, journal } = journalOf();
  clock.advance(1_500_000);
  journal.write({ model: "a", event: "load" });
  expect(journal.events()).toEqual([
    { event: "run", ...run, epochMs: 1_700_000_000_000, atUs: 0 },
    { model: "a", event: "load", atUs: 1_500_000 },
  ]);
});

test("journal: keeps the newest events up to its limit, says how many it dropped, and never drops the run", () => {
  const { journal } = journalOf(3);
  for (const model of ["a", "b", "c", "d", "e"]) journal.write({ model, event: "load" });
  expect(journal.events().map(({ event, model }) => model ?? event)).toEqual([
    "run",
    "dropped",
    "c",
    "d",
    "e",
  ]);
  expect(journal.events()[1]).toEqual({ event: "dropped", count: 2, atUs: 0 });
  expect(journal.dropped).toBe(2);
  expect(journal.end).toBe(5);
  expect(journal.at(1)).toBeUndefined();
  expect(journal.at(2)?.model).toBe("c");
  expect(journal.at(5)).toBeUndefined();
  expect(readJournal(journal.text()).ok).toBe(true);
});

test("journal: gives out what is about a model, a victim and a newcomer of a kill among them", () => {
  const { journal } = journalOf();
  journal.write({ model: "a", request: "r-1", event: "load" });
  journal.write({ model: "b", request: "r-2", event: "load" });
  journal.write({
    model: "b",
    request: "r-2",
    event: "eviction",
    trigger: "high-utilisation",
    because: "x",
    rule: "lru, one-then-retry",
    reading: [],
    readingAgeUs: 0,
    needHostBytes: 0,
    needGpuBytes: 0,
    victims: [{ model: "a", hostBytes: 1, gpuBytes: 0, idleUs: 0, uses: 1 }],
    enough: true,
  });
  journal.write({
    model: "c",
    event: "killed",
    process: "c_0",
    residentBytes: 1,
    rule: "x",
    tied: 0,
    newcomer: "a",
    asked: 1,
    free: 0,
  });
  const named = (events: readonly JournalEvent[]) => events.map(({ event }) => event);
  expect(named(journal.events({ model: "a" }))).toEqual(["run", "load", "eviction", "killed"]);
  expect(named(journal.events({ request: "r-2" }))).toEqual(["run", "load", "eviction"]);
  expect(named(journal.events({ model: "a", request: "r-2" }))).toEqual(["run", "eviction"]);
  expect(named(journal.events({ model: "nobody" }))).toEqual(["run"]);
});

test("journal: gives out what was written since a time", () => {
  const { clock, journal } = journalOf();
  journal.write({ model: "a", event: "load" });
  clock.advance(10);
  journal.write({ model: "b", event: "load" });
  expect(journal.events({ sinceUs: 10 }).map(({ model }) => model)).toEqual([undefined, "b"]);
});

test("journal: tells its listeners of each event once, until they leave", () => {
  const { journal } = journalOf();
  const heard: string[] = [];
  const leave = journal.listen(({ event }) => heard.push(event));
  journal.write({ model: "a", event: "load" });
  leave();
  journal.write({ model: "b", event: "load" });
  expect(heard).toEqual(["load"]);
});

test("journal: with a limit of 0 is enabled only while somebody listens, and keeps nothing", () => {
  const { journal } = journalOf(0);
  expect(journal.enabled).toBe(false);
  journal.write({ model: "a", event: "load" });
  const heard: JournalEvent[] = [];
  const leave = journal.listen((event) => heard.push(event));
  expect(journal.enabled).toBe(true);
  journal.write({ model: "b", event: "load" });
  expect(heard.map(({ model }) => model)).toEqual(["b"]);
  expect(journal.events()).toEqual([journal.run]);
  leave();
  expect(journal.enabled).toBe(false);
});

test("journal: forgets all but the run when it is cleared, and its numbers go on", () => {
  const { journal } = journalOf(2);
  for (const model of ["a", "b", "c"]) journal.write({ model, event: "load" });
  journal.clear();
  expect(journal.events()).toEqual([journal.run]);
  journal.write({ model: "d", event: "load" });
  expect(journal.at(3)?.model).toBe("d");
  expect(journal.events().map(({ model }) => model)).toEqual([undefined, "d"]);
  journal.write({ model: "e", event: "load" });
  journal.write({ model: "f", event: "load" });
  expect(journal.events().map(({ event, model }) => model ?? event)).toEqual(["run", "dropped", "e", "f"]);
});

test("journal: two equal runs are equal texts, whatever the order the fields were given in", () => {
  const [one, other] = [journalOf(), journalOf()];
  one.journal.write({ instance: "i-1", model: "a", request: "r-1", event: "download", bytes: 5 });
  other.journal.write({ event: "download", bytes: 5, request: "r-1", model: "a", instance: "i-1" });
  expect(one.journal.text()).toBe(other.journal.text());
});
