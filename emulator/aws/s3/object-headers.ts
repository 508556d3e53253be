import type { StoredObject } from "../object-store/object-store.ts";
import { checksumHeaders } from "./content-check.ts";
import { quoted, type S3Call } from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";

const METADATA = "x-amz-meta-";
/** Bytes of all names, without `x-amz-meta-`, and values. */
const LARGEST_METADATA = 2048;

/** Headers that are kept with an object, and how they are spelled in answers. */
const kept: Readonly<Record<string, string>> = {
  "content-type": "Content-Type",
  "cache-control": "Cache-Control",
  "content-disposition": "Content-Disposition",
  "content-encoding": "Content-Encoding",
  "content-language": "Content-Language",
  expires: "Expires",
};

const DEFAULT_TYPE = "binary/octet-stream";

/**
 * What of a request is kept with its object. `aws-chunked` is no encoding of the object.
 * @throws AwsError `MetadataTooLarge`
 */
export const headersToKeep = ({ request }: S3Call): Record<string, string> => {
  const headers: Record<string, string> = { "content-type": DEFAULT_TYPE };
  let size = 0;
  for (const [name, value] of request.head.headers) {
    if (name.startsWith(METADATA)) {
      size += name.length - METADATA.length + value.length;
      headers[name] = value;
    } else if (name === "content-encoding") {
      const encodings = value.split(",").map((one) => one.trim());
      const own = encodings.filter((one) => one !== "aws-chunked" && one !== "");
      if (own.length > 0) headers[name] = own.join(",");
    } else if (Object.hasOwn(kept, name) && value !== "") headers[name] = value;
  }
  if (size > LARGEST_METADATA)
    throw s3Error.metadataTooLarge({ Size: size, MaxSizeAllowed: LARGEST_METADATA });
  return headers;
};

/** The headers of an answer with an object, or with a part of it; `response-*` of the query replaces what is kept. */
export const objectHeaders = (call: S3Call, object: StoredObject, whole: boolean): string[] => {
  const headers = [
    "Last-Modified",
    new Date(object.lastModifiedMs).toUTCString(),
    "ETag",
    quoted(object.etag),
    "Accept-Ranges",
    "bytes",
  ];
  for (const [name, spelled] of Object.entries(kept)) {
    const value = call.query(`response-${name}`) ?? object.headers[name];
    if (value !== undefined) headers.push(spelled, withoutBreaks(value));
  }
  for (const [name, value] of Object.entries(object.headers)) {
    if (name.startsWith(METADATA)) headers.push(name, value);
  }
  if (whole && call.header("x-amz-checksum-mode")?.toUpperCase() === "ENABLED")
    headers.push(...checksumHeaders(object.checksum));
  return headers;
};

/** The query may hold line breaks, which would begin a header of their own. */
const withoutBreaks = (value: string): string => value.replace(/[^\x20-\x7e\x80-\xff]/g, " ");
