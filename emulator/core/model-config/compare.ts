import { modelConfigSchema } from "./config-schema.ts";
import type { ModelConfig } from "./model-config.ts";

/** What a reload may change without starting the model over (spec/triton-core.md 1.8). */
const changeableInPlace: ReadonlySet<string> = new Set(["instance_group", "version_policy"]);

/** Whether two configurations say the same; the order of map entries does not count. */
export const configsEqual = (a: ModelConfig, b: ModelConfig): boolean =>
  differingFields(a, b).next().done === true;

/** The same but for instance groups and version policy. */
export const configsEqualButInstances = (a: ModelConfig, b: ModelConfig): boolean => {
  for (const field of differingFields(a, b)) if (!changeableInPlace.has(field)) return false;
  return true;
};

function* differingFields(a: ModelConfig, b: ModelConfig): Generator<string> {
  for (const field of modelConfigSchema.fields.keys()) {
    if (!equal(Reflect.get(a, field), Reflect.get(b, field))) yield field;
  }
}

/** An absent member equals an undefined one. */
const equal = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a))
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]));
  if (a instanceof Map) {
    if (!(b instanceof Map) || a.size !== b.size) return false;
    for (const [key, value] of a) if (!b.has(key) || !equal(value, b.get(key))) return false;
    return true;
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    if (!equal(Reflect.get(a, key), Reflect.get(b, key))) return false;
  }
  return true;
};
