import { controlPlaneErrors } from "./errors.ts";

/** What a list can be narrowed and sorted by. */
export interface Listed {
  readonly name: string;
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly status: string;
}

export interface ListInput {
  readonly SortBy?: "Name" | "CreationTime" | "Status" | undefined;
  readonly SortOrder?: "Ascending" | "Descending" | undefined;
  readonly NextToken?: string | undefined;
  readonly MaxResults?: number | undefined;
  readonly NameContains?: string | undefined;
  readonly CreationTimeBefore?: number | undefined;
  readonly CreationTimeAfter?: number | undefined;
  readonly LastModifiedTimeBefore?: number | undefined;
  readonly LastModifiedTimeAfter?: number | undefined;
  readonly StatusEquals?: string | undefined;
}

/** What never changes once it was created, and has no status. */
export const unchanging = (
  name: string,
  record: { readonly createdMs: number } | undefined,
): Listed | undefined =>
  record && { name, createdMs: record.createdMs, modifiedMs: record.createdMs, status: "" };

export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined = this is the last one. */
  readonly nextToken: string | undefined;
}

const DEFAULT_MAX_RESULTS = 10;

/** What of a resource never changes, and is sorted by. */
export type Named = Pick<Listed, "name" | "createdMs">;

type Indexed = "Name" | "CreationTime";

/** The names of resources in the orders that lists have. */
export class ListIndex {
  readonly #names: Sorted = [];
  readonly #creations: Sorted = [];

  /** Ascending. */
  in(by: Indexed): readonly Entry[] {
    return by === "Name" ? this.#names : this.#creations;
  }

  /** Of that name there is none yet. */
  add({ name, createdMs }: Named): void {
    insert(this.#names, [name, name]);
    insert(this.#creations, [createdMs, name]);
  }

  remove({ name, createdMs }: Named): void {
    this.#names.splice(indexOf(this.#names, [name, name]), 1);
    this.#creations.splice(indexOf(this.#creations, [createdMs, name]), 1);
  }
}

interface Entry {
  readonly key: SortKey;
}

type Sorted = Entry[];

const insert = (sorted: Sorted, key: SortKey): void => {
  sorted.splice(indexOf(sorted, key), 0, { key });
};

/** The index of the first that is not before the key. */
const indexOf = (sorted: readonly Entry[], key: SortKey): number =>
  placeIn(sorted, (other) => compare(other.key, key) >= 0);

/**
 * One page of a list. The token says after which item it goes on, so that what is created or deleted meanwhile neither
 * repeats nor hides another. It costs the same however many there are, but for what few of them match, and for an order by
 * status, which changes: those look at all.
 * @param find undefined = it is not listed
 * @throws AwsError for a token that no list gave, or that another one gave
 */
export const pageOf = <T extends Listed>(
  index: ListIndex,
  find: (name: string) => T | undefined,
  input: ListInput,
  sortBy: Indexed,
): Page<T> => {
  const {
    SortBy: by = sortBy,
    SortOrder: order = "Descending",
    MaxResults: size = DEFAULT_MAX_RESULTS,
  } = input;
  const after = input.NextToken === undefined ? null : readToken(input.NextToken, by, order);
  const sorted = by === "Status" ? byStatus(index, find) : index.in(by);
  let [first, end] = by === "CreationTime" ? createdWithin(sorted, input) : [0, sorted.length];
  const ascending = order === "Ascending";
  if (after !== null && ascending)
    first = Math.max(
      first,
      placeIn(sorted, ({ key }) => compare(key, after) > 0),
    );
  else if (after !== null) end = Math.min(end, indexOf(sorted, after));
  const items: T[] = [];
  let last: SortKey | null = null;
  for (; first < end; ascending ? first++ : end--) {
    const { key } = sorted[ascending ? first : end - 1]!;
    const item = find(key[1]);
    if (item === undefined || !matches(item, input)) continue;
    if (last !== null && items.length === size) return { items, nextToken: writeToken(last, by, order) };
    items.push(item);
    last = key;
  }
  return { items, nextToken: undefined };
};

const byStatus = (index: ListIndex, find: (name: string) => Listed | undefined): readonly Entry[] =>
  index
    .in("Name")
    .map(({ key: [, name] }) => ({ key: [find(name)?.status ?? "", name] as const }))
    .sort((a, b) => compare(a.key, b.key));

/** @param sorted by creation. @returns the first and what is behind the last */
const createdWithin = (
  sorted: readonly Entry[],
  { CreationTimeAfter: earliest, CreationTimeBefore: latest }: ListInput,
): [number, number] => [
  earliest === undefined ? 0 : placeIn(sorted, ({ key }) => compare(key, [earliest, ""]) >= 0),
  latest === undefined
    ? sorted.length
    : placeIn(sorted, ({ key }) => compare([key[0], ""], [latest, ""]) > 0),
];

/** The index of the first that is behind; all that follow it are, too. */
const placeIn = <T>(sorted: readonly T[], behind: (other: T) => boolean): number => {
  let [first, end] = [0, sorted.length];
  while (first < end) {
    const middle = (first + end) >>> 1;
    if (behind(sorted[middle]!)) end = middle;
    else first = middle + 1;
  }
  return first;
};

/** What is compared first, then the name. */
type SortKey = readonly [first: string | number, name: string];

const matches = (item: Listed, input: ListInput): boolean =>
  (input.NameContains === undefined || item.name.includes(input.NameContains)) &&
  (input.StatusEquals === undefined || item.status === input.StatusEquals) &&
  isBetween(item.createdMs, input.CreationTimeAfter, input.CreationTimeBefore) &&
  isBetween(item.modifiedMs, input.LastModifiedTimeAfter, input.LastModifiedTimeBefore);

const isBetween = (
  value: number,
  after = Number.NEGATIVE_INFINITY,
  before = Number.POSITIVE_INFINITY,
): boolean => value >= after && value <= before;

const compare = (a: SortKey, b: SortKey): number => {
  const [first, name] = [a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0, a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0];
  return first === 0 ? name : first;
};

const writeToken = (key: SortKey, by: string, order: string): string =>
  Buffer.from(JSON.stringify([by, order, ...key])).toString("base64");

const readToken = (token: string, by: string, order: string): SortKey => {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(token, "base64").toString());
  } catch {
    throw controlPlaneErrors.badNextToken();
  }
  const [tokenBy, tokenOrder, first, name]: readonly unknown[] = Array.isArray(read) ? read : [];
  const isKey = (typeof first === "string" || typeof first === "number") && typeof name === "string";
  if (!isKey || tokenBy !== by || tokenOrder !== order) throw controlPlaneErrors.badNextToken();
  return [first, name];
};
