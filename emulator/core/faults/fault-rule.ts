import { durationTextSyntax, parseDurationText } from "../../common/duration-text.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import {
  DISK_FULL,
  type EffectEntry,
  type EffectField,
  effectEntry,
  effectNames,
  operations,
  TRUNCATED_ARCHIVE,
} from "./effects.ts";
import { FAULT_HEADER, type FaultEffect, type FaultOperation } from "./fault-source.ts";
import { type Imitation, imitations, isImitation } from "./imitations.ts";
import { modelMatcher } from "./model-pattern.ts";

/** Which of the calls that a rule matches it strikes; they are counted from 1. */
export type FaultOccasion =
  | { readonly kind: "all" }
  | { readonly kind: "nth"; readonly call: number }
  | { readonly kind: "first"; readonly calls: number }
  | { readonly kind: "every"; readonly calls: number }
  | { readonly kind: "chance"; readonly probability: number; readonly seed: number };

export interface FaultRule {
  /** How the journal and the header name it. */
  readonly name: string;
  /** Exact, or with `*` and `?`; null = every model. */
  readonly model: string | null;
  readonly operation: FaultOperation;
  /** The word it was asked for by. */
  readonly effectName: string;
  readonly effect: FaultEffect;
  readonly occasion: FaultOccasion;
  /** It strikes no more often; null = no limit. */
  readonly times: number | null;
}

/** What one document asks for. */
export interface FaultSet {
  readonly rules: readonly FaultRule[];
  readonly imitations: readonly Imitation[];
}

type Fields = Readonly<Record<string, unknown>>;

class FaultError extends Error {}

const occasionFields = ["nth", "first", "every", "probability"] as const;
const effectFields = ["message", "delay", "after_bytes"] as const;
const ruleFields: readonly string[] = [
  "name",
  "model",
  "operation",
  "effect",
  ...effectFields,
  ...occasionFields,
  "seed",
  "times",
];

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Reads rules from an already parsed document (YAML, JSON): one mapping or a list of them, each a rule or
 * `{ imitate: <name> }`. docs/faults.md has the words.
 * Error: INVALID_ARG that names the place, the value and what is allowed; also for a rule that could never strike.
 * @param where how messages name the document
 * @param models the models there can be, where that is known; null = it is not
 */
export const parseFaults = (
  document: unknown,
  where: string,
  models: readonly string[] | null = null,
): Result<FaultSet> => {
  const entries: readonly unknown[] = Array.isArray(document) ? document : [document];
  const rules: FaultRule[] = [];
  const imitated: Imitation[] = [];
  try {
    for (const [index, entry] of entries.entries()) {
      const at = Array.isArray(document) ? `${where}[${index}]` : where;
      if (!isFields(entry)) throw new FaultError(`${at} is no mapping of a rule's fields`);
      if ("imitate" in entry) imitated.push(readImitation(entry, at));
      else {
        const rule = readRule(entry, at, rules);
        checkModels(rule, at, models);
        rules.push(rule);
      }
    }
  } catch (error) {
    if (error instanceof FaultError) return fail("INVALID_ARG", error.message);
    throw error;
  }
  return ok({ rules, imitations: imitated });
};

/** `--fault=operation=load,effect=slow,delay=5s`: the fields of one rule as a text. Values may hold commas and `=`. */
export const faultFieldsOfText = (text: string): Readonly<Record<string, string | number>> => {
  const known = [...ruleFields, "imitate"].join("|");
  const fields: Record<string, string | number> = {};
  for (const part of text.split(new RegExp(`,(?=(?:${known})=)`))) {
    const equals = part.indexOf("=");
    const key = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? "" : part.slice(equals + 1);
    const isNumber = numericFields.includes(key) && /^-?\d+(\.\d+)?$/.test(value);
    fields[key] = isNumber ? Number(value) : value;
  }
  return fields;
};

/**
 * What the header of an inference asks for: the name of a rule, an effect, or the fields of a rule as in
 * `effect=slow,delay=5s`. It strikes that inference, at `infer` or at `respond`.
 * Error: INVALID_ARG that says what would be taken.
 */
export const parseRequestedFault = (value: string, rules: readonly FaultRule[]): Result<FaultRule> => {
  const known = rules.find(({ name }) => name === value);
  const rule = known === undefined ? requestedRule(value, rules) : ok(known);
  if (!rule.ok || rule.value.operation === "infer" || rule.value.operation === "respond") return rule;
  const { name, operation } = rule.value;
  return fail(
    "INVALID_ARG",
    `header ${FAULT_HEADER}: '${name}' strikes at ${operation}, which no inference does`,
  );
};

