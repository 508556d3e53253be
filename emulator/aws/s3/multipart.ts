import { createHash } from "node:crypto";
import { type Checksum, type ChecksumAlgorithm, runningChecksum } from "../object-store/checksum.ts";
import { compareKeys } from "../object-store/key-order.ts";
import type { ObjectProperties, Part, Upload, Written } from "../object-store/object-store.ts";
import { existing, owner } from "./buckets.ts";
import { copyRange, readPartNumber } from "./byte-range.ts";
import { unquoted, writeCondition } from "./conditions.ts";
import {
  CheckedContent,
  ChecksummedContent,
  checksumElements,
  checksumHeaders,
  compareChecksum,
  readAlgorithm,
  statedChecksum,
} from "./content-check.ts";
import { keyWriter, MOST_ENTRIES } from "./list-objects.ts";
import { headersToKeep } from "./object-headers.ts";
import { copyElements, openSource } from "./objects.ts";
import { emptyReply, isoTime, quoted, readCount, type S3Call, type S3Reply, xmlReply } from "./s3-call.ts";
import { s3Error } from "./s3-error.ts";
import { childText, document, readXml } from "./xml.ts";

/** Of every part but the last. */
const SMALLEST_PART = 5 * 1024 * 1024;
const MOST_PARTS = 10_000;

type ChecksumKind = Pick<Checksum, "algorithm" | "type">;

export const createMultipartUpload = async (call: S3Call): Promise<S3Reply> => {
  existing(call);
  const checksum = readKind(call);
  const { uploadId } = await call.store.createUpload(call.bucket, call.key, {
    initiatedMs: call.nowMs(),
    headers: headersToKeep(call),
    checksum,
  });
  return xmlReply(
    document("InitiateMultipartUploadResult", { Bucket: call.bucket, Key: call.key, UploadId: uploadId }),
    checksum === null
      ? []
      : ["x-amz-checksum-algorithm", checksum.algorithm, "x-amz-checksum-type", checksum.type],
  );
};

/** Null = the client names none. @throws AwsError `InvalidRequest` */
const readKind = (call: S3Call): ChecksumKind | null => {
  const algorithm = readAlgorithm(call.header("x-amz-checksum-algorithm"));
  const type = call.header("x-amz-checksum-type")?.toUpperCase();
  if (algorithm === null) {
    if (type === undefined) return null;
    throw s3Error.invalidRequest(
      "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
  }
  const allowed = checksumTypes[algorithm];
  const chosen = type === undefined ? allowed[0] : allowed.find((one) => one === type);
  if (chosen === undefined) {
    throw s3Error.invalidRequest(
      `The ${type} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm, type: chosen };
};

/** The first is the one that is taken where the client names none. */
const checksumTypes: Readonly<Record<ChecksumAlgorithm, readonly Checksum["type"][]>> = {
  CRC32: ["COMPOSITE", "FULL_OBJECT"],
  CRC32C: ["COMPOSITE", "FULL_OBJECT"],
  CRC64NVME: ["FULL_OBJECT"],
  SHA1: ["COMPOSITE"],
  SHA256: ["COMPOSITE"],
};

/** What is kept where an upload names no checksum. */
const defaultKind: ChecksumKind = { algorithm: "CRC64NVME", type: "FULL_OBJECT" };

/** @throws AwsError `NoSuchUpload`, also for an upload of another key */
const uploadOf = (call: S3Call): Upload => {
  existing(call);
  const upload = call.store.upload(call.bucket, uploadIdOf(call));
  if (upload.key !== call.key) throw s3Error.noSuchUpload({ UploadId: upload.uploadId });
  return upload;
};

const uploadIdOf = (call: S3Call): string => call.query("uploadId") ?? "";

export const uploadPart = async (call: S3Call): Promise<S3Reply> => {
  const partNumber = readPartNumber(call.query("partNumber") ?? "");
  const { checksum } = uploadOf(call);
  const content = new CheckedContent(call.request, checksum?.algorithm ?? "CRC64NVME");
  checkAlgorithm(checksum, content.stated);
  const part = await call.store.putPart(
    call.bucket,
    uploadIdOf(call),
    partNumber,
    content.bytes(),
    (written) => ({
      checksum: content.check(written),
      etag: written.md5,
      lastModifiedMs: call.nowMs(),
    }),
  );
  return emptyReply(200, ["ETag", quoted(part.etag), ...partChecksumHeaders(part)]);
};

/** A checksum of a part has no type. */
const partChecksumHeaders = ({ checksum }: Part): string[] => checksumHeaders(checksum).slice(0, 2);

const checkAlgorithm = (kind: ChecksumKind | null, stated: ChecksumAlgorithm | null): void => {
  if (kind === null || stated === null || stated === kind.algorithm) return;
  throw s3Error.invalidRequest(
    `Checksum Type mismatch occurred, expected checksum Type: ${kind.algorithm.toLowerCase()}, actual checksum Type: ${stated.toLowerCase()}`,
  );
};

export const uploadPartCopy = async (call: S3Call): Promise<S3Reply> => {
  const partNumber = readPartNumber(call.query("partNumber") ?? "");
  const { checksum } = uploadOf(call);
  const { open } = await openSource(call);
  try {
    const { start, end } = copyRange(call.header("x-amz-copy-source-range"), open.object.byteSize);
    const content = new ChecksummedContent(open.read(start, end), checksum?.algorithm ?? "CRC64NVME");
    const part = await call.store.putPart(
      call.bucket,
      uploadIdOf(call),
      partNumber,
      content.bytes(),
      ({ md5 }) => ({ etag: md5, lastModifiedMs: call.nowMs(), checksum: content.checksum() }),
    );
    return xmlReply(document("CopyPartResult", copyElements(part)));
  } finally {
    await open.close();
  }
};

export const completeMultipartUpload = async (call: S3Call): Promise<S3Reply> => {
  const upload = uploadOf(call);
  const named = readParts(call);
  const kind = upload.checksum ?? defaultKind;
  const stated = statedChecksum(call.request);
  checkAlgorithm(upload.checksum, stated?.algorithm ?? null);
  const whole = kind.type === "FULL_OBJECT" ? runningChecksum(kind.algorithm) : null;
  let parts: readonly Part[] = [];
  const describe = (written: Written): ObjectProperties => {
    const value = whole === null ? compositeChecksum(kind.algorithm, parts) : whole.digest();
    if (stated !== null && stated.algorithm === kind.algorithm) compareChecksum(stated, value);
    checkSize(call.header("x-amz-mp-object-size"), written.byteSize);
    return {
      etag: compositeEtag(parts),
      lastModifiedMs: call.nowMs(),
      headers: upload.headers,
      checksum: { ...kind, value },
      partBytes: parts.map(({ byteSize }) => byteSize),
    };
  };
  const object = await call.store.completeUpload(
    call.bucket,
    upload.uploadId,
    (current) => {
      parts = chosenParts(current, named);
      return parts;
    },
    describe,
    {
      condition: writeCondition(call.header),
      content: async function* (content) {
        for await (const bytes of content) {
          whole?.update(bytes);
          yield bytes;
        }
      },
    },
  );
  return xmlReply(
    document("CompleteMultipartUploadResult", {
      Location: `http://${call.header("host") ?? "localhost"}/${call.bucket}/${encodeURI(call.key)}`,
      Bucket: call.bucket,
      Key: call.key,
      ETag: quoted(object.etag),
      ...checksumElements(object.checksum),
    }),
  );
};

