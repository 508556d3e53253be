import type { Listing, StoredObject } from "../object-store/object-store.ts";
import { owner } from "./buckets.ts";
import { isoTime, quoted, readCount, type S3Call, type S3Reply, xmlReply } from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";
import { document, type Elements } from "./xml.ts";

/** Entries of one answer, whatever is asked for. */
export const MOST_ENTRIES = 1000;

interface Asked {
  readonly prefix: string;
  readonly delimiter: string;
  readonly limit: number;
  /** Writes a key as it was asked for. */
  readonly written: (key: string) => string;
}

export const listObjects = (call: S3Call): S3Reply => {
  const asked = readAsked(call);
  const marker = call.query("marker") ?? "";
  const listing = call.store.list(call.bucket, { ...asked, after: marker });
  return xmlReply(
    document("ListBucketResult", {
      Name: call.bucket,
      Prefix: asked.written(asked.prefix),
      Marker: asked.written(marker),
      ...common(call, asked, listing, true),
      // Without a delimiter the last key is the next marker, and clients know it.
      NextMarker: listing.next !== null && asked.delimiter !== "" ? asked.written(listing.next) : null,
    }),
  );
};

export const listObjectsV2 = (call: S3Call): S3Reply => {
  const asked = readAsked(call);
  const token = call.query("continuation-token");
  const startAfter = call.query("start-after");
  const after = token !== null ? readToken(token) : (startAfter ?? "");
  const listing = call.store.list(call.bucket, { ...asked, after });
  return xmlReply(
    document("ListBucketResult", {
      Name: call.bucket,
      Prefix: asked.written(asked.prefix),
      StartAfter: startAfter === null ? null : asked.written(startAfter),
      ContinuationToken: token,
      NextContinuationToken: listing.next === null ? null : tokenOf(listing.next),
      KeyCount: listing.entries.length,
      ...common(call, asked, listing, call.query("fetch-owner") === "true"),
    }),
  );
};

/** @throws AwsError `InvalidArgument` */
const readAsked = (call: S3Call): Asked => ({
  prefix: call.query("prefix") ?? "",
  delimiter: call.query("delimiter") ?? "",
  limit: Math.min(readCount(call, "max-keys", MOST_ENTRIES), MOST_ENTRIES),
  written: keyWriter(call),
});

/** @throws AwsError `InvalidArgument` */
export const keyWriter = (call: S3Call): ((key: string) => string) => {
  const encoding = call.query("encoding-type");
  if (encoding !== null && encoding !== "url")
    throw s3Error.invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", encoding);
  return encoding === null ? (key) => key : urlEncoded;
};

const urlEncoded = (key: string): string =>
  encodeURIComponent(key)
    .replace(/%2F/g, "/")
    .replace(/[!'()]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

const common = (
  call: S3Call,
  { delimiter, limit, written }: Asked,
  { entries, next }: Listing,
  withOwner: boolean,
): Elements => ({
  MaxKeys: limit,
  Delimiter: delimiter === "" ? null : written(delimiter),
  EncodingType: call.query("encoding-type"),
  IsTruncated: next !== null,
  Contents: entries.flatMap((entry) =>
    "object" in entry ? [contents(entry.object, written, withOwner)] : [],
  ),
  CommonPrefixes: entries.flatMap((entry) =>
    "commonPrefix" in entry ? [{ Prefix: written(entry.commonPrefix) }] : [],
  ),
});

const contents = (
  { key, byteSize, etag, lastModifiedMs, checksum }: StoredObject,
  written: (key: string) => string,
  withOwner: boolean,
): Elements => ({
  Key: written(key),
  LastModified: isoTime(lastModifiedMs),
  ETag: quoted(etag),
  ChecksumAlgorithm: checksum?.algorithm,
  ChecksumType: checksum?.type,
  Size: byteSize,
  Owner: withOwner ? owner : null,
  StorageClass: "STANDARD",
});

const TOKEN = "v1:";

const tokenOf = (key: string): string => Buffer.from(`${TOKEN}${key}`).toString("base64url");

const readToken = (token: string): string => {
  const text = Buffer.from(token, "base64url").toString();
  if (!text.startsWith(TOKEN)) {
    throw s3Error.invalidArgument(
      "The continuation token provided is incorrect",
      "continuation-token",
      token,
    );
  }
  return text.slice(TOKEN.length);
};
