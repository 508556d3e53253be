import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../../emulator/common/log.ts";
import { VirtualClock } from "../../../emulator/common/virtual-clock.ts";
import { readJournal } from "../../../emulator/journal/event-text.ts";
import { Journal } from "../../../emulator/journal/journal.ts";
import { JournalFile } from "../../../emulator/storage/journal-file.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "journal-file-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const newJournal = (limit: number) =>
  new Journal({
    clock: new VirtualClock(),
    limit,
    run: { seed: 1, machine: null, profile: "builtin", policy: null, scenario: null },
  });

test("JournalFile: replaces the file, and has every event though the journal keeps few", () => {
  const path = join(folder, "journal.jsonl");
  writeFileSync(path, "of an earlier run\n".repeat(1000));
  const journal = newJournal(2);
  const file = new JournalFile(path, journal, silentLog);
  for (let i = 0; i < 5000; i++) journal.write({ model: `m-${i}`, event: "load" });
  file.close();
  journal.write({ model: "too late", event: "load" });
  const read = readJournal(readFileSync(path, "utf8"));
  expect(read.ok && read.value.map(({ model }) => model)).toEqual([
    undefined,
    ...Array.from({ length: 5000 }, (_, i) => `m-${i}`),
  ]);
});

test("JournalFile: what a turn has written is in the file when it is over", async () => {
  const path = join(folder, "journal.jsonl");
  const journal = newJournal(10);
  const file = new JournalFile(path, journal, silentLog);
  journal.write({ model: "a", event: "load" });
  await new Promise((resolve) => setImmediate(resolve));
  expect(readFileSync(path, "utf8").split("\n")).toHaveLength(3);
  file.close();
});

test("JournalFile: a path that cannot be opened is an error at once", () => {
  expect(() => new JournalFile(join(folder, "none", "x"), newJournal(1), silentLog)).toThrow("ENOENT");
});

test.skipIf(!existsSync("/dev/full"))(
  "JournalFile: a file that cannot be written any more is said once, and the run goes on",
  () => {
    const errors: string[] = [];
    const log = { ...silentLog, error: (message: string) => void errors.push(message) };
    const journal = newJournal(10);
    // Every write to it fails for want of space.
    const file = new JournalFile("/dev/full", journal, log);
    for (let i = 0; i < 5; i++) journal.write({ model: "x".repeat(70_000), event: "load" });
    file.close();
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("cannot write the journal to /dev/full");
  },
);
