import type { Clock, Timer } from "../../common/clock.ts";
import type { MemoryReading } from "../placement/eviction/resident-model.ts";
import type { PlatformAnswer } from "../placement/platform-answer.ts";
import type { MetricSeries, MetricSink, SeriesOptions } from "./metric-sink.ts";
import { nextTick } from "./next-tick.ts";

/** One request that an endpoint has answered. */
export interface MeasuredInvocation {
  readonly region: string;
  readonly endpoint: string;
  /** Null = it was refused before a variant was chosen: it is not measured. */
  readonly variant: string | null;
  /** Null = it named none. */
  readonly targetModel: string | null;
  /** Null = it was refused before a variant had it: it is not measured. */
  readonly answer: PlatformAnswer | null;
  /** From the whole request to the answer, microseconds. */
  readonly durationUs: number;
}

/** What can be read of an instance at any time; null = it cannot be read. */
export interface InstanceGauges {
  /** Models in its container; null where it serves one only. */
  readonly loadedModels: number | null;
  /** Bytes. */
  readonly memory: MemoryReading | null;
  /** All GPUs together can be in use to so many times 100 percent. */
  readonly gpuCount: number;
  /** Requests in flight or waiting. */
  readonly requests: number;
}

export interface MeasuredVariant {
  readonly endpoint: string;
  readonly variant: string;
  readonly instances: readonly InstanceGauges[];
}

export interface EndpointMetricsOptions {
  readonly sink: MetricSink;
  readonly clock: Clock;
  /** Those in service. */
  readonly variants: () => readonly MeasuredVariant[];
  /** `CurrentInstanceCount`; asked at every invocation. */
  readonly instanceCount: (region: string, endpoint: string, variant: string) => number;
}

export const SAGEMAKER = "AWS/SageMaker";
export const SAGEMAKER_ENDPOINTS = "/aws/sagemaker/Endpoints";
/** AWS has no metrics of single models: these are ours. */
export const TRITON_LOCAL = "TritonLocal/Models";

const CONCURRENCY_MS = 10_000;

/**
 * The metrics of endpoints (spec/sagemaker-mme.md 4): of every invocation when it is answered, requests in flight every ten
 * seconds, memory every minute. A minute without invocations gets a zero.
 */
export class EndpointMetrics {
  readonly #options: EndpointMetricsOptions;
  readonly #clock: Clock;
  readonly #variants = new Map<string, Map<string, VariantSeries>>();
  #timer: Timer | null = null;
  #sampledMs = Number.NaN;