interface NamedPart {
  readonly partNumber: number;
  readonly etag: string;
  readonly checksums: ReadonlyMap<string, string>;
}

/** @throws AwsError `MalformedXML`, `InvalidPartOrder` */
const readParts = ({ request }: S3Call): readonly NamedPart[] => {
  const root = readXml(request.body, "CompleteMultipartUpload");
  const parts = root.children
    .filter(({ name }) => name === "Part")
    .map((element): NamedPart => {
      const number = childText(element, "PartNumber") ?? "";
      const etag = childText(element, "ETag");
      if (!/^\d{1,5}$/.test(number) || etag === null) throw s3Error.malformedXml();
      const checksums = element.children.filter(({ name }) => name.startsWith("Checksum"));
      return {
        partNumber: Number(number),
        etag: unquoted(etag),
        checksums: new Map(checksums.map(({ name, text }) => [name, text])),
      };
    });
  if (parts.length === 0 || parts.length > MOST_PARTS) throw s3Error.malformedXml();
  if (parts.some(({ partNumber }, at) => at > 0 && partNumber <= parts[at - 1]!.partNumber))
    throw s3Error.invalidPartOrder();
  return parts;
};

/** @throws AwsError `InvalidPart`, `EntityTooSmall` */
const chosenParts = ({ uploadId, parts }: Upload, named: readonly NamedPart[]): readonly Part[] => {
  const byNumber = new Map(parts.map((part) => [part.partNumber, part]));
  return named.map(({ partNumber, etag, checksums }, at) => {
    const part = byNumber.get(partNumber);
    const stated = checksums.get(`Checksum${part?.checksum?.algorithm}`);
    if (part?.etag !== etag || (stated !== undefined && stated !== part.checksum?.value))
      throw s3Error.invalidPart({ UploadId: uploadId, PartNumber: partNumber, ETag: etag });
    if (at < named.length - 1 && part.byteSize < SMALLEST_PART) {
      throw s3Error.entityTooSmall({
        ProposedSize: part.byteSize,
        MinSizeAllowed: SMALLEST_PART,
        PartNumber: partNumber,
        ETag: etag,
      });
    }
    return part;
  });
};

