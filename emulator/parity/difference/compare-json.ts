import { type JsonText, memberOf, writeJsonText } from "../exchange/json-text.ts";

/** One place in which two answers are not the same. */
export interface Divergence {
  /** `status`, `header Content-Type`, `/outputs/0/data/3`, `tensor OUTPUT0`, ... */
  readonly where: string;
  readonly ours: string;
  readonly theirs: string;
}

export const ABSENT = "(absent)";

/** Decides on two values that are not the same text; null = it has no opinion and the difference stands. */
export type Excuse = (
  pointer: string,
  ours: JsonText | undefined,
  theirs: JsonText | undefined,
) => string | null;

export interface JsonRules {
  /** Members of these objects come in any order. */
  readonly unordered: (pointer: string) => boolean;
  readonly excuse: Excuse;
}

/** Every place in which two documents differ, the order of members included. */
export const compareJson = (ours: JsonText, theirs: JsonText, rules: JsonRules): Divergence[] => {
  const found: Divergence[] = [];
  walk("", ours, theirs, rules, found);
  return found;
};

const walk = (
  pointer: string,
  ours: JsonText | undefined,
  theirs: JsonText | undefined,
  rules: JsonRules,
  found: Divergence[],
): void => {
  if (ours?.kind === "object" && theirs?.kind === "object") {
    walkMembers(pointer, ours, theirs, rules, found);
    return;
  }
  if (ours?.kind === "array" && theirs?.kind === "array") {
    for (let i = 0; i < Math.max(ours.items.length, theirs.items.length); i++)
      walk(`${pointer}/${i}`, ours.items[i], theirs.items[i], rules, found);
    return;
  }
  const [a, b] = [shown(ours), shown(theirs)];
  if (a === b || rules.excuse(pointer, ours, theirs) !== null) return;
  found.push({ where: pointer, ours: a, theirs: b });
};

const walkMembers = (
  pointer: string,
  ours: JsonText & { kind: "object" },
  theirs: JsonText & { kind: "object" },
  rules: JsonRules,
  found: Divergence[],
): void => {
  const namesOf = (value: JsonText & { kind: "object" }): string[] => value.members.map(([name]) => name);
  const [a, b] = [namesOf(ours), namesOf(theirs)];
  const before = found.length;
  for (const name of new Set([...b, ...a]))
    walk(`${pointer}/${name}`, memberOf(ours, name), memberOf(theirs, name), rules, found);
  // Where a member is missing, the order says nothing more.
  const sameNames = [...a].sort().join("\0") === [...b].sort().join("\0");
  const sameOrder = a.join("\0") === b.join("\0") || (sameNames && rules.unordered(pointer));
  if (!sameOrder && found.length === before && sameNames)
    found.push({
      where: `order of ${pointer === "" ? "members" : pointer}`,
      ours: a.join(),
      theirs: b.join(),
    });
};

const shown = (value: JsonText | undefined): string => (value === undefined ? ABSENT : writeJsonText(value));
