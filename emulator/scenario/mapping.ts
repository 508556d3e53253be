import { z } from "zod";
import { unknownWord } from "./words.ts";

/** A mapping that takes these words and no others; an unknown one is named with the nearest known. */
export const mapping = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys") {
        return issue.keys.map((key) => unknownWord(key, Object.keys(shape))).join("; ");
      }
      return issue.code === "invalid_type" ? `is no mapping of ${Object.keys(shape).join(", ")}` : undefined;
    },
  });

/** One of these words. */
export const word = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, {
    error: ({ input }) =>
      typeof input === "string" ? unknownWord(input, words) : `has to be one of ${words.join(", ")}`,
  });

export const text = z.string({ error: "has to be a text" }).min(1, { error: "is empty" });
export const flag = z.boolean({ error: "has to be true or false" });
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  z
    .number({ error: "has to be a number" })
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, {
      error: ({ input }) =>
        `${String(input)} is not a whole number from ${least}${most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`}`,
    });

/**
 * A mapping in which one word says what kind of thing it is (`invoke: a`, `load: a`); the rest of it is that kind's. Where
 * several are there, the one listed first counts.
 */
export const byWord = <Kinds extends Readonly<Record<string, z.ZodType>>>(what: string, kinds: Kinds) =>
  z.unknown().transform((value, context): z.output<Kinds[keyof Kinds]> => {
    const words = Object.keys(kinds);
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      context.addIssue(`is no mapping; ${what} says one of ${words.join(", ")}`);
      return z.NEVER;
    }
    const kind = words.find((known) => known in value);
    if (kind === undefined) {
      const keys = Object.keys(value);
      const near = keys.map((key) => unknownWord(key, words)).find((said) => said.includes("did you mean"));
      const seen = keys.join(", ") || "nothing";
      context.addIssue(near ?? `${what} says one of ${words.join(", ")}; this one says ${seen}`);
      return z.NEVER;
    }
    const parsed = kinds[kind]!.safeParse(value);
    if (parsed.success) return parsed.data as z.output<Kinds[keyof Kinds]>;
    for (const issue of parsed.error.issues) {
      context.issues.push({ code: "custom", message: issue.message, path: issue.path, input: value });
    }
    return z.NEVER;
  });
