import type { Clock } from "../../common/clock.ts";
import { DataPoint } from "./data-point.ts";
import type { MetricIdentity, MetricSeries, MetricSink, SeriesOptions } from "./metric-sink.ts";
import type { StandardUnit } from "./standard-unit.ts";

/** How long CloudWatch keeps data points of which length; they are then put together into longer ones. */
const levels = [
  { seconds: 1, keptSeconds: 3 * 3600 },
  { seconds: 60, keptSeconds: 15 * 86_400 },
  { seconds: 300, keptSeconds: 63 * 86_400 },
  { seconds: 3600, keptSeconds: 455 * 86_400 },
] as const;

/** A metric that gets no data for so long is listed no more. */
const LISTED_MS = 14 * 86_400_000;

/** Numbers that are held at most, 8 and more a data point; about 100 MB. */
const MAX_NUMBERS = 2_000_000;

const TIDY_MS = 60_000;

export interface ListedMetric extends MetricIdentity {
  /** When it last got data, milliseconds since 1970 of the clock. */
  readonly lastPutMs: number;
}

/** Seconds since 1970; periods begin at `startS`. */
export interface TimeRange {
  readonly startS: number;
  /** Not included. */
  readonly endS: number;
  readonly periodS: number;
}

/** All metrics in memory, as CloudWatch keeps them: finer data ages into coarser. What is oldest goes first when memory is short. */
export class MetricStore implements MetricSink {
  readonly #clock: Clock;
  readonly #maxNumbers: number;
  readonly #metrics = new Map<string, StoredMetric>();
  #tidiedMs = Number.NEGATIVE_INFINITY;
  /** Since it was last counted. */
  #newNumbers = 0;

  constructor(clock: Clock, { maxNumbers = MAX_NUMBERS }: { readonly maxNumbers?: number } = {}) {
    this.#clock = clock;
    this.#maxNumbers = maxNumbers;
  }

  put(
    namespace: string,
    metric: string,
    dimensions: Readonly<Record<string, string>>,
    value: number,
    unit: StandardUnit,
    atUs: number,
  ): void {
    const epochMs = this.#clock.epochMs() - (this.#clock.now() - atUs) / 1000;
    this.series({ namespace, name: metric, dimensions }, { unit }).add(value, epochMs);
  }

  series(metric: MetricIdentity, { unit = "None", resolution = 60 }: SeriesOptions = {}): MetricSeries {
    const slotMs = resolution * 1000;
    let series: StoredSeries | null = null;
    return {
      add: (value, epochMs) => {
        const start = Math.floor(epochMs / slotMs) * resolution;
        let point = series?.listed ? series.levels[indexOf(resolution)]?.points.get(start) : undefined;
        if (point === undefined) {
          this.#tidy();
          series = this.#seriesOf(metric, unit);
          point = this.#pointOf(series, resolution, start);
        }
        point.add(value);
      },
    };
  }

  /** The data point to which something measured then belongs. It is valid in this turn. */
  pointAt(
    metric: MetricIdentity,
    { unit = "None", resolution = 60 }: SeriesOptions,
    epochMs: number,
  ): DataPoint {
    this.#tidy();
    const seconds = Math.floor(epochMs / (resolution * 1000)) * resolution;
    return this.#pointOf(this.#seriesOf(metric, unit), resolution, seconds);
  }

  /**
   * Data points by unit and by the start of their period.
   * @param unit absent = all
   */
  read(
    metric: MetricIdentity,
    range: TimeRange,
    unit?: StandardUnit,
  ): Map<StandardUnit, Map<number, DataPoint>> {
    this.#tidy();
    const found = new Map<StandardUnit, Map<number, DataPoint>>();
    for (const [each, series] of this.#metrics.get(keyOf(metric))?.units ?? []) {
      if (unit !== undefined && unit !== each) continue;
      const points = readSeries(series, range);
      if (points.size > 0) found.set(each, points);
    }
    return found;
  }

  /** As `read`, all units together. */
  readMerged(metric: MetricIdentity, range: TimeRange, unit?: StandardUnit): Map<number, DataPoint> {
    const [first, ...others] = this.read(metric, range, unit).values();
    const merged = first ?? new Map<number, DataPoint>();
    for (const points of others) {
      for (const [start, point] of points) {
        const into = merged.get(start);
        if (into === undefined) merged.set(start, point);
        else into.merge(point);
      }
    }
    return merged;
  }

