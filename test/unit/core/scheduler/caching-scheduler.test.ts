import { expect, test } from "vitest";
import { type CoreFixture, int32, modelConfig, tritonServer } from "../../../support/core-fixture.ts";
import { backendError } from "../../../support/scripted-backend.ts";

/** A server with a cache and one model `m` that asks for it; every batch takes 1 s. */
const served = (fields = "", instances = 1): CoreFixture => {
  const fixture = tritonServer({
    models: { m: modelConfig(`response_cache { enable: true } ${fields}`, instances) },
    loaded: ["m"],
    responseCacheByteSize: 4096,
  });
  fixture.backend.executeUs = 1_000_000;
  return fixture;
};

const stats = (fixture: CoreFixture) => {
  const read = fixture.server.statistics("m", -1);
  if (!read.ok) throw read.error;
  const [{ inference_count, execution_count, inference_stats } = expect.fail("m has no statistics")] =
    read.value;
  const { success, fail, queue, compute_infer, cache_hit, cache_miss } = inference_stats;
  return {
    counts: { inference_count, execution_count },
    success: success.count,
    fail: fail.count,
    queue: queue.count,
    compute: compute_infer.count,
    hit: cache_hit.count,
    miss: cache_miss.count,
  };
};

test("response cache: the same inputs are answered once by the model, then at once and without it", () => {
  const fixture = served();
  fixture.infer("m", { id: "first", value: 7 });
  fixture.clock.runAll();
  const again = fixture.infer("m", { id: "again", value: 7 });
  const other = fixture.infer("m", { id: "other", value: 8 });
  fixture.clock.runAll();
  expect(again.answeredUs).toBe(1_000_000);
  expect(again.responses[0]?.outputs[0]?.data).toEqual(int32(7));
  expect(other.answeredUs).toBe(2_000_000);
  expect(stats(fixture)).toEqual({
    counts: { inference_count: 2, execution_count: 2 },
    success: 3,
    fail: 0,
    queue: 3,
    compute: 2,
    hit: 1,
    miss: 2,
  });
  expect(fixture.metrics.models()[0]).toMatchObject({
    caching: true,
    cacheHits: 1,
    cacheMisses: 2,
    success: 3,
  });
});

test("response cache: a reload and an unload leave the old answers in it", () => {
  const fixture = served();
  fixture.infer("m");
  fixture.clock.runAll();
  fixture.unload("m");
  fixture.clock.runAll();
  fixture.load("m");
  fixture.clock.runAll();
  fixture.infer("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs.length).toBe(1);
  expect(stats(fixture)).toMatchObject({ success: 1, hit: 1, counts: { inference_count: 0 } });
});

test("response cache: a failure of an instance is kept as an answer without outputs", () => {
  const fixture = served();
  fixture.backend.outcomeOf = () => ({ error: backendError("no") });
  const first = fixture.infer("m");
  fixture.clock.runAll();
  const again = fixture.infer("m");
  fixture.clock.runAll();
  expect(first.error?.message).toBe("no");
  expect(again.responses).toEqual([{ final: true, outputs: [] }]);
  expect(stats(fixture)).toMatchObject({ success: 1, fail: 1, hit: 1, miss: 1 });
});

test("response cache: what the queue refuses is not kept, and a hit needs no place in it", () => {
  const fixture = served(
    "dynamic_batching { default_queue_policy { max_queue_size: 1 default_timeout_microseconds: 300000 } }",
  );
  fixture.infer("m", { value: 1 });
  fixture.clock.runAll();
  const startUs = fixture.clock.now();
  fixture.infer("m", { value: 2 });
  fixture.clock.settle();
  const expired = fixture.infer("m", { value: 3 });
  const refused = fixture.infer("m", { value: 4 });
  const hit = fixture.infer("m", { value: 1 });
  expect(refused.error?.message).toContain("Exceeds maximum queue size");
  expect(hit.answeredUs).toBe(startUs);
  fixture.clock.runAll();
  expect(expired.error?.message).toBe("Request timeout expired");
  const later = [3, 4].map((value) => fixture.infer("m", { value }));
  fixture.clock.runAll();
  expect(later.map(({ error }) => error)).toContain(null);
  expect(fixture.backend.runs.length).toBe(3);
});

test("response cache: of the same request twice at once both run, and one miss is counted", () => {
  const fixture = served("", 2);
  fixture.infer("m");
  fixture.infer("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs.length).toBe(2);
  expect(stats(fixture)).toMatchObject({ success: 2, hit: 0, miss: 1 });
  expect(fixture.logged.filter((line) => line.includes("Failed to insert"))).toEqual([]);
});

test("response cache: an answer that does not fit is told in the log, and the client notices nothing", () => {
  const fixture = served("max_batch_size: 2000");
  const call = fixture.infer("m", { rows: 1100 });
  fixture.clock.runAll();
  expect(call.error).toBeNull();
  expect(fixture.logged.at(-1)).toMatch(
    /^Failed to insert key \[\d+\] into response cache: Requested byte_size: 44\d\d is greater than total cache size: 4096$/,
  );
  expect(stats(fixture)).toMatchObject({ success: 1, miss: 1 });
});

test("response cache: a model that does not ask for it, or a server without one, caches nothing", () => {
  const config = (cached: boolean) => modelConfig(cached ? "response_cache { enable: true }" : "");
  const without = tritonServer({ models: { m: config(true) }, loaded: ["m"] });
  const unasked = tritonServer({ models: { m: config(false) }, loaded: ["m"], responseCacheByteSize: 4096 });
  for (const fixture of [without, unasked]) {
    for (let i = 0; i < 2; i++) {
      fixture.infer("m");
      fixture.clock.runAll();
    }
    expect(fixture.backend.runs.length).toBe(2);
    expect(stats(fixture)).toMatchObject({ success: 2, hit: 0, miss: 0 });
  }
  expect(without.server.responseCacheStatistics()).toBeNull();
  expect(without.metrics.models()[0]?.caching).toBe(true);
  expect(unasked.server.responseCacheStatistics()).toMatchObject({ lookups: 0 });
  expect(unasked.metrics.models()[0]?.caching).toBe(false);
});
