import type { Condition, StoredObject } from "../object-store/object-store.ts";
import { s3Error } from "./s3-error.ts";

type Header = (name: string) => string | undefined;

/**
 * Whether an object may be read, in the order of RFC 9110 13.2.2: `If-None-Match` is stronger than `If-Modified-Since`, and
 * `If-Match` than `If-Unmodified-Since`.
 * @param prefix of the headers: "" or `x-amz-copy-source-`
 * @returns false = the client has it already
 * @throws AwsError `PreconditionFailed`
 */
export const mayRead = (header: Header, { etag, lastModifiedMs }: StoredObject, prefix = ""): boolean => {
  const match = header(`${prefix}if-match`);
  const unmodifiedSince = moment(header(`${prefix}if-unmodified-since`));
  if (match !== undefined) {
    if (!hasEtag(match, etag)) throw s3Error.preconditionFailed("If-Match");
  } else if (unmodifiedSince !== null && lastModifiedMs > unmodifiedSince)
    throw s3Error.preconditionFailed("If-Unmodified-Since");
  const noneMatch = header(`${prefix}if-none-match`);
  if (noneMatch !== undefined) return !hasEtag(noneMatch, etag);
  const modifiedSince = moment(header(`${prefix}if-modified-since`));
  return modifiedSince === null || lastModifiedMs > modifiedSince;
};

/**
 * `If-None-Match: *` and `If-Match: <ETag>` of what writes or deletes.
 * @throws AwsError `NotImplemented` for another `If-None-Match`
 */
export const writeCondition = (header: Header): Condition => {
  const match = header("if-match");
  const noneMatch = header("if-none-match");
  if (noneMatch !== undefined && noneMatch !== "*") throw s3Error.notImplemented({ Header: "If-None-Match" });
  return (current) => {
    if (noneMatch !== undefined && current !== null) throw s3Error.preconditionFailed("If-None-Match");
    if (match === undefined) return;
    if (current === null) throw s3Error.noSuchKey();
    if (!hasEtag(match, current.etag)) throw s3Error.preconditionFailed("If-Match");
  };
};

const hasEtag = (list: string, etag: string): boolean =>
  list.split(",").some((one) => one.trim() === "*" || unquoted(one.trim()) === etag);

/** ETags come with quotes, and from some clients without. */
export const unquoted = (etag: string): string => etag.replace(/^(?:W\/)?"(.*)"$/, "$1");

/** Null = there is none, or it is no date: then it does not count. */
const moment = (date: string | undefined): number | null => {
  const epochMs = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(epochMs) ? null : epochMs;
};
