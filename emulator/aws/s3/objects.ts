import { createHash } from "node:crypto";
import { type Checksum, checksumOf } from "../object-store/checksum.ts";
import type { OpenObject, StoredObject, Written } from "../object-store/object-store.ts";
import { AwsError } from "../wire/aws-error.ts";
import { existing } from "./buckets.ts";
import { type ByteRange, partRange, readRange } from "./byte-range.ts";
import { mayRead, writeCondition } from "./conditions.ts";
import {
  CheckedContent,
  ChecksummedContent,
  checksumElements,
  checksumHeaders,
  compareChecksum,
  readAlgorithm,
  statedChecksum,
} from "./content-check.ts";
import { headersToKeep, objectHeaders } from "./object-headers.ts";
import {
  decodePath,
  emptyReply,
  isoTime,
  type Place,
  placeOf,
  quoted,
  type S3Call,
  type S3Reply,
  type StreamedBody,
  xmlReply,
} from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";
import { asAwsError } from "./store-error.ts";
import { childText, document, type Elements, readXml } from "./xml.ts";

/** Of one DeleteObjects. */
const MOST_KEYS = 1000;

export const putObject = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  const headers = headersToKeep(call);
  const condition = writeCondition(call.header);
  condition(await call.store.head(call.bucket, call.key));
  const content = new CheckedContent(call.request, "CRC64NVME");
  const describe = (written: Written) => ({
    checksum: content.check(written),
    etag: written.md5,
    lastModifiedMs: call.nowMs(),
    headers,
    partBytes: null,
  });
  const object = await call.store.put(call.bucket, call.key, content.bytes(), describe, condition);
  return emptyReply(200, ["ETag", quoted(object.etag), ...checksumHeaders(object.checksum)]);
};

export const getObject = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  const open = await call.store.open(call.bucket, call.key);
  if (open === null) throw s3Error.noSuchKey({ Key: call.key });
  try {
    return objectReply(call, open.object, ({ start, end }) => ({
      byteSize: end - start,
      bytes: () => open.read(start, end),
      close: () => open.close(),
    }));
  } catch (error) {
    await open.close();
    throw error;
  }
};

export const headObject = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  const object = await call.store.head(call.bucket, call.key);
  if (object === null) throw s3Error.noSuchKey({ Key: call.key });
  return objectReply(call, object, ({ start, end }) => lengthOnly(end - start));
};

/** Tags are not kept; the AWS CLI asks for them before it copies an object in parts. */
export const getObjectTagging = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  const object = await call.store.head(call.bucket, call.key);
  if (object === null) throw s3Error.noSuchKey({ Key: call.key });
  return xmlReply(document("Tagging", { TagSet: {} }));
};

/** An answer to HEAD. */
const lengthOnly = (byteSize: number): StreamedBody => ({
  byteSize,
  bytes: async function* () {},
  close: async () => {},
});

const objectReply = (
  call: S3Call,
  object: StoredObject,
  bodyOf: (range: ByteRange) => StreamedBody,
): S3Reply => {
  checkVersion(call.query("versionId"));
  if (!mayRead(call.header, object)) throw notModified(object);
  const { byteSize, partBytes } = object;
  const partNumber = call.query("partNumber");
  const range = call.header("range");
  if (partNumber !== null && range !== undefined)
    throw s3Error.invalidRequest("Cannot specify both Range header and partNumber query parameter");
  const part = partNumber === null ? null : partRange(partNumber, object);
  const asked = part ?? readRange(range, byteSize);
  const { start, end } = asked ?? { start: 0, end: byteSize };
  const headers = objectHeaders(call, object, start === 0 && end === byteSize);
  if (asked !== null && byteSize > 0) headers.push("Content-Range", `bytes ${start}-${end - 1}/${byteSize}`);
  if (part !== null && partBytes !== null) headers.push("x-amz-mp-parts-count", String(partBytes.length));
  return { status: asked === null ? 200 : 206, headers, body: bodyOf({ start, end }) };
};

const notModified = ({ etag, lastModifiedMs }: StoredObject): AwsError =>
  new AwsError("NotModified", "Not Modified", {
    status: 304,
    headers: ["ETag", quoted(etag), "Last-Modified", new Date(lastModifiedMs).toUTCString()],
  });

/** There is one version of each object, and it has no id. */
const checkVersion = (versionId: string | null): void => {
  if (versionId !== null && versionId !== "null")
    throw s3Error.invalidArgument("Invalid version id specified", "versionId", versionId);
};

