import { describe, expect, test } from "vitest";
import {
  EndpointMetrics,
  type InstanceGauges,
  type MeasuredVariant,
} from "../../../../emulator/aws/cloudwatch/endpoint-metrics.ts";
import { MetricStore } from "../../../../emulator/aws/cloudwatch/metric-store.ts";
import {
  fromContainer,
  fromPlatform,
  localEndpoint,
  type PlatformAnswer,
  platformErrors,
} from "../../../../emulator/aws/placement/platform-answer.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";

const START_MS = Date.parse("2026-11-25T12:00:00Z");
const times = { waitUs: 5, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 700 };

const answer = (status: number, change: Partial<PlatformAnswer> = {}): PlatformAnswer => ({
  ...fromContainer({ status, headers: [], body: new Uint8Array() }, localEndpoint),
  cacheHit: true,
  times,
  ...change,
});

const ofPlatform = (error: Parameters<typeof fromPlatform>[0]): PlatformAnswer => ({
  ...fromPlatform(error),
  cacheHit: false,
  times: { ...times, containerUs: 0 },
});

const idle: InstanceGauges = { loadedModels: 0, memory: null, gpuCount: 0, requests: 0 };

const world = (instances: InstanceGauges[] = [idle]) => {
  const clock = new VirtualClock(START_MS);
  const store = new MetricStore(clock);
  const variants: MeasuredVariant[] = [{ endpoint: "e", variant: "v", instances }];
  const metrics = new EndpointMetrics({
    sink: store,
    clock,
    variants: () => variants,
    instanceCount: () => instances.length,
  });
  const invoked = (one: PlatformAnswer | null, targetModel: string | null = "a.tar.gz") =>
    metrics.invoked({
      region: "us-east-1",
      endpoint: "e",
      variant: "v",
      targetModel,
      answer: one,
      durationUs: 1000,
    });
  const read = (namespace: string, name: string, dimensions: Record<string, string>, startMs: number) => {
    const startS = startMs / 1000;
    const range = { startS, endS: startS + 60, periodS: 60 };
    return [...store.read({ namespace, name, dimensions }, range)][0] ?? null;
  };
  /** `unit sum/count`; null = no data. */
  const sum = (namespace: string, name: string, more: Record<string, string> = {}, startMs = START_MS) => {
    const found = read(namespace, name, { EndpointName: "e", VariantName: "v", ...more }, startMs);
    const point = found?.[1].get(startMs / 1000);
    return point === undefined ? null : `${found?.[0]} ${point.sum}/${point.count}`;
  };
  return { clock, store, metrics, invoked, sum, variants };
};

const SM = "AWS/SageMaker";
const EP = "/aws/sagemaker/Endpoints";
const OURS = "TritonLocal/Models";

describe("of an invocation", () => {
  test("a hit: what it took, and that it was one", () => {
    const { invoked, sum } = world([idle, idle]);
    invoked(answer(200));
    invoked(answer(200));
    expect(
      Object.fromEntries(
        [
          "Invocations",
          "InvocationsPerInstance",
          "Invocation4XXErrors",
          "Invocation5XXErrors",
          "InvocationModelErrors",
          "ModelLatency",
          "OverheadLatency",
          "ModelCacheHit",
          "ModelLoadingWaitTime",
          "ModelLoadingTime",
          "ModelDownloadingTime",
        ].map((name) => [name, sum(SM, name)]),
      ),
    ).toEqual({
      Invocations: "None 2/2",
      InvocationsPerInstance: "None 1/2",
      Invocation4XXErrors: "None 0/2",
      Invocation5XXErrors: "None 0/2",
      InvocationModelErrors: "None 0/2",
      ModelLatency: "Microseconds 1400/2",
      OverheadLatency: "Microseconds 600/2",
      ModelCacheHit: "None 2/2",
      ModelLoadingWaitTime: null,
      ModelLoadingTime: null,
      ModelDownloadingTime: null,
    });
  });

  test("a cold one: how long it waited, downloaded and loaded", () => {
    const { invoked, sum } = world();
    invoked(answer(200, { cacheHit: false, times: { ...times, waitUs: 900, downloadUs: 300, loadUs: 500 } }));
    // It waited for the load of the other.
    invoked(answer(200, { cacheHit: false, times: { ...times, waitUs: 800 } }));
    expect([
      sum(SM, "ModelCacheHit"),
      sum(SM, "ModelLoadingWaitTime"),
      sum(SM, "ModelDownloadingTime"),
      sum(SM, "ModelLoadingTime"),
    ]).toEqual(["None 0/2", "Microseconds 1700/2", "Microseconds 300/1", "Microseconds 500/1"]);
  });

  test.each<[string, PlatformAnswer, [number, number, number, boolean]]>([
    ["the model's 400", answer(400), [1, 0, 1, true]],
    ["the model's 507", answer(507), [0, 1, 1, true]],
    ["silence", { ...ofPlatform(platformErrors.timedOut(localEndpoint)), times }, [0, 0, 1, true]],
    ["a model that is not ready", ofPlatform(platformErrors.notReady("a")), [0, 0, 1, false]],
    ["no instance", ofPlatform(platformErrors.unavailable("no")), [0, 0, 1, false]],
    [
      "a model that is not there",
      ofPlatform(platformErrors.artifactMissing("a", localEndpoint)),
      [0, 0, 0, false],
    ],
  ])(
    "%s: errors 4XX, 5XX, of the model, and whether it had a latency",
    (_, one, [client, server, model, latency]) => {
      const { invoked, sum } = world();
      invoked(one);
      expect(
        ["Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"].map((name) => sum(SM, name)),
      ).toEqual([`None ${client}/1`, `None ${server}/1`, `None ${model}/1`]);
      expect(sum(SM, "ModelLatency") !== null).toBe(latency);
    },
  );

  test("per model, in a namespace of ours; none where no model was named", () => {
    const { store, invoked, sum } = world();
    invoked(answer(200));
    invoked(answer(200, { cacheHit: false }), "b.tar.gz");
    invoked(answer(200), null);
    expect(
      ["Invocations", "ModelCacheHit", "ModelLatency"].map((name) =>
        sum(OURS, name, { TargetModel: "b.tar.gz" }),
      ),
    ).toEqual(["None 1/1", "None 0/1", "Microseconds 700/1"]);
    expect(new Set(store.list().flatMap(({ dimensions }) => dimensions.TargetModel ?? []))).toEqual(
      new Set(["a.tar.gz", "b.tar.gz"]),
    );
  });

  test("what was refused before a variant had it is not measured", () => {
    const { store, metrics, invoked } = world();
    invoked(null);
    metrics.invoked({
      region: "us-east-1",
      endpoint: "e",
      variant: null,
      targetModel: "a",
      answer: answer(200),
      durationUs: 1,
    });
    expect(store.list()).toEqual([]);
  });
});

