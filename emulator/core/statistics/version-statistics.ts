import type { ExecutionReport } from "../backend.ts";
import type { FailureReason, ModelMetrics } from "./model-metrics.ts";
import type { ModelStatistics, StatisticDuration } from "./model-statistics.ts";

class Duration {
  count = 0;
  #us = 0;

  add(us: number): void {
    this.count++;
    this.#us += us;
  }

  /** More time for what was counted. */
  prolong(us: number): void {
    this.#us += us;
  }

  read(): StatisticDuration {
    return { count: this.count, ns: Math.round(this.#us * 1000) };
  }
}

interface BatchDurations {
  readonly input: Duration;
  readonly infer: Duration;
  readonly output: Duration;
}

/**
 * What one loaded version counts; a full reload starts from zero while `metrics` goes on (spec/triton-core.md 4.6).
 * Compute times are charged in full to every request of a batch.
 */
export class VersionStatistics {
  readonly metrics: ModelMetrics;
  #lastInferenceMs = 0;
  #inferences = 0;
  #executions = 0;
  readonly #success = new Duration();
  readonly #fail = new Duration();
  readonly #queue = new Duration();
  readonly #input = new Duration();
  readonly #infer = new Duration();
  readonly #output = new Duration();
  readonly #cacheHit = new Duration();
  readonly #cacheMiss = new Duration();
  readonly #batches = new Map<number, BatchDurations>();

  constructor(metrics: ModelMetrics) {
    this.metrics = metrics;
  }

  /** One run of a backend over `batchSize` rows. */
  recordExecution(batchSize: number, report: ExecutionReport, epochMs: number): void {
    this.#executions++;
    this.#lastInferenceMs = epochMs;
    let durations = this.#batches.get(batchSize);
    if (durations === undefined) {
      durations = { input: new Duration(), infer: new Duration(), output: new Duration() };
      this.#batches.set(batchSize, durations);
    }
    durations.input.add(report.computeInputEndUs - report.computeStartUs);
    durations.infer.add(report.computeOutputStartUs - report.computeInputEndUs);
    durations.output.add(report.computeEndUs - report.computeOutputStartUs);
  }

  /** @param arrivedUs, queuedUs, nowUs clock times of the request's start, of its queueing and of its last response */
  recordSuccess(
    batchSize: number,
    arrivedUs: number,
    queuedUs: number,
    nowUs: number,
    report: ExecutionReport,
  ): void {
    const rows = Math.max(1, batchSize);
    const queue = report.computeStartUs - queuedUs;
    const input = report.computeInputEndUs - report.computeStartUs;
    const infer = report.computeOutputStartUs - report.computeInputEndUs;
    const output = report.computeEndUs - report.computeOutputStartUs;
    this.#inferences += rows;
    this.#success.add(nowUs - arrivedUs);
    this.#queue.add(queue);
    this.#input.add(input);
    this.#infer.add(infer);
    this.#output.add(output);
    this.metrics.recordSuccess(rows, nowUs - arrivedUs, queue, input, infer, output);
  }

  /** A request that the response cache answered. @param queueUs, lookupUs how long it waited and was looked up */
  recordCacheHit(arrivedUs: number, queueUs: number, lookupUs: number, nowUs: number): void {
    this.#success.add(nowUs - arrivedUs);
    this.#queue.add(queueUs);
    this.#cacheHit.add(lookupUs);
    this.metrics.recordCacheHit(nowUs - arrivedUs, queueUs, lookupUs);
  }

  /** Beside what is recorded of the execution. @param us of the lookup and of keeping the answer */
  recordCacheMiss(us: number): void {
    this.#success.prolong(us);
    this.#cacheMiss.add(us);
    this.metrics.recordCacheMiss(us);
  }

  recordFailure(reason: FailureReason, arrivedUs: number, nowUs: number): void {
    this.#fail.add(nowUs - arrivedUs);
    this.metrics.recordFailure(reason);
  }

  read(name: string, version: string): ModelStatistics {
    return {
      name,
      version,
      last_inference: this.#lastInferenceMs,
      inference_count: this.#inferences,
      execution_count: this.#executions,
      inference_stats: {
        success: this.#success.read(),
        fail: this.#fail.read(),
        queue: this.#queue.read(),
        compute_input: this.#input.read(),
        compute_infer: this.#infer.read(),
        compute_output: this.#output.read(),
        cache_hit: this.#cacheHit.read(),
        cache_miss: this.#cacheMiss.read(),
      },
      batch_stats: [...this.#batches]
        .sort(([a], [b]) => a - b)
        .map(([batch_size, { input, infer, output }]) => ({
          batch_size,
          compute_input: input.read(),
          compute_infer: infer.read(),
          compute_output: output.read(),
        })),
    };
  }
}
