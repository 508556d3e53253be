/** A place in a list, as a token that callers do not read. */
export const pageToken = (offset: number, list: string): string =>
  Buffer.from(`${list}:${offset}`).toString("base64");

/** @returns null = not a token of this list */
export const pageOffset = (token: string, list: string): number | null => {
  const [name, offset] = Buffer.from(token, "base64").toString("utf8").split(":");
  return name === list && offset !== undefined && /^\d+$/.test(offset) ? Number(offset) : null;
};

/** @returns `next` absent = it was the last page */
export const pageOf = <T>(
  items: readonly T[],
  { list, token, size, invalid }: PageRequest,
): { readonly page: readonly T[]; readonly next?: string } => {
  const offset = token === undefined ? 0 : pageOffset(token, list);
  if (offset === null || offset > items.length) throw invalid();
  const page = items.slice(offset, offset + size);
  const end = offset + page.length;
  return end < items.length ? { page, next: pageToken(end, list) } : { page };
};

export interface PageRequest {
  /** What is listed: a token of another list is refused. */
  readonly list: string;
  readonly token: string | undefined;
  readonly size: number;
  readonly invalid: () => Error;
}
