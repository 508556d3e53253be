import { beforeAll, expect, test } from "vitest";
import { checkExpectations, type Outcome } from "../../../emulator/scenario/expectations.ts";
import type { Run } from "../../../emulator/scenario/observed.ts";
import type { Scenario } from "../../../emulator/scenario/scenario.ts";
import { playScenario, scenarioOf } from "../../support/scenarios.ts";

/** Three models where two fit: evictions, a hit, two misses, a failure. */
const story = `
machine: { host: 400MiB }
policy: { high_water: 60%, how_many: one-then-retry, sample_every: 0 }
models:
  - { name: a, backend: python, host: 120MiB, archive: 10MB, load: 1s, warm: 10ms }
  - { name: b, backend: python, host: 120MiB, archive: 10MB, load: 1s, warm: 10ms }
  - { name: c, backend: python, host: 120MiB, archive: 10MB, load: 1s, warm: 10ms }
traffic:
  - { at: 0s, invoke: a, as: first }
  - { at: 10s, invoke: a, times: 3, as: hit }
  - { at: 20s, invoke: b, as: second }
  - { at: 30s, invoke: c, as: third }
  - { at: 40s, invoke: d, unknown_model: true, as: nobody }
expect: [{ journal: { event: run } }]`;

let scenario: Scenario;
let run: Run;

beforeAll(() => {
  scenario = scenarioOf(story);
  run = playScenario(story).run;
});

const outcomeOf = (yaml: string): Outcome => {
  const { expect: expected } = scenarioOf(`${story.replace(/expect:.*/, "")}\nexpect: [${yaml}]`).words;
  return checkExpectations({ ...scenario, words: { ...scenario.words, expect: expected } }, run)[0]!;
};

test.each([
  ["{ answer: first, status: 200, from: container, cache_hit: false, took: '1s..1.5s' }"],
  ["{ answer: hit, status: 200, cache_hit: true, took: '< 100ms' }"],
  [
    "{ answer: nobody, status: 400, from: platform, error: ValidationError, text: Failed to download model data }",
  ],
  ["{ answers: all, status: 200, count: 6 }"],
  ["{ answers: all, status: 200, share: '> 80%' }"],
  ["{ answers: hit, status: 200 }"],
  ["{ answers: all, model: a, cache_hit: true, count: 3 }"],
  ["{ resident: [b, c] }"],
  ["{ resident: a, at: 15s }"],
  ["{ not_resident: [a] }"],
  ["{ fits: 2 }"],
  ["{ fits: 1, models: [a, b], at: 35s }"],
  ["{ evicted: a, trigger: high-utilisation, rule: lru, victims: 1, times: 1 }"],
  ["{ evicted: a, after: 30s, before: 40s }"],
  ["{ evicted: [b, c], times: 0 }"],
  ["{ killed: ['*', tritonserver], times: 0 }"],
  ["{ holds: a, pool: host, bytes: '> 120MiB', at: 15s }"],
  ["{ holds: a, bytes: '< 1MiB' }"],
  ["{ pool: host, used: '250MiB..350MiB', high_water: '> 250MiB' }"],
  ["{ pool: disk, used: '30MB' }"],
  ["{ state: a, is: UNAVAILABLE, reason: unloaded }"],
  ["{ state: a, is: LOADING, at: 0.5s }"],
  ["{ state: c, is: ABSENT, at: 15s }"],
  ["{ count: loads, is: 3 }"],
  ["{ count: loads, model: a, is: 1 }"],
  ["{ count: downloads, is: 2, before: 25s }"],
  ["{ count: evictions, is: 1 }"],
  ["{ journal: { event: eviction, victims: [{ model: a }], enough: true } }"],
  ["{ journal: { event: unload, because: make room }, times: 1 }"],
])("expectation: %s holds", (yaml) => {
  const { holds, expected, seen } = outcomeOf(yaml);
  expect(holds, `${expected} | ${seen}`).toBe(true);
});

test.each([
  ["{ answer: first, status: 507 }", "first is answered status 507", "status 200 from the container in 1."],
  ["{ answer: first, took: '< 1ms' }", "in < 1ms", "no cache hit"],
  ["{ answer: first, answered: false }", "first is never answered", "status 200"],
  ["{ answers: all, status: 200 }", "all with status 200", "6 of 7 (85.7 %); 200: 6, 400: 1"],
  ["{ answers: all, status: 200, count: '> 6' }", "> 6 with status 200", "6 of 7"],
  ["{ resident: [a, b] }", "at the end a, b resident", "resident: b, c"],
  ["{ not_resident: b }", "at the end b not resident", "resident: b, c"],
  ["{ fits: 3 }", "3 models resident", "2: b, c"],
  ["{ evicted: b }", "b evicted", "evictions: 30.1 s a for c (high-utilisation, lru"],
  ["{ evicted: a, rule: lfu }", "a evicted by rule lfu", "evictions: 30.1 s a"],
  ["{ evicted: a, before: 10s }", "a evicted before 10 s", "evictions: none"],
  ["{ killed: a }", "a killed by the kernel", "kills: none"],
  ["{ holds: b, pool: host, bytes: 1MiB }", "b holds 1MiB of host", "b 142.5 MiB ("],
  ["{ pool: host, used: '< 1MiB' }", "pool host: used < 1MiB", "used 290"],
  ["{ state: b, is: UNAVAILABLE }", "b is UNAVAILABLE", "b READY"],
  ["{ count: loads, is: 1 }", "loads: 1", "3"],
  [
    "{ journal: { event: eviction, trigger: idle-timeout } }",
    "journal with",
    '0 lines; of that event {"instance"',
  ],
])("expectation: %s fails, and says what was seen", (yaml, expected, seen) => {
  const outcome = outcomeOf(yaml);
  expect(outcome.holds).toBe(false);
  expect(outcome.expected).toContain(expected);
  expect(outcome.seen).toContain(seen);
});

test("expectation: a call that nobody answers is not answered", () => {
  const { failed } = playScenario(`level: triton
faults: [{ operation: load, effect: hang }]
traffic: [{ at: 0s, load: a, as: load }]
expect: [{ answer: load, status: 200 }]`);
  expect(failed).toEqual(["load is answered status 200 | asked at 0 s and not answered"]);
});
