import type { ModelIdentifier } from "../model-identifier.ts";

/** The `reason` label of nv_inference_request_failure, in the order the series are created. */
export const failureReasons = ["REJECTED", "CANCELED", "BACKEND", "OTHER"] as const;
export type FailureReason = (typeof failureReasons)[number];

/** Durations of one request in microseconds, for the latency summaries; null = the response cache answered it. */
export interface RequestLatencies {
  readonly request: number;
  readonly queue: number;
  readonly computeInput: number | null;
  readonly computeInfer: number | null;
  readonly computeOutput: number | null;
}

/** What `/metrics` shows of one model version. Durations are microseconds, truncated per request as the real server does. */
export class ModelMetrics {
  readonly namespace: string;
  readonly model: string;
  readonly version: string;
  /** `metric_tags` of the configuration, label name without the leading `_`. */
  readonly tags: ReadonlyMap<string, string>;
  readonly failures: Record<FailureReason, number>;
  /** The model asks for the response cache, whether the server has one or not. */
  readonly caching: boolean;
  success = 0;
  inferences = 0;
  executions = 0;
  requestUs = 0;
  queueUs = 0;
  computeInputUs = 0;
  computeInferUs = 0;
  computeOutputUs = 0;
  cacheHits = 0;
  cacheHitUs = 0;
  cacheMisses = 0;
  cacheMissUs = 0;
  /** Queued and not yet executing. */
  pending = 0;
  readonly #counting: boolean;
  readonly #onLatencies: ((latencies: RequestLatencies) => void) | null;

  constructor(
    identifier: ModelIdentifier,
    version: string,
    tags: ReadonlyMap<string, string>,
    failures: Record<FailureReason, number>,
    caching: boolean,
    counting: boolean,
    onLatencies: ((latencies: RequestLatencies) => void) | null,
  ) {
    this.namespace = identifier.namespace;
    this.model = identifier.name;
    this.version = version;
    this.tags = tags;
    this.failures = failures;
    this.caching = caching;
    this.#counting = counting;
    this.#onLatencies = onLatencies;
  }

  reset(): void {
    this.success = 0;
    this.inferences = 0;
    this.executions = 0;
    this.requestUs = 0;
    this.queueUs = 0;
    this.computeInputUs = 0;
    this.computeInferUs = 0;
    this.computeOutputUs = 0;
    this.cacheHits = 0;
    this.cacheHitUs = 0;
    this.cacheMisses = 0;
    this.cacheMissUs = 0;
  }

  recordExecution(): void {
    if (this.#counting) this.executions++;
  }

  recordSuccess(
    rows: number,
    request: number,
    queue: number,
    computeInput: number,
    computeInfer: number,
    computeOutput: number,
  ): void {
    this.#onLatencies?.({ request, queue, computeInput, computeInfer, computeOutput });
    if (!this.#counting) return;
    this.success++;
    this.inferences += rows;
    this.requestUs += Math.floor(request);
    this.queueUs += Math.floor(queue);
    this.computeInputUs += Math.floor(computeInput);
    this.computeInferUs += Math.floor(computeInfer);
    this.computeOutputUs += Math.floor(computeOutput);
  }

  recordCacheHit(request: number, queue: number, lookup: number): void {
    this.#onLatencies?.({ request, queue, computeInput: null, computeInfer: null, computeOutput: null });
    if (!this.#counting) return;
    this.success++;
    this.requestUs += Math.floor(request);
    this.queueUs += Math.floor(queue);
    this.cacheHits++;
    this.cacheHitUs += Math.floor(lookup);
  }

  recordCacheMiss(us: number): void {
    if (!this.#counting) return;
    this.requestUs += Math.floor(us);
    this.cacheMisses++;
    this.cacheMissUs += Math.floor(us);
  }

  recordFailure(reason: FailureReason): void {
    if (this.#counting) this.failures[reason]++;
  }
}