const checkSize = (given: string | undefined, byteSize: number): void => {
  if (given !== undefined && Number(given) !== byteSize) {
    throw s3Error.invalidRequest(
      `The provided 'x-amz-mp-object-size' header value ${given} does not match what was computed: ${byteSize}`,
    );
  }
};

/** The MD5 of the parts' MD5s, and how many there are. */
const compositeEtag = (parts: readonly Part[]): string => {
  const hash = createHash("md5");
  for (const { etag } of parts) hash.update(Buffer.from(etag, "hex"));
  return `${hash.digest("hex")}-${parts.length}`;
};

const compositeChecksum = (algorithm: ChecksumAlgorithm, parts: readonly Part[]): string => {
  const running = runningChecksum(algorithm);
  for (const { checksum } of parts) running.update(Buffer.from(checksum?.value ?? "", "base64"));
  return `${running.digest()}-${parts.length}`;
};

export const abortMultipartUpload = async (call: S3Call): Promise<S3Reply> => {
  await call.store.abortUpload(call.bucket, uploadOf(call).uploadId);
  return emptyReply(204);
};

export const listParts = (call: S3Call): S3Reply => {
  const { uploadId, parts, checksum } = uploadOf(call);
  const marker = readCount(call, "part-number-marker", 0);
  const limit = Math.min(readCount(call, "max-parts", MOST_ENTRIES), MOST_ENTRIES);
  const behind = parts.filter(({ partNumber }) => partNumber > marker);
  const shown = behind.slice(0, limit);
  return xmlReply(
    document("ListPartsResult", {
      Bucket: call.bucket,
      Key: keyWriter(call)(call.key),
      UploadId: uploadId,
      PartNumberMarker: marker,
      NextPartNumberMarker: shown.at(-1)?.partNumber ?? 0,
      MaxParts: limit,
      IsTruncated: shown.length < behind.length,
      Part: shown.map((part) => ({
        PartNumber: part.partNumber,
        LastModified: isoTime(part.lastModifiedMs),
        ETag: quoted(part.etag),
        Size: part.byteSize,
        ...(part.checksum === null ? {} : { [`Checksum${part.checksum.algorithm}`]: part.checksum.value }),
      })),
      Initiator: owner,
      Owner: owner,
      StorageClass: "STANDARD",
      ChecksumAlgorithm: checksum?.algorithm,
      ChecksumType: checksum?.type,
    }),
  );
};

export const listMultipartUploads = (call: S3Call): S3Reply => {
  existing(call);
  const written = keyWriter(call);
  const prefix = call.query("prefix") ?? "";
  const delimiter = call.query("delimiter") ?? "";
  const keyMarker = call.query("key-marker") ?? "";
  const idMarker = call.query("upload-id-marker") ?? "";
  const limit = Math.min(readCount(call, "max-uploads", MOST_ENTRIES), MOST_ENTRIES);
  const all = call.store.uploads(call.bucket);
  const markerAt = all.findIndex(({ key, uploadId }) => key === keyMarker && uploadId === idMarker);
  const commonPrefixes = new Set<string>();
  const behind = all
    .filter(
      ({ key }, at) =>
        key.startsWith(prefix) && (markerAt >= 0 ? at > markerAt : compareKeys(key, keyMarker) > 0),
    )
    .filter(({ key }) => {
      const end = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
      if (end >= 0) commonPrefixes.add(key.slice(0, end + delimiter.length));
      return end < 0;
    });
  const shown = behind.slice(0, limit);
  const truncated = shown.length < behind.length;
  const last = truncated ? shown.at(-1) : undefined;
  return xmlReply(
    document("ListMultipartUploadsResult", {
      Bucket: call.bucket,
      KeyMarker: written(keyMarker),
      UploadIdMarker: idMarker,
      NextKeyMarker: last === undefined ? null : written(last.key),
      NextUploadIdMarker: last?.uploadId,
      Prefix: written(prefix),
      Delimiter: delimiter === "" ? null : written(delimiter),
      EncodingType: call.query("encoding-type"),
      MaxUploads: limit,
      IsTruncated: truncated,
      Upload: shown.map(({ key, uploadId, initiatedMs, checksum }) => ({
        Key: written(key),
        UploadId: uploadId,
        Initiator: owner,
        Owner: owner,
        StorageClass: "STANDARD",
        Initiated: isoTime(initiatedMs),
        ChecksumAlgorithm: checksum?.algorithm,
        ChecksumType: checksum?.type,
      })),
      CommonPrefixes: [...commonPrefixes].map((one) => ({ Prefix: written(one) })),
    }),
  );
};
