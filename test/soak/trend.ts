import type { ProcessTreeUsage } from "../support/process-tree.ts";

export interface Sample extends ProcessTreeUsage {
  /** Since the start of the traffic. */
  readonly seconds: number;
}

/** Part of the run after which handles and threads are no longer to grow. */
const WARM_UP_SHARE = 0.4;
/**
 * Part of the run in which caches, pools, compiled code and the allocator's arenas are still growing. Loads alone level
 * off after about 10,000 of them (222, 227, 229, 233, 230 MB after each 5,000), which is more than half of ten minutes.
 */
const MEMORY_WARM_UP_SHARE = 0.6;
/** What a run of ten minutes may take more at its end without being called a leak: 6 MB in its last four minutes. */
export const MAX_GROWTH_MB_PER_MINUTE = 1.5;
/** Connections that happen to be open at the moment of a sample. */
export const MAX_MORE_HANDLES = 20;

/** Why the samples look like a leak; empty when they do not. */
export function leaksIn(samples: readonly Sample[]): readonly string[] {
  const { growthMBPerMinute, moreHandles, moreThreads } = trendOf(samples);
  const leaks: string[] = [];
  if (growthMBPerMinute > MAX_GROWTH_MB_PER_MINUTE) {
    leaks.push(
      `memory grows by ${growthMBPerMinute.toFixed(2)} MB a minute (limit ${MAX_GROWTH_MB_PER_MINUTE})`,
    );
  }
  if (moreHandles > MAX_MORE_HANDLES)
    leaks.push(`${moreHandles} more open handles (limit ${MAX_MORE_HANDLES})`);
  if (moreThreads > 0) leaks.push(`${moreThreads} more threads`);
  return leaks;
}

/**
 * Growth after the warm-up. Memory: slope of a line through the lowest sample of each of six equal spans, because only
 * what is left after a garbage collection counts. Handles and threads: lowest of the last third less lowest of the first.
 */
export function trendOf(samples: readonly Sample[]) {
  const after = (share: number) => samples.slice(Math.floor(samples.length * share));
  const spans = inSpans(after(MEMORY_WARM_UP_SHARE), 6).map((span) =>
    span.reduce((a, b) => (b.rssBytes < a.rssBytes ? b : a)),
  );
  const thirds = inSpans(after(WARM_UP_SHARE), 3);
  const lowest = (span: readonly Sample[] | undefined, pick: (sample: Sample) => number) =>
    Math.min(...(span ?? []).map(pick));
  const more = (pick: (sample: Sample) => number) => lowest(thirds.at(-1), pick) - lowest(thirds[0], pick);
  return {
    growthMBPerMinute: slope(spans.map(({ seconds, rssBytes }) => [seconds / 60, rssBytes / 1e6])),
    moreHandles: more((sample) => sample.handles),
    moreThreads: more((sample) => sample.threads),
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
