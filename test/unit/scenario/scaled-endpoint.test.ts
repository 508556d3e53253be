import { expect, test } from "vitest";
import { readScenario } from "../../../emulator/scenario/scenario.ts";
import { playScenario, scenarioDocument, shippedProfiles } from "../../support/scenarios.ts";

/** Seconds and counts, as the journal tells them. */
const changes = (yaml: string): string[] =>
  playScenario(yaml).events.flatMap((event) =>
    event.event === "step" && event.did.startsWith("desired instance count")
      ? [`${event.atUs / 1e6} s: ${event.did.slice("desired instance count ".length).split(":")[0]}`]
      : [],
  );

test("scaling by invocations: three minutes after the load, the instance when it has started, and in after fifteen", () => {
  expect(
    changes(`
scaling: { metric: invocations-per-instance, target: 60, min: 1, max: 2, instance_start: 90s }
traffic: [{ arrivals: even, rate: 2, for: 8min, as: first }]
until: 30min`),
  ).toEqual(["181 s: 1 -> 2", "1381 s: 2 -> 1"]);
});

test("scaling: an instance that is ordered serves when it has started", () => {
  const { failed } = playScenario(`
scaling: { metric: invocations-per-instance, target: 60, min: 1, max: 2, instance_start: 90s }
traffic: [{ arrivals: even, rate: 2, for: 8min, as: first }]
until: 8min
expect:
  - { answers: first, status: 200 }
  - { journal: { event: container-started, instance: instance-2 }, times: 1, after: 271s, before: 272s }`);
  expect(failed).toEqual([]);
});

test("scaling by requests at a time: after half a minute", () => {
  expect(
    changes(`
scaling: { metric: concurrent-requests, target: 1, min: 1, max: 3, out_cooldown: 0s, in_cooldown: 0s }
models: [{ name: a, backend: python, warm: 3s }]
traffic: [{ arrivals: closed, clients: 2, for: 60s, as: first }]
until: 70s`)[0],
  ).toMatch(/^31 s: 1 -> [23]$/);
});

test("scaling: the range holds from the start", () => {
  expect(
    changes(`
scaling: { metric: invocations-per-instance, target: 60, min: 3, max: 4 }
traffic: [{ at: 1s, invoke: a, as: first }]`),
  ).toEqual(["0 s: 1 -> 3"]);
});

test.each([
  ["{ metric: calls, target: 1, min: 1, max: 2 }", "", "scaling.metric:"],
  [
    "{ metric: concurrent-requests, target: 0, min: 1, max: 2 }",
    "",
    "scaling.target: has to be a number above 0",
  ],
  ["{ metric: concurrent-requests, target: 1, min: 3, max: 2 }", "", "scaling.min: is above max"],
  [
    "{ metric: concurrent-requests, target: 1, min: 1, max: 2 }",
    "level: triton",
    "scaling: needs level: endpoint",
  ],
  [
    "{ metric: concurrent-requests, target: 1, min: 1, max: 2 }",
    "traffic: [{ at: 1s, scale_to: 2 }, { at: 2s, invoke: a, as: first }]",
    "traffic.0.scale_to: does not go with scaling",
  ],
])("scaling: %s with %s is a problem", (scaling, more, problem) => {
  const read = readScenario(scenarioDocument(`scaling: ${scaling}\n${more}`), "test", shippedProfiles);
  const problems = read.ok ? [] : read.problems.map(({ path, text }) => `${path.join(".")}: ${text}`);
  expect(problems).toEqual([expect.stringContaining(problem)]);
});
