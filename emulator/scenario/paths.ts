import { fail, ok, type Result } from "../common/status.ts";
import { unknownWord } from "./words.ts";

/** `policy.victims`, `models.a.host.weights`, `traffic.3.at`: words joined by dots; `\.` is a dot in a name. */
export const splitPath = (path: string): readonly string[] =>
  path.split(/(?<!\\)\./).map((part) => part.replaceAll("\\.", "."));

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The entry of a list that a word means: its number from 0, or what it is called. */
const entryOf = (list: readonly unknown[], name: string): number => {
  const named = list.findIndex((entry) => isMapping(entry) && (entry.name === name || entry.as === name));
  if (named >= 0) return named;
  return /^\d+$/.test(name) && Number(name) < list.length ? Number(name) : -1;
};

/**
 * A copy of the document in which the path says the value; null takes away what is there. Mappings on the way are made
 * where they are missing; entries of a list have to be there.
 * Error: INVALID_ARG that names the path.
 */
export const setAt = (document: unknown, path: string, value: unknown): Result<unknown> =>
  set({ owner: document, name: "" }, splitPath(path), value, path);

/** @param name what the owner is called where it lies */
const set = (
  { owner, name }: { readonly owner: unknown; readonly name: string },
  parts: readonly string[],
  value: unknown,
  path: string,
): Result<unknown> => {
  const [part, ...rest] = parts;
  if (part === undefined) return ok(value);
  if (Array.isArray(owner)) {
    const index = entryOf(owner, part);
    if (index < 0) {
      const names = owner.map((entry, at) =>
        isMapping(entry) ? String(entry.name ?? entry.as ?? at) : `${at}`,
      );
      return fail("INVALID_ARG", `${path}: ${unknownWord(part, names)}`);
    }
    if (rest.length === 0 && value === null) return ok(owner.filter((_, at) => at !== index));
    const entry = set({ owner: owner[index], name: part }, rest, value, path);
    return entry.ok ? ok(owner.map((known: unknown, at) => (at === index ? entry.value : known))) : entry;
  }
  // `machine: ml.g4dn.xlarge` and the like: the short form gives way to what is said in full.
  const mapping = isMapping(owner) ? owner : inFull(owner, name);
  if (mapping === null) {
    return fail("INVALID_ARG", `${path}: ${JSON.stringify(owner)} has no part '${part}'`);
  }
  if (rest.length === 0 && value === null) {
    return ok(Object.fromEntries(Object.entries(mapping).filter(([key]) => key !== part)));
  }
  const inner = set({ owner: mapping[part], name: part }, rest, value, path);
  return inner.ok ? ok({ ...mapping, [part]: inner.value }) : inner;
};

/** What a word means that may be said in short, by its name. */
const shortFor: Readonly<Record<string, string>> = {
  machine: "type",
  policy: "preset",
  host: "weights",
  gpu: "weights",
};

const inFull = (owner: unknown, name: string): Readonly<Record<string, unknown>> | null => {
  if (owner === undefined || owner === null) return {};
  const key = shortFor[name];
  return key !== undefined && ["string", "number"].includes(typeof owner) ? { [key]: owner } : null;
};

/** Several at once, one after the other. */
export const setAll = (document: unknown, changes: Readonly<Record<string, unknown>>): Result<unknown> => {
  let changed: Result<unknown> = ok(document);
  for (const [path, value] of Object.entries(changes)) {
    if (!changed.ok) return changed;
    changed = setAt(changed.value, path, value);
  }
  return changed;
};
