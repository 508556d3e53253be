import { expect, test } from "vitest";
import { LoadUnloadRace } from "../../../../emulator/frontends/sagemaker/load-unload-race.ts";

/** How many begin, each while `others` run, until the server ends. */
const survived = (race: LoadUnloadRace, others: number): number => {
  for (let i = 0; i < others; i++) race.begin();
  for (let count = 0; count < 100_000; count++) {
    const ended = race.begin();
    if (ended === null) return count;
    ended();
  }
  return Number.POSITIVE_INFINITY;
};

test("race of loads and unloads: one at a time goes on for ever", () => {
  expect(survived(new LoadUnloadRace(8), 0)).toBe(Number.POSITIVE_INFINITY);
});

test("race of loads and unloads: the more of them meet, the sooner the server ends", () => {
  expect(survived(new LoadUnloadRace(100), 1)).toBe(15_999);
  expect(survived(new LoadUnloadRace(100), 4)).toBe(3_998);
});

test("race of loads and unloads: no more than there are threads meet", () => {
  expect(survived(new LoadUnloadRace(2), 4)).toBe(survived(new LoadUnloadRace(100), 1) - 3);
});