  constructor(options: EndpointMetricsOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Begins to sample. */
  start(): void {
    if (this.#timer !== null) return;
    const nowMs = this.#clock.epochMs();
    const nextMs = nextTick(nowMs, CONCURRENCY_MS, this.#sampledMs);
    this.#timer = this.#clock.setTimer((nextMs - nowMs) * 1000, () => {
      this.#timer = null;
      this.#sampledMs = nextMs;
      this.#sample(nextMs);
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  invoked({ region, endpoint, variant, targetModel, answer, durationUs }: MeasuredInvocation): void {
    if (variant === null || answer === null) return;
    const series = this.#seriesOf(endpoint, variant);
    series.invoked(
      answer,
      durationUs,
      this.#options.instanceCount(region, endpoint, variant),
      this.#clock.epochMs(),
    );
    if (targetModel !== null) series.model(targetModel).invoked(answer, this.#clock.epochMs());
  }

  /** The end of an unload, whether an invocation waited for it or not. Microseconds. */
  unloaded(endpoint: string, variant: string, durationUs: number): void {
    this.#seriesOf(endpoint, variant).unloadingTime.add(durationUs, this.#clock.epochMs());
  }

  #sample(nowMs: number): void {
    // What is measured at the end of a span of time belongs to it.
    const atMs = nowMs - 1;
    const isMinute = nowMs % 60_000 === 0;
    const inService = new Map<string, Set<string>>();
    for (const { endpoint, variant, instances } of this.#options.variants()) {
      const series = this.#seriesOf(endpoint, variant);
      series.sampleRequests(instances, atMs);
      if (isMinute) series.sampleMinute(instances, atMs);
      if (!inService.has(endpoint)) inService.set(endpoint, new Set());
      inService.get(endpoint)?.add(variant);
    }
    if (isMinute) this.#forget(inService);
  }

  /** Endpoints come and go; CloudWatch keeps what they left. */
  #forget(inService: ReadonlyMap<string, ReadonlySet<string>>): void {
    for (const [endpoint, variants] of this.#variants) {
      for (const variant of variants.keys())
        if (inService.get(endpoint)?.has(variant) !== true) variants.delete(variant);
      if (variants.size === 0) this.#variants.delete(endpoint);
    }
  }

  #seriesOf(endpoint: string, variant: string): VariantSeries {
    let variants = this.#variants.get(endpoint);
    if (variants === undefined) {
      variants = new Map();
      this.#variants.set(endpoint, variants);
    }
    let series = variants.get(variant);
    if (series === undefined) {
      series = new VariantSeries(this.#options.sink, endpoint, variant);
      variants.set(variant, series);
    }
    return series;
  }
}

class VariantSeries {
  readonly unloadingTime: MetricSeries;
  readonly #sink: MetricSink;
  readonly #dimensions: Readonly<Record<string, string>>;
  readonly #invocations: MetricSeries;
  readonly #perInstance: MetricSeries;
  readonly #clientErrors: MetricSeries;
  readonly #serverErrors: MetricSeries;
  readonly #modelErrors: MetricSeries;
  readonly #modelLatency: MetricSeries;
  readonly #overheadLatency: MetricSeries;
  readonly #cacheHit: MetricSeries;
  readonly #loadingWaitTime: MetricSeries;
  readonly #downloadingTime: MetricSeries;
  readonly #loadingTime: MetricSeries;
  readonly #concurrentRequests: MetricSeries;
  readonly #loadedModels: MetricSeries;
  readonly #memory: MetricSeries;
  readonly #gpuMemory: MetricSeries;
  readonly #disk: MetricSeries;
  readonly #models = new Map<string, ModelSeries>();
  #invokedMs = Number.NEGATIVE_INFINITY;

  constructor(sink: MetricSink, endpoint: string, variant: string) {
    this.#sink = sink;
    this.#dimensions = { EndpointName: endpoint, VariantName: variant };
    const series = (namespace: string, name: string, options?: SeriesOptions): MetricSeries =>
      sink.series({ namespace, name, dimensions: this.#dimensions }, options);
    const time = { unit: "Microseconds" } as const;
    const percent = { unit: "Percent" } as const;
    this.#invocations = series(SAGEMAKER, "Invocations");
    this.#perInstance = series(SAGEMAKER, "InvocationsPerInstance");
    this.#clientErrors = series(SAGEMAKER, "Invocation4XXErrors");
    this.#serverErrors = series(SAGEMAKER, "Invocation5XXErrors");
    this.#modelErrors = series(SAGEMAKER, "InvocationModelErrors");
    this.#modelLatency = series(SAGEMAKER, "ModelLatency", time);
    this.#overheadLatency = series(SAGEMAKER, "OverheadLatency", time);
    this.#cacheHit = series(SAGEMAKER, "ModelCacheHit");
    this.#loadingWaitTime = series(SAGEMAKER, "ModelLoadingWaitTime", time);
    this.#downloadingTime = series(SAGEMAKER, "ModelDownloadingTime", time);
    this.#loadingTime = series(SAGEMAKER, "ModelLoadingTime", time);
    this.unloadingTime = series(SAGEMAKER, "ModelUnloadingTime", time);
    this.#concurrentRequests = series(SAGEMAKER, "ConcurrentRequestsPerModel", { resolution: 1 });
    this.#loadedModels = series(SAGEMAKER_ENDPOINTS, "LoadedModelCount");
    this.#memory = series(SAGEMAKER_ENDPOINTS, "MemoryUtilization", percent);
    this.#gpuMemory = series(SAGEMAKER_ENDPOINTS, "GPUMemoryUtilization", percent);
    this.#disk = series(SAGEMAKER_ENDPOINTS, "DiskUtilization", percent);
  }

  invoked(answer: PlatformAnswer, durationUs: number, instances: number, nowMs: number): void {
    const { times, error, cacheHit } = answer;
    this.#invokedMs = nowMs;
    this.#invocations.add(1, nowMs);
    this.#perInstance.add(1 / Math.max(1, instances), nowMs);
    // 0 = the model has not answered.
    const status = error === null ? answer.status : (error.originalStatusCode ?? 0);
    this.#clientErrors.add(status >= 400 && status < 500 ? 1 : 0, nowMs);
    this.#serverErrors.add(status >= 500 ? 1 : 0, nowMs);
    // What the caller did wrong reaches no model.
    this.#modelErrors.add(error === null || error.type === "ValidationError" ? 0 : 1, nowMs);
    if (answer.from === "container" || times.containerUs > 0)
      this.#modelLatency.add(times.containerUs, nowMs);
    this.#overheadLatency.add(Math.max(0, durationUs - times.containerUs), nowMs);
    this.#cacheHit.add(cacheHit ? 1 : 0, nowMs);
    if (!cacheHit) this.#loadingWaitTime.add(times.waitUs, nowMs);
    if (times.downloadUs > 0) this.#downloadingTime.add(times.downloadUs, nowMs);
    if (times.loadUs > 0) this.#loadingTime.add(times.loadUs, nowMs);
  }

  model(targetModel: string): ModelSeries {
    let series = this.#models.get(targetModel);
    if (series === undefined) {
      series = new ModelSeries(this.#sink, { ...this.#dimensions, TargetModel: targetModel });
      this.#models.set(targetModel, series);
    }
    return series;
  }

  sampleRequests(instances: readonly InstanceGauges[], atMs: number): void {
    for (const { requests } of instances) this.#concurrentRequests.add(requests, atMs);
  }

  sampleMinute(instances: readonly InstanceGauges[], atMs: number): void {
    for (const { loadedModels, memory, gpuCount } of instances) {
      if (loadedModels !== null) this.#loadedModels.add(loadedModels, atMs);
      if (memory === null) continue;
      const { used, capacity } = memory;
      if (capacity.host > 0) this.#memory.add((100 * used.host) / capacity.host, atMs);
      if (capacity.gpu > 0) this.#gpuMemory.add((100 * gpuCount * used.gpu) / capacity.gpu, atMs);
      if (capacity.disk > 0) this.#disk.add((100 * used.disk) / capacity.disk, atMs);
    }
    if (instances.length === 0 || this.#invokedMs > atMs - 60_000) return;
    this.#invocations.add(0, atMs);
    this.#perInstance.add(0, atMs);
  }
}

class ModelSeries {
  readonly #invocations: MetricSeries;
  readonly #cacheHit: MetricSeries;
  readonly #latency: MetricSeries;
  readonly #loadingWaitTime: MetricSeries;

  constructor(sink: MetricSink, dimensions: Readonly<Record<string, string>>) {
    const series = (name: string, options?: SeriesOptions): MetricSeries =>
      sink.series({ namespace: TRITON_LOCAL, name, dimensions }, options);
    this.#invocations = series("Invocations");
    this.#cacheHit = series("ModelCacheHit");
    this.#latency = series("ModelLatency", { unit: "Microseconds" });
    this.#loadingWaitTime = series("ModelLoadingWaitTime", { unit: "Microseconds" });
  }

  invoked({ cacheHit, times, from }: PlatformAnswer, nowMs: number): void {
    this.#invocations.add(1, nowMs);
    this.#cacheHit.add(cacheHit ? 1 : 0, nowMs);
    if (from === "container") this.#latency.add(times.containerUs, nowMs);
    if (!cacheHit) this.#loadingWaitTime.add(times.waitUs, nowMs);
  }
}