const inferenceEffects = effectNames.filter((name) => {
  const at = effectEntry(name)?.operations ?? [];
  return at.includes("infer") || at.includes("respond");
});

const requestedRule = (value: string, rules: readonly FaultRule[]): Result<FaultRule> => {
  const where = `header ${FAULT_HEADER}`;
  const given = value.includes("=") ? faultFieldsOfText(value) : { effect: value };
  if (!value.includes("=") && effectEntry(value) === null) {
    const names = rules.length === 0 ? "" : `, a rule (${listed(rules.map(({ name }) => name))})`;
    return fail(
      "INVALID_ARG",
      `${where}: there is no '${value}'; expected an effect (${listed(inferenceEffects)})${names}, or the fields of a rule`,
    );
  }
  if ("imitate" in given) return fail("INVALID_ARG", `${where}: an imitation is not for one inference`);
  const operation = effectEntry(String(given.effect))?.operations.includes("infer") ? "infer" : "respond";
  const parsed = parseFaults({ name: `header-${String(given.effect)}`, operation, ...given }, where);
  if (!parsed.ok) return parsed;
  const [rule] = parsed.value.rules;
  if (rule === undefined) throw new Error("a rule was not read");
  return ok(rule);
};

const numericFields: readonly string[] = [...occasionFields, "seed", "times", "after_bytes"];

const readImitation = (entry: Fields, at: string): Imitation => {
  const other = Object.keys(entry).find((key) => key !== "imitate");
  if (other !== undefined) throw new FaultError(`${at}.${other}: an imitation has no other fields`);
  const { imitate } = entry;
  if (typeof imitate === "string" && isImitation(imitate)) return imitate;
  throw new FaultError(`${at}.imitate is ${said(imitate)}, expected ${listed(Object.keys(imitations))}`);
};

const readRule = (entry: Fields, at: string, before: readonly FaultRule[]): FaultRule => {
  const unknown = Object.keys(entry).find((key) => !ruleFields.includes(key));
  if (unknown !== undefined) {
    throw new FaultError(
      `${at}.${unknown} is not known: a rule has ${ruleFields.join(", ")}, or imitate alone`,
    );
  }
  const operation = operations.find((known) => known === entry.operation);
  if (operation === undefined) {
    throw new FaultError(`${at}.operation is ${said(entry.operation)}, expected ${listed(operations)}`);
  }
  const effectName = typeof entry.effect === "string" ? entry.effect : "";
  const known = effectEntry(effectName);
  if (known === null) {
    throw new FaultError(`${at}.effect is ${said(entry.effect)}, expected ${listed(effectNames)}`);
  }
  if (!known.operations.includes(operation)) {
    const fitting = effectNames.filter((name) => effectEntry(name)?.operations.includes(operation));
    throw new FaultError(
      `${at}: effect '${effectName}' can never strike at ${operation}, only at ${known.operations.join(", ")}; ` +
        `at ${operation} can ${listed(fitting)}`,
    );
  }
  checkEffectFields(entry, effectName, known, at);
  const occasion = readOccasion(entry, at);
  const name = readName(entry, at, `${operation}-${effectName}`, before);
  return {
    name,
    model: readModel(entry, operation, at),
    operation,
    effectName,
    effect: readEffect(entry, effectName, at),
    occasion,
    times: readTimes(entry, occasion, at),
  };
};

const readName = (entry: Fields, at: string, usual: string, before: readonly FaultRule[]): string => {
  const { name } = entry;
  if (name === undefined) {
    let free = usual;
    for (let i = 2; before.some((rule) => rule.name === free); i++) free = `${usual}-${i}`;
    return free;
  }
  if (typeof name !== "string" || !/^[\w.-]+$/.test(name)) {
    throw new FaultError(`${at}.name is ${said(name)}, expected letters, digits, '.', '_' and '-'`);
  }
  if (before.some((rule) => rule.name === name))
    throw new FaultError(`${at}.name '${name}' is taken by another rule`);
  return name;
};

const readModel = (entry: Fields, operation: FaultOperation, at: string): string | null => {
  const { model } = entry;
  if (model === undefined) return null;
  if (typeof model !== "string" || model === "") {
    throw new FaultError(`${at}.model is ${said(model)}, expected a name, or one with * and ?`);
  }
  if (operation === "ping" || operation === "list")
    throw new FaultError(`${at}.model can never match: a ${operation} is about no model`);
  return model;
};

