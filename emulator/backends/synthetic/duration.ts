import type { Random } from "../../common/random.ts";

/** How long something takes, in microseconds: the same each time, or drawn. */
export type Duration =
  | { readonly kind: "fixed"; readonly us: number }
  | { readonly kind: "uniform"; readonly lowestUs: number; readonly highestUs: number }
  | { readonly kind: "normal"; readonly meanUs: number; readonly deviationUs: number }
  /** `deviation` is that of the natural logarithm, so it has no unit. */
  | { readonly kind: "lognormal"; readonly medianUs: number; readonly deviation: number }
  | { readonly kind: "exponential"; readonly meanUs: number };

/** What `parseDuration` takes, for error texts. */
export const durationSyntax =
  "microseconds from 0 to 86400000000 (a day), uniform(lowest,highest), normal(mean,deviation), " +
  "lognormal(median,deviation of the logarithm, at most 10) or exponential(mean)";

const LONGEST_US = 86_400_000_000;
const LARGEST_LOG_DEVIATION = 10;

/** Null where the text is none of `durationSyntax`. */
export const parseDuration = (text: string): Duration | null => {
  const match = /^(?:(\w+)\(([^()]*)\)|([^()]+))$/.exec(text.trim());
  if (match === null) return null;
  const [, name, list, single] = match;
  if (name === undefined) {
    const us = parseMicroseconds(single ?? "");
    return us === null ? null : { kind: "fixed", us };
  }
  const [first = null, second = null, ...more] = (list ?? "").split(",").map(parseMicroseconds);
  if (first === null || more.length > 0) return null;
  if (name === "exponential") return second === null ? { kind: "exponential", meanUs: first } : null;
  if (second === null) return null;
  switch (name) {
    case "uniform":
      return first <= second ? { kind: "uniform", lowestUs: first, highestUs: second } : null;
    case "normal":
      return { kind: "normal", meanUs: first, deviationUs: second };
    case "lognormal":
      return second <= LARGEST_LOG_DEVIATION
        ? { kind: "lognormal", medianUs: first, deviation: second }
        : null;
    default:
      return null;
  }
};

const parseMicroseconds = (text: string): number | null => {
  if (!/^\s*\d+(\.\d+)?\s*$/.test(text)) return null;
  const us = Number(text);
  return us <= LONGEST_US ? us : null;
};

/** One duration in microseconds. What a distribution yields below 0 counts as 0, above a day as a day. */
export const drawDuration = (duration: Duration, random: Random): number =>
  Math.min(LONGEST_US, Math.max(0, draw(duration, random)));

const draw = (duration: Duration, random: Random): number => {
  switch (duration.kind) {
    case "fixed":
      return duration.us;
    case "uniform":
      return duration.lowestUs + (duration.highestUs - duration.lowestUs) * drawUnit(random);
    case "normal":
      return duration.meanUs + duration.deviationUs * drawNormal(random);
    case "lognormal":
      return duration.medianUs * Math.exp(duration.deviation * drawNormal(random));
    case "exponential":
      return -duration.meanUs * Math.log(drawUnit(random));
  }
};

/** Between 0 and 1, neither of them. */
const drawUnit = (random: Random): number => (random.nextUint32() + 0.5) / 2 ** 32;

/** Mean 0, standard deviation 1 (Box and Muller); takes two numbers each time. */
const drawNormal = (random: Random): number => {
  const radius = Math.sqrt(-2 * Math.log(drawUnit(random)));
  return radius * Math.cos(2 * Math.PI * drawUnit(random));
};
