import type { DataPoint } from "./data-point.ts";

export const simpleStatistics = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"] as const;

export type SimpleStatistic = (typeof simpleStatistics)[number];

/** Null = the data point does not tell, as a percentile of values that were summed up by their sender. */
export type ReadStatistic = (point: DataPoint) => number | null;

const simple: Readonly<Record<SimpleStatistic, ReadStatistic>> = {
  SampleCount: ({ count }) => count,
  Average: ({ sum, count }) => (count === 0 ? null : sum / count),
  Sum: ({ sum }) => sum,
  Minimum: ({ minimum }) => minimum,
  Maximum: ({ maximum }) => maximum,
};

const percentile = /^p(\d{1,2}(?:\.\d{1,10})?|100)$/;

/** @returns null = no statistic: the five simple ones and percentiles (`p99.9`) are known */
export const readStatistic = (name: string): ReadStatistic | null => {
  if (isSimpleStatistic(name)) return simple[name];
  const percent = percentile.exec(name)?.[1];
  return percent === undefined ? null : (point) => point.percentile(Number(percent));
};

export const isSimpleStatistic = (name: string): name is SimpleStatistic => Object.hasOwn(simple, name);
