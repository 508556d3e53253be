import { ratiosOf, type Spread, spreadOf } from "./rounds.ts";

/** A figure that the project promises. */
export interface Target {
  /** Whether the limit is for the ratio or for our own value. */
  readonly of: "ratio" | "ours";
  readonly atMost?: number;
  readonly atLeast?: number;
  readonly aim?: number;
}

/** One line of the table. */
export interface Row {
  readonly section: string;
  readonly what: string;
  readonly unit: string;
  /** Median over the rounds, by subject. */
  readonly values: Readonly<Record<string, number>>;
  /** Ours to the subject named. */
  readonly ratio: (Spread & { readonly to: string }) | null;
  readonly target: Target | null;
}

export const OURS = "ours";
export const REAL = "real server";

/**
 * A row from what every round gave.
 * @param rounds by subject, one value a round; a subject that was not measured is left out
 * @param to what the ratio compares with; without it no ratio
 */
export function rowOf(
  section: string,
  what: string,
  unit: string,
  rounds: ReadonlyMap<string, readonly number[]>,
  target: Target | null = null,
  to = REAL,
): Row {
  const values = Object.fromEntries([...rounds].map(([name, series]) => [name, spreadOf(series).median]));
  const ours = rounds.get(OURS);
  const base = rounds.get(to);
  if (ours === undefined || base === undefined || base.includes(0)) {
    return { section, what, unit, values, ratio: null, target };
  }
  const ratio = { ...ratiosOf(ours, base), to };
  return { section, what, unit, values, ratio, target };
}

export type Verdict = "met" | "missed" | "not checked" | "";

export function verdictOf(row: Row): Verdict {
  const { target } = row;
  if (target === null) return "";
  const figure = target.of === "ratio" ? row.ratio?.median : row.values[OURS];
  if (figure === undefined) return "not checked";
  if (target.atMost !== undefined && figure > target.atMost) return "missed";
  if (target.atLeast !== undefined && figure < target.atLeast) return "missed";
  return "met";
}
