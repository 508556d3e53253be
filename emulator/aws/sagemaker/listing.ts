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

export interface Page<T> {
  readonly items: readonly T[];
  /** Undefined = this is the last one. */
  readonly nextToken: string | undefined;
}

const DEFAULT_MAX_RESULTS = 10;

/**
 * One page of a list. The token says after which item it goes on, so that what is created or deleted meanwhile neither
 * repeats nor hides another.
 * @throws AwsError for a token that no list gave, or that another one gave
 */
export const pageOf = <T extends Listed>(
  all: readonly T[],
  input: ListInput,
  sortBy: "Name" | "CreationTime",
): Page<T> => {
  const {
    SortBy: by = sortBy,
    SortOrder: order = "Descending",
    MaxResults: size = DEFAULT_MAX_RESULTS,
  } = input;
  const keyOf = (item: T): SortKey => {
    if (by === "Name") return [item.name, item.name];
    return [by === "Status" ? item.status : item.createdMs, item.name];
  };
  const direction = order === "Ascending" ? 1 : -1;
  const after = input.NextToken === undefined ? null : readToken(input.NextToken, by, order);
  // Most of a long list is looked at once: what stands behind the page is not sorted.
  const page: { readonly item: T; readonly key: SortKey }[] = [];
  let isLast = true;
  for (const item of all) {
    if (!matches(item, input)) continue;
    const key = keyOf(item);
    if (after !== null && direction * compare(key, after) <= 0) continue;
    page.splice(
      placeIn(page, (other) => direction * compare(key, other.key) < 0),
      0,
      { item, key },
    );
    if (page.length > size) {
      page.pop();
      isLast = false;
    }
  }
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    nextToken: isLast || last === undefined ? undefined : writeToken(last.key, by, order),
  };
};

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
