import { describe, expect, test } from "vitest";
import { estimateMib, makeFleet } from "../../../../emulator/parity/memory/fleet.ts";

const fleets = Array.from({ length: 300 }, (_, seed) => makeFleet(seed));

describe("fleet", () => {
  test("fleet: the same seed makes the same one, another seed another", () => {
    expect(makeFleet(7)).toEqual(makeFleet(7));
    expect(new Set(fleets.map((fleet) => JSON.stringify({ ...fleet, seed: 0 }))).size).toBe(fleets.length);
  });

  test("fleet: goes three models beyond its limit, and none of its loads comes nearer to it than 8 MiB", () => {
    for (const { limitMib, models } of fleets) {
      const usual = models.filter(({ name }) => name !== "huge");
      const rooms = usual.map((_, index) => limitMib - estimateMib(usual.slice(0, index + 1)));
      expect(rooms.filter((room) => room < 0)).toHaveLength(3);
      for (const room of rooms) expect(Math.abs(room)).toBeGreaterThanOrEqual(8);
    }
  });

  test("fleet: loads every model in turn, and calls every one at the end", () => {
    for (const { models, steps } of fleets) {
      const names = models.map(({ name }) => name);
      const loads = steps.flatMap(({ call, model }) => (call === "load" ? [model] : []));
      expect(loads.slice(0, names.length)).toEqual(names);
      const lastInfers = steps.filter(({ call }) => call === "infer").slice(-names.length);
      expect(lastInfers.map(({ model }) => model)).toEqual(names);
    }
  });

  test("fleet: every kind, both APIs, growth, two instances and a model larger than the limit come up", () => {
    expect(new Set(fleets.map(({ kind, surface }) => `${kind} ${surface}`)).size).toBe(8);
    const models = fleets.flatMap((fleet) => fleet.models);
    expect(models.some(({ growsMib }) => growsMib > 0)).toBe(true);
    expect(models.some(({ instances }) => instances === 2)).toBe(true);
    expect(models.some(({ name }) => name === "huge")).toBe(true);
  });
});
