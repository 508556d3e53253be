import {
  type Checksum,
  type ChecksumAlgorithm,
  checksumAlgorithms,
  runningChecksum,
} from "../object-store/checksum.ts";
import type { Content, Written } from "../object-store/object-store.ts";
import { AwsError } from "../wire/aws-error.ts";
import type { AwsRequest } from "../wire/aws-request.ts";
import { s3Error } from "./s3-error.ts";

const PIECE = 1024 * 1024;

/** A body that is checked while it is read: against Content-MD5, and against the one checksum that the client may name. */
export class CheckedContent {
  readonly #request: CheckedRequest;
  readonly #md5: Buffer | null;
  /** Null = the client names none. */
  readonly stated: ChecksumAlgorithm | null;
  readonly #content: ChecksummedContent;

  /**
   * @param algorithm what is computed where the client names none
   * @throws AwsError
   */
  constructor(request: CheckedRequest, algorithm: ChecksumAlgorithm) {
    this.#request = request;
    this.#md5 = readMd5(request.head.headers.get("content-md5"));
    this.stated = announcedAlgorithm(request) ?? statedChecksum(request)?.algorithm ?? null;
    this.#content = new ChecksummedContent(request.content ?? pieces(request.body), this.stated ?? algorithm);
  }

  bytes(): Content {
    return this.#content.bytes();
  }

  /** Call it when all is read. @throws AwsError `BadDigest` */
  check({ md5 }: Written): Checksum {
    if (this.#md5 !== null && this.#md5.toString("hex") !== md5) {
      throw s3Error.badDigestMd5({
        ExpectedDigest: this.#md5.toString("base64"),
        CalculatedDigest: Buffer.from(md5, "hex").toString("base64"),
      });
    }
    const checksum = this.#content.checksum();
    // Behind a body that came as it was read, it is there only now.
    const stated = statedChecksum(this.#request);
    if (stated !== null) compareChecksum(stated, checksum.value);
    return checksum;
  }
}

type CheckedRequest = Pick<AwsRequest, "head" | "body" | "content" | "trailers">;

/** The one that is to follow a body which is still coming; null = none is. */
const announcedAlgorithm = ({ head, content }: CheckedRequest): ChecksumAlgorithm | null => {
  if (content === undefined) return null;
  const names = head.headers.get("x-amz-trailer")?.toLowerCase().split(/,\s*/) ?? [];
  return checksumAlgorithms.find((algorithm) => names.includes(checksumHeader(algorithm))) ?? null;
};

/** Content with a checksum that is there when all of it is read. */
export class ChecksummedContent {
  readonly #content: Content;
  readonly #algorithm: ChecksumAlgorithm;
  readonly #running;

  constructor(content: Content, algorithm: ChecksumAlgorithm) {
    this.#content = content;
    this.#algorithm = algorithm;
    this.#running = runningChecksum(algorithm);
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    for await (const bytes of this.#content) {
      this.#running.update(bytes);
      yield bytes;
    }
  }

  checksum(): Checksum {
    return { algorithm: this.#algorithm, type: "FULL_OBJECT", value: this.#running.digest() };
  }
}

interface StatedChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/**
 * The checksum that a request names, in a header or behind its body.
 * @throws AwsError `InvalidRequest`
 */
export const statedChecksum = ({
  head,
  trailers,
}: Pick<AwsRequest, "head" | "trailers">): StatedChecksum | null => {
  const found = checksumAlgorithms.flatMap((algorithm) => {
    const value = head.headers.get(checksumHeader(algorithm)) ?? trailers.get(checksumHeader(algorithm));
    return value === undefined ? [] : [{ algorithm, value }];
  });
  const [first = null] = found;
  if (found.length > 1) {
    throw s3Error.invalidRequest(
      "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    );
  }
  if (first === null) {
    if (head.headers.has("x-amz-sdk-checksum-algorithm") && head.method === "PUT") {
      throw s3Error.invalidRequest(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
      );
    }
    return null;
  }
  // A composite one, of an upload in parts, has its number of parts behind it.
  if (!isBase64Of(first.value.replace(/-\d+$/, ""), byteSizes[first.algorithm]))
    throw s3Error.invalidRequest(`Value for ${checksumHeader(first.algorithm)} header is invalid.`);
  return first;
};

/** @throws AwsError `BadDigest` */
export const compareChecksum = ({ algorithm, value }: StatedChecksum, calculated: string): void => {
  if (value !== calculated)
    throw new AwsError("BadDigest", `The ${algorithm} you specified did not match the calculated checksum.`);
};

/** @throws AwsError `InvalidRequest` */
export const readAlgorithm = (given: string | undefined): ChecksumAlgorithm | null => {
  if (given === undefined) return null;
  const algorithm = checksumAlgorithms.find((one) => one === given.toUpperCase());
  if (algorithm === undefined) {
    throw s3Error.invalidRequest(
      "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    );
  }
  return algorithm;
};

const checksumHeader = (algorithm: ChecksumAlgorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`;

/** Name and value in turn. */
export const checksumHeaders = (checksum: Checksum | null): string[] =>
  checksum === null
    ? []
    : [checksumHeader(checksum.algorithm), checksum.value, "x-amz-checksum-type", checksum.type];

/** As elements of an answer. */
export const checksumElements = (checksum: Checksum | null): Readonly<Record<string, string>> =>
  checksum === null ? {} : { [`Checksum${checksum.algorithm}`]: checksum.value, ChecksumType: checksum.type };

const pieces = function* (bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
};

const byteSizes: Readonly<Record<ChecksumAlgorithm, number>> = {
  CRC32: 4,
  CRC32C: 4,
  CRC64NVME: 8,
  SHA1: 20,
  SHA256: 32,
};

const isBase64Of = (text: string, byteSize: number): boolean =>
  /^[A-Za-z0-9+/]+={0,2}$/.test(text) && Buffer.from(text, "base64").length === byteSize;

const readMd5 = (given: string | undefined): Buffer | null => {
  if (given === undefined) return null;
  if (!isBase64Of(given, 16)) throw s3Error.invalidDigest({ "Content-MD5": given });
  return Buffer.from(given, "base64");
};
