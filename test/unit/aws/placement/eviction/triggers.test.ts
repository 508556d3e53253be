import { describe, expect, test } from "vitest";
import type { MemoryReading } from "../../../../../emulator/aws/placement/eviction/resident-model.ts";
import {
  type Firing,
  type Occasion,
  type TriggerName,
  type TriggerSettings,
  triggers,
} from "../../../../../emulator/aws/placement/eviction/triggers.ts";
import { resident } from "../../../../support/eviction-trace.ts";

const reading: MemoryReading = {
  used: { host: 81, gpu: 95, disk: 900 },
  capacity: { host: 100, gpu: 100, disk: 1000 },
};

const residents = [
  resident("new", { lastUseUs: 90_000_000, loadOrder: 4 }),
  resident("old", { lastUseUs: 10_000_000, loadOrder: 3 }),
  resident("older", { lastUseUs: 5_000_000, loadOrder: 2 }),
  resident("busy", { lastUseUs: 0, loadOrder: 1, busy: true }),
  resident("pinned", { lastUseUs: 0, loadOrder: 0, pinned: true }),
];

const fire = (
  name: TriggerName,
  occasion: Occasion,
  settings: Partial<TriggerSettings> = {},
): Firing | null =>
  triggers[name](
    { occasion, residents, reading },
    { measure: "host", highWater: 0.8, idleTimeoutUs: 30_000_000, ...settings },
  );

describe("high-utilisation", () => {
  const load: Occasion = { kind: "load-needed" };

  test("fires above the mark of what is measured, not at it", () => {
    expect(fire("high-utilisation", load)).toEqual({
      action: "make-room",
      from: "memory",
      leastVictims: 0,
      because: "host memory stood at 81.0 %, above 80.0 %",
    });
    expect(fire("high-utilisation", load, { highWater: 0.81 })).toBeNull();
    expect(fire("high-utilisation", load, { highWater: 0.9, measure: "larger" })).not.toBeNull();
  });
});

describe("out-of-memory-answer", () => {
  test.each([
    [507, true],
    [400, false],
    [500, false],
    [200, false],
  ])("status %i: %s", (status, fires) => {
    const firing = fire("out-of-memory-answer", { kind: "answer", status });
    expect(firing !== null).toBe(fires);
    if (firing !== null) expect(firing).toMatchObject({ action: "make-room", leastVictims: 1 });
  });
});

describe("cache-disabled", () => {
  test.each([
    ["new", ["new"]],
    ["busy", null],
    ["pinned", null],
    ["gone", null],
  ])("an invocation of %s is done: %j goes", (model, models) => {
    const firing = fire("cache-disabled", { kind: "invocation-done", model });
    expect(firing?.action === "unload" ? firing.models : null).toEqual(models);
  });
});

describe("idle-timeout", () => {
  const at = (nowUs: number): Occasion => ({ kind: "time-passed", nowUs });

  test("those unused for that long go, the longest unused first", () => {
    expect(fire("idle-timeout", at(40_000_000))).toEqual({
      action: "unload",
      models: ["older", "old"],
      because: "not used for 30 s",
    });
    expect(fire("idle-timeout", at(39_999_999))).toMatchObject({ models: ["older"] });
    expect(fire("idle-timeout", at(34_999_999))).toBeNull();
  });

  test("0 turns it off", () => {
    expect(fire("idle-timeout", at(1e15), { idleTimeoutUs: 0 })).toBeNull();
  });
});

describe("disk-full", () => {
  test("fires where an archive does not fit", () => {
    expect(fire("disk-full", { kind: "disk-write", bytes: 100 })).toBeNull();
    expect(fire("disk-full", { kind: "disk-write", bytes: 101 })).toEqual({
      action: "make-room",
      from: "disk",
      leastVictims: 1,
      because: "101 bytes do not fit on the disk, 100 are free",
    });
  });
});

test("triggers: each answers to its own occasion and to no other", () => {
  const occasions: Occasion[] = [
    { kind: "load-needed" },
    { kind: "answer", status: 507 },
    { kind: "invocation-done", model: "new" },
    { kind: "time-passed", nowUs: 1e12 },
    { kind: "disk-write", bytes: 1e6 },
  ];
  const names: TriggerName[] = [
    "high-utilisation",
    "out-of-memory-answer",
    "cache-disabled",
    "idle-timeout",
    "disk-full",
  ];
  for (const [index, name] of names.entries()) {
    const fired = occasions.map((occasion) => fire(name, occasion) !== null);
    expect(fired, name).toEqual(occasions.map((_, other) => other === index));
  }
  expect(Object.keys(triggers)).toEqual(names);
});
