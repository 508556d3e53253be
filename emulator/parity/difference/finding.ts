import { ABSENT, type Divergence } from "./compare-json.ts";

/** A difference that was seen, once for all requests that show the same. */
export interface Finding {
  readonly surface: string;
  /** What makes it the same as another one. */
  readonly key: string;
  /** `<surface>:<number>` of the first request that showed it; with the seed it makes that request again. */
  readonly first: string;
  count: number;
  /** Sends the smallest request that shows it; for a sequence, its steps. */
  readonly command: string;
  /** Both answers to that. */
  readonly ours: string;
  readonly theirs: string;
  /** Where the answers to that request are not the same. */
  readonly divergences: readonly Divergence[];
  /** False where sending the request again did not show it: it hung on what had come before. */
  readonly again: boolean;
  /** Name of the entry of accepted-differences.json that covers it; null = a difference nobody has explained. */
  readonly accepted: string | null;
}

/** One of the two failed: then they have counted something else, and so will their statistics and metrics. */
export const countsDiffer = (divergences: readonly Divergence[]): boolean =>
  divergences.some(
    ({ where, ours, theirs }) =>
      where === "status" ||
      where === "code" ||
      (where.endsWith("/error_message") && (ours === ABSENT || theirs === ABSENT)),
  );

/** Alike where only numbers and quoted names differ, so that one mistake is found once and not in a hundred requests. */
export const keyOf = (divergences: readonly Divergence[]): string => {
  const [first] = divergences;
  if (first === undefined) return "";
  const alike = (text: string): string =>
    text
      .slice(0, 300)
      .replace(/'[^']*'/g, "'*'")
      .replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/g, "#");
  return `${alike(first.where)} | ${alike(first.ours)} | ${alike(first.theirs)}`;
};