export const copyObject = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  const replaces = readDirective(call);
  const algorithm = readAlgorithm(call.header("x-amz-checksum-algorithm"));
  const { source, open } = await openSource(call);
  try {
    if (!replaces && source.bucket === call.bucket && source.key === call.key) throw s3Error.copyToItself();
    const { object } = open;
    const content = new ChecksummedContent(
      open.read(0, object.byteSize),
      algorithm ?? object.checksum?.algorithm ?? "CRC64NVME",
    );
    const headers = replaces ? headersToKeep(call) : object.headers;
    const copy = await call.store.put(
      call.bucket,
      call.key,
      content.bytes(),
      ({ md5 }) => ({
        etag: md5,
        lastModifiedMs: call.nowMs(),
        headers,
        checksum: content.checksum(),
        partBytes: null,
      }),
      writeCondition(call.header),
    );
    return xmlReply(document("CopyObjectResult", copyElements(copy)));
  } finally {
    await open.close();
  }
};

export const copyElements = (copy: {
  readonly etag: string;
  readonly lastModifiedMs: number;
  readonly checksum: Checksum | null;
}): Elements => ({
  LastModified: isoTime(copy.lastModifiedMs),
  ETag: quoted(copy.etag),
  ...checksumElements(copy.checksum),
});

/** Whether the copy has the headers of the request, not those of its source. */
const readDirective = (call: S3Call): boolean => {
  const directive = call.header("x-amz-metadata-directive")?.toUpperCase() ?? "COPY";
  if (directive === "COPY" || directive === "REPLACE") return directive === "REPLACE";
  throw s3Error.invalidArgument("Unknown metadata directive.", "x-amz-metadata-directive", directive);
};

/**
 * The object that `x-amz-copy-source` names; to be read or closed.
 * @throws AwsError `InvalidArgument`, `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`
 */
export const openSource = async (
  call: S3Call,
): Promise<{ readonly source: Place; readonly open: OpenObject }> => {
  const given = call.header("x-amz-copy-source") ?? "";
  const [path = "", query = ""] = given.split("?", 2);
  const source = placeOf(path, null);
  if (source.bucket === "" || source.key === "") {
    throw s3Error.invalidArgument(
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
      "x-amz-copy-source",
      given,
    );
  }
  checkVersion(query === "" ? null : decodePath(query.replace(/^versionId=/, "")));
  existing({ store: call.store, bucket: source.bucket });
  const open = await call.store.open(source.bucket, source.key);
  if (open === null) throw s3Error.noSuchKey({ Key: source.key });
  try {
    if (!mayRead(call.header, open.object, "x-amz-copy-source-"))
      throw s3Error.preconditionFailed("x-amz-copy-source-If-None-Match");
  } catch (error) {
    await open.close();
    throw error;
  }
  return { source, open };
};

export const deleteObject = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  checkVersion(call.query("versionId"));
  await call.store.delete(call.bucket, call.key, deleteCondition(call.header("if-match")));
  return emptyReply(204);
};

/** An object that is not there is as good as deleted. */
const deleteCondition = (match: string | undefined) => {
  const condition = writeCondition((name) => (name === "if-match" ? match : undefined));
  return (current: StoredObject | null): void => {
    if (current !== null) condition(current);
  };
};

export const deleteObjects = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  checkDeleteBody(call);
  const root = readXml(call.request.body, "Delete");
  const asked = root.children.filter(({ name }) => name === "Object");
  const quiet = childText(root, "Quiet") === "true";
  if (asked.length === 0 || asked.length > MOST_KEYS) throw s3Error.malformedXml();
  const keys = asked.map((element) => {
    const key = childText(element, "Key") ?? "";
    if (key === "") throw s3Error.malformedXml();
    return { key, etag: childText(element, "ETag") ?? undefined, versionId: childText(element, "VersionId") };
  });
  const deleted: Elements[] = [];
  const failed: Elements[] = [];
  for (const { key, etag, versionId } of keys) {
    try {
      checkVersion(versionId);
      await call.store.delete(call.bucket, key, deleteCondition(etag));
      if (!quiet) deleted.push({ Key: key });
    } catch (error) {
      const { code, message } = asAwsError(error, call);
      failed.push({ Key: key, Code: code, Message: message });
    }
  }
  return xmlReply(document("DeleteResult", { Deleted: deleted, Error: failed }));
};

const checkDeleteBody = ({ request, header }: S3Call): void => {
  const md5 = header("content-md5");
  const stated = statedChecksum(request);
  if (md5 === undefined && stated === null) {
    throw s3Error.invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*");
  }
  if (md5 !== undefined && createHash("md5").update(request.body).digest("base64") !== md5)
    throw s3Error.badDigestMd5();
  if (stated !== null) compareChecksum(stated, checksumOf(stated.algorithm, request.body));
};