  /** By namespace, name and dimensions. */
  list(): ListedMetric[] {
    this.#tidy();
    const since = this.#clock.epochMs() - LISTED_MS;
    return [...this.#metrics]
      .filter(([, { lastPutMs }]) => lastPutMs >= since)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { identity, lastPutMs }]) => ({ ...identity, lastPutMs }));
  }

  clear(): void {
    for (const metric of this.#metrics.values()) forget(metric);
    this.#metrics.clear();
  }

  #seriesOf(metric: MetricIdentity, unit: StandardUnit): StoredSeries {
    const key = keyOf(metric);
    let stored = this.#metrics.get(key);
    if (stored === undefined) {
      stored = { identity: sorted(metric), units: new Map(), lastPutMs: 0 };
      this.#metrics.set(key, stored);
    }
    stored.lastPutMs = this.#clock.epochMs();
    let series = stored.units.get(unit);
    if (series === undefined) {
      series = { listed: true, levels: [] };
      stored.units.set(unit, series);
    }
    return series;
  }

  #pointOf(series: StoredSeries, resolution: 1 | 60, start: number): DataPoint {
    const level = levelOf(series, indexOf(resolution));
    let point = level.points.get(start);
    if (point === undefined) {
      point = new DataPoint();
      level.points.set(start, point);
      level.oldest = Math.min(level.oldest, start);
      this.#newNumbers += point.size;
    }
    return point;
  }

  #tidy(): void {
    const nowMs = this.#clock.epochMs();
    if (nowMs - this.#tidiedMs < TIDY_MS && this.#newNumbers < this.#maxNumbers / 10) return;
    this.#tidiedMs = nowMs;
    this.#newNumbers = 0;
    let numbers = 0;
    for (const { units } of this.#metrics.values())
      for (const series of units.values()) numbers += age(series, nowMs / 1000);
    if (numbers > this.#maxNumbers) this.#dropOldest(numbers - 0.9 * this.#maxNumbers);
    this.#forgetEmpty();
  }

  #dropOldest(numbers: number): void {
    const all: { readonly start: number; readonly size: number; readonly points: Map<number, DataPoint> }[] =
      [];
    for (const { units } of this.#metrics.values()) {
      for (const series of units.values()) {
        series.levels.forEach(({ points }) => {
          for (const [start, { size }] of points) all.push({ start, size, points });
        });
      }
    }
    all.sort((a, b) => a.start - b.start);
    let left = numbers;
    for (const { start, size, points } of all) {
      if (left <= 0) break;
      points.delete(start);
      left -= size;
    }
  }

  #forgetEmpty(): void {
    for (const [key, metric] of this.#metrics) {
      for (const [unit, series] of metric.units) {
        if (series.levels.some(({ points }) => points.size > 0)) continue;
        series.listed = false;
        metric.units.delete(unit);
      }
      if (metric.units.size === 0) this.#metrics.delete(key);
    }
  }
}

interface StoredMetric {
  readonly identity: MetricIdentity;
  readonly units: Map<StandardUnit, StoredSeries>;
  lastPutMs: number;
}

/** Data points by their start in seconds. */
interface Level {
  readonly points: Map<number, DataPoint>;
  oldest: number;
}

interface StoredSeries {
  /** False = the store has forgotten it. */
  listed: boolean;
  /** By the index in the table of `levels`; with holes where there never was one of that length. */
  readonly levels: Level[];
}

const indexOf = (resolution: 1 | 60): number => (resolution === 1 ? 0 : 1);

const levelOf = ({ levels: known }: StoredSeries, index: number): Level => {
  let level = known[index];
  if (level === undefined) {
    level = { points: new Map(), oldest: Number.POSITIVE_INFINITY };
    known[index] = level;
  }
  return level;
};

const forget = ({ units }: StoredMetric): void => {
  for (const series of units.values()) series.listed = false;
};

const sorted = ({ namespace, name, dimensions }: MetricIdentity): MetricIdentity => ({
  namespace,
  name,
  dimensions: Object.fromEntries(Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1))),
});

/** No text of CloudWatch has a NUL in it. */
const keyOf = ({ namespace, name, dimensions }: MetricIdentity): string => {
  const pairs = Object.entries(dimensions).map(([key, value]) => `${key}\0${value}`);
  return [namespace, name, ...pairs.sort()].join("\0");
};

/** Puts what is too old for its level into the next. @returns numbers held */
const age = (series: StoredSeries, nowS: number): number => {
  let numbers = 0;
  for (const [index, { keptSeconds }] of levels.entries()) {
    const level = series.levels[index];
    if (level === undefined) continue;
    if (level.oldest < nowS - keptSeconds) ageLevel(series, index, nowS - keptSeconds);
    for (const { size } of level.points.values()) numbers += size;
  }
  return numbers;
};

const ageLevel = (series: StoredSeries, index: number, beforeS: number): void => {
  const level = levelOf(series, index);
  const longer = levels[index + 1];
  level.oldest = Number.POSITIVE_INFINITY;
  for (const [start, point] of level.points) {
    if (start >= beforeS) {
      level.oldest = Math.min(level.oldest, start);
      continue;
    }
    level.points.delete(start);
    if (longer === undefined) continue;
    const coarser = levelOf(series, index + 1);
    const slot = Math.floor(start / longer.seconds) * longer.seconds;
    const into = coarser.points.get(slot) ?? new DataPoint();
    into.merge(point);
    coarser.points.set(slot, into);
    coarser.oldest = Math.min(coarser.oldest, slot);
  }
};

const readSeries = (series: StoredSeries, { startS, endS, periodS }: TimeRange): Map<number, DataPoint> => {
  const read = new Map<number, DataPoint>();
  const take = (start: number, point: DataPoint | undefined) => {
    if (point === undefined || start < startS || start >= endS) return;
    const slot = startS + Math.floor((start - startS) / periodS) * periodS;
    const into = read.get(slot) ?? new DataPoint();
    into.merge(point);
    read.set(slot, into);
  };
  series.levels.forEach(({ points }, index) => {
    const { seconds } = levels[index]!;
    if (points.size === 0 || seconds > periodS) return;
    if ((endS - startS) / seconds > points.size) for (const [start, point] of points) take(start, point);
    else
      for (let start = Math.ceil(startS / seconds) * seconds; start < endS; start += seconds)
        take(start, points.get(start));
  });
  return read;
};
