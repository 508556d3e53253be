import type { ModelMetrics, RequestLatencies } from "../../core/statistics/model-metrics.ts";

export interface SummarySeries {
  readonly metrics: ModelMetrics;
  readonly count: number;
  readonly sum: number;
  readonly quantiles: readonly { readonly quantile: string; readonly value: number }[];
}

export interface SummaryFamily {
  readonly name: string;
  readonly help: string;
  readonly series: readonly SummarySeries[];
}

/** Quantiles look back this far, as in the real server. */
const WINDOW_MS = 60_000;
/** Samples kept for a series and window; later ones replace the oldest. */
const MAX_SAMPLES = 10_000;

const families: readonly {
  readonly name: string;
  readonly help: string;
  readonly key: keyof RequestLatencies;
}[] = [
  {
    name: "nv_inference_request_summary_us",
    help: "Summary of inference request duration in microseconds (includes cached requests)",
    key: "request",
  },
  {
    name: "nv_inference_queue_summary_us",
    help: "Summary of inference queuing duration in microseconds (includes cached requests)",
    key: "queue",
  },
  {
    name: "nv_inference_compute_input_summary_us",
    help: "Cumulative compute input duration in microseconds (does not include cached requests)",
    key: "computeInput",
  },
  {
    name: "nv_inference_compute_infer_summary_us",
    help: "Cumulative compute inference duration in microseconds (does not include cached requests)",
    key: "computeInfer",
  },
  {
    name: "nv_inference_compute_output_summary_us",
    help: "Cumulative inference compute output duration in microseconds (does not include cached requests)",
    key: "computeOutput",
  },
];

class Series {
  count = 0;
  sum = 0;
  #next = 0;
  readonly #samples: { readonly atMs: number; readonly value: number }[] = [];

  add(value: number, atMs: number): void {
    this.count++;
    this.sum += value;
    this.#samples[this.#next] = { atMs, value };
    this.#next = (this.#next + 1) % MAX_SAMPLES;
  }

  quantile(q: number, nowMs: number): number {
    const recent = this.#samples
      .filter(({ atMs }) => nowMs - atMs <= WINDOW_MS)
      .map(({ value }) => value)
      .sort((a, b) => a - b);
    if (recent.length === 0) return Number.NaN;
    return recent[Math.min(recent.length - 1, Math.max(0, Math.ceil(q * recent.length) - 1))]!;
  }
}

/** `--metrics-config summary_latencies=true`: latency quantiles of each loaded version. */
export class LatencySummaries {
  readonly #quantiles: readonly number[];
  readonly #nowMs: () => number;
  readonly #series = new Map<ModelMetrics, Record<keyof RequestLatencies, Series>>();

  /** @param quantiles each in 0 to 1 */
  constructor(quantiles: readonly number[], nowMs: () => number) {
    this.#quantiles = quantiles;
    this.#nowMs = nowMs;
  }

  record(metrics: ModelMetrics, latencies: RequestLatencies): void {
    let series = this.#series.get(metrics);
    if (series === undefined) {
      series = {
        request: new Series(),
        queue: new Series(),
        computeInput: new Series(),
        computeInfer: new Series(),
        computeOutput: new Series(),
      };
      this.#series.set(metrics, series);
    }
    const now = this.#nowMs();
    for (const { key } of families) {
      const us = latencies[key];
      if (us !== null) series[key].add(Math.floor(us), now);
    }
  }

  /** Forgets versions that are no longer loaded. */
  keepOnly(loaded: readonly ModelMetrics[]): void {
    const alive = new Set(loaded);
    for (const metrics of this.#series.keys()) if (!alive.has(metrics)) this.#series.delete(metrics);
  }

  read(): readonly SummaryFamily[] {
    const now = this.#nowMs();
    return families.map(({ name, help, key }) => ({
      name,
      help,
      series: [...this.#series].map(([metrics, series]) => ({
        metrics,
        count: series[key].count,
        sum: series[key].sum,
        quantiles: this.#quantiles.map((quantile) => ({
          quantile: String(quantile),
          value: series[key].quantile(quantile, now),
        })),
      })),
    }));
  }
}
