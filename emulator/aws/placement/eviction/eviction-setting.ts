import { fail, ok, type Result } from "../../../common/status.ts";
import { type EstimateName, estimates } from "./estimates.ts";
import type { EvictionSettings } from "./presets.ts";
import type { Measure } from "./resident-model.ts";
import { type TriggerName, triggers } from "./triggers.ts";
import { type VictimCountName, victimCounts } from "./victim-counts.ts";
import { type VictimPolicyName, victimPolicies } from "./victim-policies.ts";

/** What a switch takes, in words, and how its text is read; null = it cannot be. */
interface Switch<T> {
  readonly takes: string;
  read(text: string): T | null;
}

const oneOf = <T extends string>(names: readonly T[]): Switch<T> => ({
  takes: `one of ${names.join(", ")}`,
  read: (text) => names.find((name) => name === text) ?? null,
});

const keysOf = <T extends string>(table: Readonly<Record<T, unknown>>): T[] => {
  const names: T[] = [];
  for (const name in table) names.push(name);
  return names;
};

const triggerNames = keysOf<TriggerName>(triggers);
const measures: readonly Measure[] = ["host", "gpu", "larger"];

/** Needs the future, which nobody has who serves. */
const online = (name: VictimPolicyName): boolean => name !== "belady";

const number = (takes: string, isFit: (value: number) => boolean): Switch<number> => ({
  takes,
  read: (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    return Number.isFinite(value) && isFit(value) ? value : null;
  },
});

const share = number("a share above 0, up to 1", (value) => value > 0 && value <= 1);
const microseconds = number(
  "whole microseconds, 0 or more",
  (value) => value >= 0 && Number.isInteger(value),
);

const switches: { readonly [K in keyof EvictionSettings]: Switch<EvictionSettings[K]> } = {
  triggers: {
    takes: `some of ${triggerNames.join(", ")}, joined by +`,
    read: (text) => {
      const names = text.split("+").map((name) => triggerNames.find((known) => known === name));
      return names.every((name) => name !== undefined) ? names : null;
    },
  },
  measure: oneOf(measures),
  highWater: share,
  lowWater: share,
  victims: oneOf(keysOf<VictimPolicyName>(victimPolicies).filter(online)),
  howMany: oneOf(keysOf<VictimCountName>(victimCounts)),
  estimate: oneOf(keysOf<EstimateName>(estimates)),
  sampleEveryUs: microseconds,
  minimumIdleUs: microseconds,
  idleTimeoutUs: microseconds,
  retries: number("a whole number, 0 or more", (value) => value >= 0 && Number.isInteger(value)),
  retryWaitUs: microseconds,
};

/** One switch of eviction with its value. */
export type EvictionSetting = Partial<EvictionSettings>;

/** `<name>=<value>`, by the names of docs/eviction.md. Error: INVALID_ARG that says what would be taken. */
export const parseEvictionSetting = (text: string): Result<EvictionSetting> => {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text : text.slice(0, equals);
  const key = keysOf(switches).find((known) => known === name);
  if (key === undefined || equals < 0) {
    const what = key === undefined ? `'${name}' is no setting of eviction` : `'${name}' has no value`;
    return fail("INVALID_ARG", `${what}: expected <name>=<value> with one of ${keysOf(switches).join(", ")}`);
  }
  const value = switches[key].read(text.slice(equals + 1));
  if (value === null) {
    return fail("INVALID_ARG", `${key} takes ${switches[key].takes}, not '${text.slice(equals + 1)}'`);
  }
  return ok({ [key]: value });
};

/**
 * A preset with settings of its own, the last of a name counting. Where only `highWater` is given, a `lowWater` of the preset
 * above it comes down to it. Error: INVALID_ARG where two that are given contradict each other.
 */
export const combineEvictionSettings = (
  preset: EvictionSettings,
  settings: readonly EvictionSetting[],
): Result<EvictionSettings> => {
  let combined = preset;
  for (const setting of settings) combined = { ...combined, ...setting };
  const { highWater, lowWater } = combined;
  if (lowWater <= highWater) return ok(combined);
  if (!settings.some((setting) => "lowWater" in setting)) return ok({ ...combined, lowWater: highWater });
  return fail(
    "INVALID_ARG",
    `lowWater ${lowWater} is above highWater ${highWater}: lower the one or raise the other`,
  );
};
