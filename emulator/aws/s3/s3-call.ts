import type { ObjectStore } from "../object-store/object-store.ts";
import type { AwsRequest } from "../wire/aws-request.ts";
import { s3Error } from "./s3-error.ts";

/** A request of which it is known what it is about. */
export interface S3Call {
  readonly request: AwsRequest;
  readonly store: ObjectStore;
  /** "" = the request is about the account. */
  readonly bucket: string;
  /** "" = the request is about the bucket. */
  readonly key: string;
  header(name: string): string | undefined;
  /** The first of that name; null = there is none. */
  query(name: string): string | null;
  /** In whole seconds, as S3 keeps it. */
  nowMs(): number;
}

/** Bytes that are written as they are read. */
export interface StreamedBody {
  readonly byteSize: number;
  bytes(): AsyncIterable<Uint8Array>;
  /** To be called in the end. */
  close(): Promise<void>;
}

export interface S3Reply {
  readonly status: number;
  /** Name and value in turn. */
  readonly headers: readonly string[];
  /** To a HEAD only its length is told. */
  readonly body: Uint8Array | StreamedBody | null;
}

export const xmlReply = (xml: Uint8Array, headers: readonly string[] = []): S3Reply => ({
  status: 200,
  headers: ["Content-Type", "application/xml", ...headers],
  body: xml,
});

export const emptyReply = (status: number, headers: readonly string[] = []): S3Reply => ({
  status,
  headers,
  body: null,
});

export interface Place {
  readonly bucket: string;
  readonly key: string;
}

/**
 * What a path names.
 * @param hostBucket the bucket that the host names already
 * @throws AwsError `InvalidURI`, `KeyTooLongError`
 */
export const placeOf = (path: string, hostBucket: string | null): Place => {
  const decoded = decodePath(path.replace(/^\//, ""));
  const slash = decoded.indexOf("/");
  const place =
    hostBucket !== null
      ? { bucket: hostBucket, key: decoded }
      : slash < 0
        ? { bucket: decoded, key: "" }
        : { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
  const size = Buffer.byteLength(place.key);
  if (size > LONGEST_KEY) throw s3Error.keyTooLong({ Size: size, MaxSizeAllowed: LONGEST_KEY });
  return place;
};

/** Bytes of UTF-8. */
const LONGEST_KEY = 1024;

/** @throws AwsError `InvalidURI` */
export const decodePath = (path: string): string => {
  try {
    return decodeURIComponent(path);
  } catch {
    throw s3Error.invalidUri();
  }
};

/**
 * A number from the query.
 * @throws AwsError `InvalidArgument`
 */
export const readCount = (call: S3Call, name: string, byDefault: number): number => {
  const given = call.query(name);
  if (given === null || given === "") return byDefault;
  const count = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN;
  if (!(count <= 2_147_483_647)) {
    throw s3Error.invalidArgument(
      `Argument ${name} must be an integer between 0 and 2147483647`,
      name,
      given,
    );
  }
  return count;
};

export const quoted = (etag: string): string => `"${etag}"`;

export const isoTime = (epochMs: number): string => new Date(epochMs).toISOString();
