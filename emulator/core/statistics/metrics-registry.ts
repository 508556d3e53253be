import type { ModelIdentifier } from "../model-identifier.ts";
import { type FailureReason, failureReasons, ModelMetrics, type RequestLatencies } from "./model-metrics.ts";

export interface MetricsOptions {
  /** `--metrics-config counter_latencies`: false stops every counter, as seen on 2.51.0. */
  readonly counting: boolean;
  /** `--metrics-config summary_latencies`; called for every successful request. */
  readonly onLatencies: ((metrics: ModelMetrics, latencies: RequestLatencies) => void) | null;
}

/** What tells the series of one model version from others. */
export interface SeriesLabels {
  /** "" = none. */
  readonly namespace: string;
  readonly model: string;
  readonly version: string;
  readonly tags: ReadonlyMap<string, string>;
}

const keyOf = ({ namespace, model, version, tags }: SeriesLabels): string =>
  JSON.stringify([namespace, model, version, ...tags]);

interface Entry {
  readonly metrics: ModelMetrics;
  users: number;
}

/**
 * The series of all model versions. Those of a version live while any copy of it does, so a reload continues them and an
 * unload ends them, except the failure counters, which stay and go on after the next load (seen on 2.51.0).
 */
export class MetricsRegistry {
  readonly #options: MetricsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #failures = new Map<string, SeriesLabels & { readonly counts: Record<FailureReason, number> }>();

  constructor(options: MetricsOptions) {
    this.#options = options;
  }

  /** @param caching whether the configuration asks for the response cache */
  acquire(
    identifier: ModelIdentifier,
    version: string,
    tags: ReadonlyMap<string, string>,
    caching = false,
  ): ModelMetrics {
    const { namespace, name: model } = identifier;
    const key = keyOf({ namespace, model, version, tags });
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.users++;
      return known.metrics;
    }
    let failures = this.#failures.get(key);
    if (failures === undefined) {
      const counts: Record<FailureReason, number> = { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 };
      failures = { namespace, model, version, tags, counts };
      this.#failures.set(key, failures);
    }
    const { onLatencies } = this.#options;
    const metrics: ModelMetrics = new ModelMetrics(
      identifier,
      version,
      tags,
      failures.counts,
      caching,
      this.#options.counting,
      onLatencies === null ? null : (latencies) => onLatencies(metrics, latencies),
    );
    this.#entries.set(key, { metrics, users: 1 });
    return metrics;
  }

  release(metrics: ModelMetrics): void {
    const key = keyOf(metrics);
    const entry = this.#entries.get(key);
    if (entry !== undefined && --entry.users === 0) this.#entries.delete(key);
  }

  /** Versions that have a loaded copy. */
  models(): ModelMetrics[] {
    return [...this.#entries.values()].map((entry) => entry.metrics);
  }

  /** Sets every counter back to 0; what waits goes on being counted as pending. */
  reset(): void {
    for (const { metrics } of this.#entries.values()) metrics.reset();
    for (const { counts } of this.#failures.values()) {
      for (const reason of failureReasons) counts[reason] = 0;
    }
  }

  /** Failure counters of every version that was ever loaded, all reasons. */
  failures(): (SeriesLabels & { readonly reason: FailureReason; readonly count: number })[] {
    return [...this.#failures.values()].flatMap(({ counts, ...labels }) =>
      failureReasons.map((reason) => ({ ...labels, reason, count: counts[reason] })),
    );
  }
}
