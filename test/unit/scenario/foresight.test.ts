import { expect, test } from "vitest";
import { Foresight } from "../../../emulator/scenario/foresight.ts";
import type { Call } from "../../../emulator/scenario/observed.ts";
import { playScenario } from "../../support/scenarios.ts";

const call = (model: string | null, kind: Call["kind"] = "invoke"): Call => ({
  request: "r",
  step: 0,
  kind,
  model,
  atUs: 0,
  answer: null,
});

test("foresight: the place of the next invocation of a model, other calls not counted", () => {
  const foresight = new Foresight([call("a"), call(null, "ask"), call("b"), call("a"), call("c", "load")]);
  expect([0, 1, 2, 3].map((seen) => foresight.nextUse("a", seen))).toEqual([0, 2, 2, null]);
  expect(foresight.nextUse("b", 0)).toBe(1);
  expect(foresight.nextUse("c", 0)).toBeNull();
});

const hits = (victims: string, seed: number): number => {
  const { run } = playScenario(`seed: ${seed}
machine: { host: 1100MiB, disk: 20GB }
policy: { victims: ${victims}, how_many: one-then-retry, sample_every: 0 }
models: [{ name: 'm{i}', count: 6, backend: python, host: 200MiB, archive: 10MB }]
traffic: [{ arrivals: closed, clients: 1, think: 100ms, requests: 80, choose: zipf, as: calls, seed: ${seed} }]
expect: [{ answers: calls, status: 200 }]`);
  return run.calls.filter(({ answer }) => answer?.cacheHit === true).length;
};

test.each([1, 2, 3])("policies: none has more hits than belady, seed %i", (seed) => {
  const bound = hits("belady", seed);
  for (const victims of ["lru", "lfu", "fifo", "random", "sieve", "landlord"]) {
    expect(hits(victims, seed), victims).toBeLessThanOrEqual(bound);
  }
  expect(hits("lru", seed)).toBeLessThan(bound);
});
