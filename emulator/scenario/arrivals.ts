import type { Random } from "../common/random.ts";
import type { Step } from "./schema.ts";

export type Arrivals = Extract<Step, { arrivals: unknown }>;

const SECOND_US = 1_000_000;

/** Between 0 and 1, neither of them. */
const unit = (random: Random): number => (random.nextUint32() + 0.5) / 2 ** 32;

/** Which model the next request is for. */
export type Chooser = () => string;

/** @param models at least one; of `zipf` the first is asked for the most */
export const chooser = (
  { choose = "round-robin", skew = 1 }: Arrivals,
  models: readonly string[],
  random: Random,
): Chooser => {
  let turn = 0;
  switch (choose) {
    case "round-robin":
      return () => models[turn++ % models.length]!;
    case "uniform":
      return () => models[Math.floor(unit(random) * models.length)]!;
    case "zipf": {
      let total = 0;
      const sums = models.map((_, index) => {
        total += (index + 1) ** -skew;
        return total;
      });
      return () => models[firstAbove(sums, unit(random) * total)]!;
    }
  }
};

/** Index of the first sum above the value. */
const firstAbove = (sums: readonly number[], value: number): number => {
  let [low, high] = [0, sums.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
};

/** Microseconds until the next request, and how many come then; `closed` has none: its callers come back by themselves. */
export const nextArrival = (
  words: Arrivals,
  random: Random,
): { readonly afterUs: number; readonly count: number } => {
  switch (words.arrivals) {
    case "poisson":
      return { afterUs: Math.round((-Math.log(unit(random)) * SECOND_US) / (words.rate ?? 1)), count: 1 };
    case "burst":
      return { afterUs: words.every ?? 0, count: words.burst ?? 1 };
    default:
      return { afterUs: Math.round(SECOND_US / (words.rate ?? 1)), count: 1 };
  }
};

/** How many come at the very start. */
export const firstArrivals = ({ arrivals, burst, clients }: Arrivals): number =>
  arrivals === "burst" ? (burst ?? 1) : arrivals === "closed" ? (clients ?? 1) : arrivals === "even" ? 1 : 0;

/** One of the range, each as likely; a range of one draws nothing. */
export const drawFrom = (
  range: { readonly least: number; readonly most: number } | undefined,
  random: Random,
): number => {
  if (range === undefined) return 1;
  const { least, most } = range;
  return least === most ? least : least + Math.floor(unit(random) * (most - least + 1));
};