const checkEffectFields = (entry: Fields, name: string, known: EffectEntry, at: string): void => {
  const missing = known.required.find((field) => entry[field] === undefined);
  if (missing !== undefined) throw new FaultError(`${at}.${missing} is missing: effect '${name}' needs it`);
  const surplus = effectFields.find(
    (field: EffectField) =>
      entry[field] !== undefined && !known.required.includes(field) && !known.optional.includes(field),
  );
  if (surplus !== undefined) throw new FaultError(`${at}.${surplus}: effect '${name}' has none`);
};

const readEffect = (entry: Fields, name: string, at: string): FaultEffect => {
  switch (name) {
    case "out-of-memory":
      return entry.message === undefined
        ? { kind: "out-of-memory" }
        : { kind: "fail", message: readMessage(entry, at) };
    case "fail":
      return { kind: "fail", message: readMessage(entry, at) };
    case "slow":
      return { kind: "delay", us: readDelay(entry, at) };
    case "kill":
      return { kind: "kill" };
    case "truncated-archive":
      return { kind: "fail", message: TRUNCATED_ARCHIVE };
    case "disk-full":
      return { kind: "fail", message: DISK_FULL };
    case "unhealthy":
      return { kind: "fail", message: "" };
    case "reset":
      return { kind: "reset", afterBytes: readWhole(entry, "after_bytes", 0, at) ?? 0 };
    case "throttled":
    case "unavailable":
    case "internal-failure":
    case "dependency-failure":
      return {
        kind: "refuse",
        as: name,
        message: entry.message === undefined ? null : readMessage(entry, at),
      };
    default:
      return { kind: "hang" };
  }
};

const readMessage = ({ message }: Fields, at: string): string => {
  if (typeof message === "string" && message !== "") return message;
  throw new FaultError(`${at}.message is ${said(message)}, expected a text`);
};

const readDelay = ({ delay }: Fields, at: string): number => {
  const us = typeof delay === "string" ? parseDurationText(delay) : null;
  if (us === null) throw new FaultError(`${at}.delay is ${said(delay)}, expected ${durationTextSyntax}`);
  if (us === 0) throw new FaultError(`${at}.delay is 0: it would change nothing`);
  return us;
};

const readOccasion = (entry: Fields, at: string): FaultOccasion => {
  const given = occasionFields.filter((field) => entry[field] !== undefined);
  if (given.length > 1) {
    throw new FaultError(
      `${at} has ${given.join(" and ")}: a rule strikes by one of ${occasionFields.join(", ")}`,
    );
  }
  const seed = readWhole(entry, "seed", 0, at);
  if (seed !== null && given[0] !== "probability") {
    throw new FaultError(`${at}.seed goes with probability, which is missing`);
  }
  const nth = readWhole(entry, "nth", 1, at);
  if (nth !== null) return { kind: "nth", call: nth };
  const first = readWhole(entry, "first", 1, at);
  if (first !== null) return { kind: "first", calls: first };
  const every = readWhole(entry, "every", 1, at);
  if (every !== null) return { kind: "every", calls: every };
  const { probability } = entry;
  if (probability === undefined) return { kind: "all" };
  if (typeof probability !== "number" || !(probability > 0 && probability <= 1)) {
    throw new FaultError(`${at}.probability is ${said(probability)}, expected a number above 0 and up to 1`);
  }
  return { kind: "chance", probability, seed: seed ?? 1 };
};

const readTimes = (entry: Fields, occasion: FaultOccasion, at: string): number | null => {
  const times = readWhole(entry, "times", 1, at);
  if (times !== null && (occasion.kind === "nth" || occasion.kind === "first")) {
    throw new FaultError(`${at}.times does not go with ${occasion.kind}, which is a limit already`);
  }
  return times;
};

const readWhole = (entry: Fields, field: string, lowest: number, at: string): number | null => {
  const value = entry[field];
  if (value === undefined) return null;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= lowest) return value;
  throw new FaultError(`${at}.${field} is ${said(value)}, expected a whole number from ${lowest}`);
};

const checkModels = ({ model }: FaultRule, at: string, models: readonly string[] | null): void => {
  if (model === null || models === null || models.some(modelMatcher(model))) return;
  const shown = models.slice(0, 5).map((name) => `'${name}'`);
  const more = models.length > shown.length ? ` and ${models.length - shown.length} more` : "";
  const there = models.length === 0 ? "there are none" : `there are ${shown.join(", ")}${more}`;
  throw new FaultError(`${at}.model '${model}' matches no model: ${there}`);
};

const said = (value: unknown): string => (value === undefined ? "missing" : JSON.stringify(value));

const listed = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(", ");
