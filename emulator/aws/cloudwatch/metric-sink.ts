import type { StandardUnit } from "./standard-unit.ts";

/** A metric's name within its namespace. Order of the dimensions does not matter. */
export interface MetricIdentity {
  readonly namespace: string;
  readonly name: string;
  /** Name to value, e.g. `{ EndpointName: "e", VariantName: "AllTraffic" }`. */
  readonly dimensions: Readonly<Record<string, string>>;
}

export interface SeriesOptions {
  /** Default `None`. */
  readonly unit?: StandardUnit;
  /** Seconds that one data point stands for at least: 1 = high resolution. Default 60. */
  readonly resolution?: 1 | 60;
}

/** One metric in one unit, for who measures often: no look-up for each value. */
export interface MetricSeries {
  /** @param epochMs when it was measured, milliseconds since 1970 */
  add(value: number, epochMs: number): void;
}

/** Takes what is measured. */
export interface MetricSink {
  /** @param atUs when it was measured, microseconds of the clock */
  put(
    namespace: string,
    metric: string,
    dimensions: Readonly<Record<string, string>>,
    value: number,
    unit: StandardUnit,
    atUs: number,
  ): void;
  series(metric: MetricIdentity, options?: SeriesOptions): MetricSeries;
}
