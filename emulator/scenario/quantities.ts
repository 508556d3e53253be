import { z } from "zod";
import { durationTextSyntax, parseDurationText } from "../common/duration-text.ts";
import { formatByteSize, parseByteSize } from "../core/memory/byte-size.ts";

/** Microseconds; null when the text is no time. 0 needs no unit. */
export const parseTime = (text: string): number | null =>
  /^\s*0+\s*$/.test(text) ? 0 : parseDurationText(text);

const shown = (value: unknown): string => JSON.stringify(value) ?? "nothing";

const quantity = (parse: (text: string) => number | null, allowed: string) =>
  z.unknown().transform((value, context) => {
    const parsed = typeof value === "string" || typeof value === "number" ? parse(String(value)) : null;
    if (parsed !== null) return parsed;
    context.addIssue(`${shown(value)} is not ${allowed}`);
    return z.NEVER;
  });

/** Microseconds. */
export const time = quantity(parseTime, durationTextSyntax);

/** Bytes. */
export const size = quantity(parseByteSize, "a size such as 300MiB, 1.5 GiB, 292MB or a number of bytes");

const distributions: Readonly<Record<string, readonly ("time" | "number")[]>> = {
  uniform: ["time", "time"],
  normal: ["time", "time"],
  lognormal: ["time", "number"],
  exponential: ["time"],
};

/** `9ms` or `lognormal(9ms, 0.2)` in the words of the synthetic backend: microseconds without a unit. */
const parseLatency = (text: string): string | null => {
  const fixed = parseTime(text);
  if (fixed !== null) return String(fixed);
  const match = /^\s*(\w+)\s*\(([^()]*)\)\s*$/.exec(text);
  const kinds = distributions[match?.[1] ?? ""];
  if (match === null || kinds === undefined) return null;
  const given = (match[2] ?? "").split(",");
  const values = kinds.map((kind, index) => {
    const argument = given[index] ?? "";
    return kind === "time"
      ? parseTime(argument)
      : /^\s*\d+(\.\d+)?\s*$/.test(argument)
        ? Number(argument)
        : null;
  });
  return given.length === kinds.length && !values.includes(null) ? `${match[1]}(${values.join(",")})` : null;
};

/** As a parameter of the synthetic backend takes it. */
export const latency = z.unknown().transform((value, context) => {
  const parsed = typeof value === "string" || typeof value === "number" ? parseLatency(String(value)) : null;
  if (parsed !== null) return parsed;
  context.addIssue(
    `${shown(value)} is not a time such as 40ms, or uniform(4ms, 5ms), normal(9ms, 1ms), lognormal(9ms, 0.2), exponential(20ms)`,
  );
  return z.NEVER;
});

/** What a number has to be: both ends may be open. */
export interface Bound {
  readonly least: number;
  readonly most: number;
  /** Whether the ends belong to it. */
  readonly leastIncluded: boolean;
  readonly mostIncluded: boolean;
  /** As it was written. */
  readonly text: string;
}

export const isWithin = (value: number, { least, most, leastIncluded, mostIncluded }: Bound): boolean =>
  (value > least || (leastIncluded && value === least)) && (value < most || (mostIncluded && value === most));

const between = (text: string, least: number, most: number, ends: readonly [boolean, boolean]): Bound => ({
  text,
  least,
  most,
  leastIncluded: ends[0],
  mostIncluded: ends[1],
});

const parseBound = (text: string, parse: (text: string) => number | null): Bound | null => {
  const range = /^(.+?)\.\.(.+)$/.exec(text);
  if (range !== null) {
    const [least, most] = [parse(range[1]!), parse(range[2]!)];
    return least === null || most === null || least > most ? null : between(text, least, most, [true, true]);
  }
  const [, operator = "", rest = ""] = /^\s*(<=|>=|<|>|)\s*(.*)$/.exec(text) ?? [];
  const value = parse(rest);
  if (value === null) return null;
  switch (operator) {
    case "<":
    case "<=":
      return between(text, -Infinity, value, [false, operator === "<="]);
    case ">":
    case ">=":
      return between(text, value, Infinity, [operator === ">=", false]);
    default:
      return between(text, value, value, [true, true]);
  }
};

const bound = (parse: (text: string) => number | null, examples: string) =>
  z.unknown().transform((value, context): Bound => {
    const parsed =
      typeof value === "string" || typeof value === "number" ? parseBound(String(value), parse) : null;
    if (parsed !== null) return parsed;
    context.addIssue(`${shown(value)} is not what a number may be held against: ${examples}`);
    return z.NEVER;
  });

const parseNumber = (text: string): number | null =>
  /^\s*-?\d+(\.\d+)?\s*$/.test(text) ? Number(text) : null;

const parseShare = (text: string): number | null => {
  const percent = /^\s*(\d+(?:\.\d+)?)\s*%\s*$/.exec(text);
  return percent === null ? parseNumber(text) : Number(percent[1]) / 100;
};

export const countBound = bound(parseNumber, '3, ">= 3", "< 10", "2..4"');
export const timeBound = bound(parseTime, '"< 2s", ">= 350s", "1s..1.5s"');
export const sizeBound = bound(parseByteSize, '"<= 12GiB", "> 300MiB", "1GiB..2GiB"');
export const shareBound = bound(parseShare, '">= 90%", "< 0.1", "40%..60%"');

/** A size with its bytes, for what was seen. */
export const shownSize = (bytes: number): string =>
  bytes >= 1024 ? `${formatByteSize(bytes)} (${bytes})` : formatByteSize(bytes);
