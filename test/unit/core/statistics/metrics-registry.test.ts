import { expect, test } from "vitest";
import { MetricsRegistry } from "../../../../emulator/core/statistics/metrics-registry.ts";
import type { RequestLatencies } from "../../../../emulator/core/statistics/model-metrics.ts";

const m = { namespace: "", name: "m" };
const noTags = new Map<string, string>();

test("metrics of a version: are one object for all its copies, and end with the last", () => {
  const registry = new MetricsRegistry({ counting: true, onLatencies: null });
  const first = registry.acquire(m, "1", noTags);
  expect(registry.acquire(m, "1", noTags)).toBe(first);
  registry.release(first);
  expect(registry.models()).toEqual([first]);
  registry.release(first);
  expect(registry.models()).toEqual([]);
  expect(registry.acquire(m, "1", noTags)).not.toBe(first);
});

test("metrics of a version: are told apart by version and tags", () => {
  const registry = new MetricsRegistry({ counting: true, onLatencies: null });
  const all = [
    registry.acquire(m, "1", noTags),
    registry.acquire(m, "2", noTags),
    registry.acquire(m, "1", new Map([["team", "a"]])),
  ];
  expect(new Set(all).size).toBe(3);
  expect(registry.models()).toEqual(all);
});

test("failure counters: go on after the version is gone, all reasons", () => {
  const registry = new MetricsRegistry({ counting: true, onLatencies: null });
  const first = registry.acquire(m, "1", noTags);
  first.recordFailure("BACKEND");
  registry.release(first);
  registry.acquire(m, "1", noTags).recordFailure("BACKEND");
  expect(registry.failures().map(({ reason, count }) => [reason, count])).toEqual([
    ["REJECTED", 0],
    ["CANCELED", 0],
    ["BACKEND", 2],
    ["OTHER", 0],
  ]);
});

test("counters: truncate each duration to microseconds", () => {
  const metrics = new MetricsRegistry({ counting: true, onLatencies: null }).acquire(m, "1", noTags);
  metrics.recordSuccess(2, 10.9, 1.9, 2.9, 3.9, 4.9);
  metrics.recordSuccess(1, 0.9, 0.9, 0.9, 0.9, 0.9);
  expect(metrics).toMatchObject({
    success: 2,
    inferences: 3,
    requestUs: 10,
    queueUs: 1,
    computeInputUs: 2,
    computeInferUs: 3,
    computeOutputUs: 4,
  });
});

test("counters: stand still without counter_latencies, while summaries are told", () => {
  const told: RequestLatencies[] = [];
  const registry = new MetricsRegistry({
    counting: false,
    onLatencies: (_metrics, latencies) => told.push(latencies),
  });
  const metrics = registry.acquire(m, "1", noTags);
  metrics.recordSuccess(1, 10, 1, 2, 3, 4);
  metrics.recordFailure("OTHER");
  metrics.recordExecution();
  expect(metrics).toMatchObject({ success: 0, executions: 0, failures: { OTHER: 0 } });
  expect(told).toEqual([{ request: 10, queue: 1, computeInput: 2, computeInfer: 3, computeOutput: 4 }]);
});