describe("sampled", () => {
  const GIB = 2 ** 30;
  const loaded = (models: number, host: number): InstanceGauges => ({
    loadedModels: models,
    memory: {
      used: { host: host * GIB, gpu: 3 * GIB, disk: 5 * GIB },
      capacity: { host: 16 * GIB, gpu: 12 * GIB, disk: 50 * GIB },
    },
    gpuCount: 2,
    requests: models,
  });

  test("once a minute: models and memory of each instance, in the minute that ends", () => {
    const { clock, metrics, sum } = world([loaded(3, 4), loaded(5, 8)]);
    metrics.start();
    clock.advance(60e6);
    expect(
      ["LoadedModelCount", "MemoryUtilization", "GPUMemoryUtilization", "DiskUtilization"].map((name) =>
        sum(EP, name),
      ),
    ).toEqual(["None 8/2", "Percent 75/2", "Percent 100/2", "Percent 20/2"]);
    expect(sum(EP, "LoadedModelCount", {}, START_MS + 60_000)).toBeNull();
    metrics.stop();
    clock.runAll();
    expect(clock.now()).toBe(60e6);
  });

  test("every ten seconds: requests in flight", () => {
    const { clock, metrics, store } = world([loaded(3, 4), loaded(5, 8)]);
    metrics.start();
    clock.advance(30e6);
    const points = store.readMerged(
      {
        namespace: SM,
        name: "ConcurrentRequestsPerModel",
        dimensions: { VariantName: "v", EndpointName: "e" },
      },
      { startS: START_MS / 1000, endS: START_MS / 1000 + 60, periodS: 10 },
    );
    expect([...points].map(([start, { sum, count }]) => [start - START_MS / 1000, sum / count])).toEqual([
      [0, 4],
      [10, 4],
      [20, 4],
    ]);
  });

  test("a minute without invocations gets a zero, one with some does not", () => {
    const { clock, metrics, invoked, sum } = world();
    metrics.start();
    clock.advance(30e6);
    invoked(answer(200));
    clock.advance(90e6);
    expect([sum(SM, "Invocations"), sum(SM, "Invocations", {}, START_MS + 60_000)]).toEqual([
      "None 1/1",
      "None 0/1",
    ]);
    expect(sum(SM, "InvocationsPerInstance", {}, START_MS + 60_000)).toBe("None 0/1");
  });

  test("no zeros for an endpoint that has no instance, or is gone", () => {
    const { clock, metrics, invoked, store, variants } = world();
    metrics.start();
    variants.length = 0;
    clock.advance(120e6);
    expect(store.list()).toEqual([]);
    invoked(answer(200));
    clock.advance(120e6);
    expect(store.list().length).toBeGreaterThan(0);
  });

  test("unloads: how long each took", () => {
    const { metrics, sum } = world();
    metrics.unloaded("e", "v", 2e6);
    metrics.unloaded("e", "v", 1e6);
    expect(sum(SM, "ModelUnloadingTime")).toBe("Microseconds 3000000/2");
  });
});
