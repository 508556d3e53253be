import { fail, ok, type Result } from "../common/status.ts";
import { parseByteSize } from "../core/memory/byte-size.ts";
import type { MemoryProfiles, Sourced } from "../core/memory/profile.ts";
import { parseTime } from "./quantities.ts";
import { unknownWord } from "./words.ts";

type Words = Readonly<Record<string, unknown>>;

const isWords = (value: unknown): value is Words =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isSourced = (value: unknown): value is Sourced<number | string> => isWords(value) && "source" in value;

/** The name under which the server's own numbers are found. */
const SERVER = "tritonserver";

/**
 * The profiles with other numbers: `python: { stub: { private_bytes: 20MiB } }`, `tritonserver: { freeze_band_bytes: 0 }`.
 * Only what is there can be changed. Error: INVALID_ARG that names the place.
 */
export const changeProfiles = (profiles: MemoryProfiles, changes: Words): Result<MemoryProfiles> => {
  let { server } = profiles;
  const backends = new Map(profiles.backends);
  for (const [name, numbers] of Object.entries(changes)) {
    const backend = backends.get(name);
    if (name === SERVER) {
      const changed = change(server, numbers, `profile.${name}`);
      if (!changed.ok) return changed;
      server = changed.value;
    } else if (backend !== undefined) {
      const changed = change(backend, numbers, `profile.${name}`);
      if (!changed.ok) return changed;
      backends.set(name, changed.value);
    } else return fail("INVALID_ARG", `profile: ${unknownWord(name, [SERVER, ...backends.keys()])}`);
  }
  return ok({ server, backends });
};

const change = <T extends object>(known: T, numbers: unknown, where: string): Result<T> => {
  if (!isWords(numbers)) return fail("INVALID_ARG", `${where} is no mapping of its numbers`);
  const changed = new Map<string, unknown>(Object.entries(known));
  for (const [key, value] of Object.entries(numbers)) {
    const path = `${where}.${key}`;
    const before = changed.get(key);
    if (isSourced(before)) {
      const parsed = typeof before.value === "number" ? numberOf(key, value) : String(value);
      if (parsed === null)
        return fail("INVALID_ARG", `${path}: ${JSON.stringify(value)} is no number from 0`);
      changed.set(key, { value: parsed, source: "scenario" });
    } else if (isWords(before)) {
      const inner = change(before, value, path);
      if (!inner.ok) return inner;
      changed.set(key, inner.value);
    } else {
      const keys = Object.keys(known).filter((name) => isWords(changed.get(name)));
      return fail("INVALID_ARG", `${where}: ${unknownWord(key, keys)}`);
    }
  }
  return ok({ ...known, ...Object.fromEntries(changed) });
};

const numberOf = (key: string, value: unknown): number | null => {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value : null;
  if (typeof value !== "string") return null;
  return key.endsWith("_us") ? parseTime(value) : parseByteSize(value);
};
