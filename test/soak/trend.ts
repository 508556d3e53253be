import type { ProcessTreeUsage } from "../support/process-tree.ts";

export interface Sample extends ProcessTreeUsage {
  /** Since the start of the traffic. */
  readonly seconds: number;
  /** Of the main thread after a collection: heap, and buffers outside of it. */
  readonly liveBytes: number;
}

/** Part of the run in which caches, pools and compiled code are still growing. */
const WARM_UP_SHARE = 0.4;
/** Megabytes a minute of what is alive: less than a hundred bytes for each of the requests. */
export const MAX_LIVE_GROWTH = 0.5;
/**
 * Megabytes a minute of resident memory, where a leak of the runtime would be seen: some kB for each load. The allocator
 * and the collector's timing move it by that much without one.
 */
export const MAX_RESIDENT_GROWTH = 4;
/** Connections that happen to be open at the moment of a sample. */
export const MAX_MORE_HANDLES = 20;

/** Why the samples look like a leak; empty when they do not. */
export function leaksIn(samples: readonly Sample[]): readonly string[] {
  const { liveGrowth, residentGrowth, moreHandles, moreThreads } = trendOf(samples);
  const leaks: string[] = [];
  const check = (what: string, growth: number, limit: number): void => {
    if (growth > limit)
      leaks.push(`${what} memory grows by ${growth.toFixed(2)} MB a minute (limit ${limit})`);
  };
  check("live", liveGrowth, MAX_LIVE_GROWTH);
  check("resident", residentGrowth, MAX_RESIDENT_GROWTH);
  if (moreHandles > MAX_MORE_HANDLES)
    leaks.push(`${moreHandles} more open handles (limit ${MAX_MORE_HANDLES})`);
  if (moreThreads > 0) leaks.push(`${moreThreads} more threads`);
  return leaks;
}

/**
 * Growth after the warm-up. Memory: slope of a line through the lowest sample of each of ten equal spans, in megabytes a
 * minute. Handles and threads: lowest of the last third less lowest of the first.
 */
export function trendOf(samples: readonly Sample[]) {
  const warm = samples.slice(Math.floor(samples.length * WARM_UP_SHARE));
  const growth = (bytes: (sample: Sample) => number): number => {
    const lows = inSpans(warm, 10).map((span) => span.reduce((a, b) => (bytes(b) < bytes(a) ? b : a)));
    return slope(lows.map((sample) => [sample.seconds / 60, bytes(sample) / 1e6]));
  };
  const thirds = inSpans(warm, 3);
  const lowest = (span: readonly Sample[] | undefined, pick: (sample: Sample) => number) =>
    Math.min(...(span ?? []).map(pick));
  const more = (pick: (sample: Sample) => number) => lowest(thirds.at(-1), pick) - lowest(thirds[0], pick);
  return {
    liveGrowth: growth(({ liveBytes }) => liveBytes),
    residentGrowth: growth(({ rssBytes }) => rssBytes),
    moreHandles: more(({ handles }) => handles),
    moreThreads: more(({ threads }) => threads),
  };
}

function inSpans(samples: readonly Sample[], count: number): readonly (readonly Sample[])[] {
  const size = samples.length / count;
  return Array.from({ length: count }, (_, i) =>
    samples.slice(Math.floor(i * size), Math.floor((i + 1) * size)),
  ).filter((span) => span.length > 0);
}

/** Least squares. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
