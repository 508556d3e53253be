import { constants, deflate, deflateSync, gzip, gzipSync, inflateRaw, inflateRawSync } from "node:zlib";
import { fail, type TritonError } from "../../common/status.ts";

/** Compressed bodies of inference requests and replies (spec/triton-wire.md 1.9, asked of 2.51.0). */

export type ContentEncoding = "gzip" | "deflate";

/** Bodies above this many bytes are worked on away from the event loop. */
const SYNC_BYTES = 65_536;

/** The real server (2.51.0) has no limit; a body of a few megabytes must not take all memory. */
const LARGEST_DECOMPRESSED = 2 ** 31 - 1;

/** `headers` of an error are to be sent with it. Errors are from before there is a request object, so `text/plain`. */
export type DecompressedBody =
  | { readonly ok: true; readonly value: Buffer }
  | { readonly ok: false; readonly error: TritonError; readonly headers: readonly string[] };

/**
 * Decompresses a request body. Either label takes either format. Corrupt data is no error: it is zero bytes. Of data cut
 * short the real server uses what is there, and it looks neither at checksums nor at what follows the first stream.
 * Errors: UNSUPPORTED for another label, INVALID_ARG for an empty body or one that becomes too large.
 * @param encoding value of the header `Content-Encoding`
 * @param done for bodies up to 64 kB called before the function returns
 */
export const decompressBody = (
  body: Buffer,
  encoding: string,
  done: (result: DecompressedBody) => void,
): void => {
  if (encoding === "identity") {
    done(decompressed(body));
    return;
  }
  if (encoding !== "gzip" && encoding !== "deflate") {
    const headers = ["Accept-Encoding", "gzip, deflate"];
    done({ ...fail("UNSUPPORTED", "Unsupported compression type"), headers });
    return;
  }
  if (body.length === 0) {
    done({ ...fail("INVALID_ARG", "nothing to be decompressed"), headers: [] });
    return;
  }
  const start = deflateStart(body);
  if (start < 0) {
    done(decompressed(Buffer.alloc(0)));
    return;
  }
  const stream = body.subarray(start);
  if (body.length > SYNC_BYTES) {
    inflateRaw(stream, inflateOptions, (error, value) => {
      done(error === null ? decompressed(value) : undecompressed(error));
    });
    return;
  }
  let value: Buffer;
  try {
    value = inflateRawSync(stream, inflateOptions);
  } catch (error) {
    done(undecompressed(error));
    return;
  }
  done(decompressed(value));
};

const inflateOptions = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: LARGEST_DECOMPRESSED };

const decompressed = (value: Buffer): DecompressedBody => ({ ok: true, value });

const undecompressed = (error: unknown): DecompressedBody => {
  const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
  if (!tooLarge) return decompressed(Buffer.alloc(0));
  const message = `Decompressed data size exceeds the maximum allowed value of ${LARGEST_DECOMPRESSED} bytes.`;
  return { ...fail("INVALID_ARG", message), headers: [] };
};

/** Where the deflate data begins behind a gzip (RFC 1952) or zlib (RFC 1950) header; -1 = there is neither. */
const deflateStart = (body: Buffer): number => {
  if (body.length < 2) return -1;
  const isZlib = (body[0]! & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0 && (body[1]! & 0x20) === 0;
  if (isZlib) return 2;
  if (body.length < 10 || body[0] !== 0x1f || body[1] !== 0x8b || body[2] !== 8) return -1;
  const flags = body[3]!;
  let position = 10;
  if ((flags & 0x04) !== 0) {
    if (position + 2 > body.length) return -1;
    position += 2 + body.readUInt16LE(position);
  }
  // A name and a comment, each up to a zero byte.
  for (const flag of [0x08, 0x10]) {
    if ((flags & flag) === 0) continue;
    const end = body.indexOf(0, position);
    if (end < 0) return -1;
    position = end + 1;
  }
  if ((flags & 0x02) !== 0) position += 2;
  return position <= body.length ? position : -1;
};

/**
 * The encoding of the reply that a client's `Accept-Encoding` asks for; null = none. The highest weight wins, of equal
 * ones the first; only exact lower-case names count, and `identity` is one of them.
 */
export const acceptedEncoding = (header: string): ContentEncoding | null => {
  let best: ContentEncoding | null = null;
  let bestWeight = 0;
  for (const entry of header.split(",")) {
    const [name = "", ...parameters] = entry.replace(/^ +/, "").split(";");
    if (name !== "gzip" && name !== "deflate" && name !== "identity") continue;
    const weight = parameters.length === 0 ? 1 : weightOf(parameters);
    if (weight <= bestWeight) continue;
    bestWeight = weight;
    best = name === "identity" ? null : name;
  }
  return best;
};

/** 0 where no parameter is a weight: `gzip;x=1` is as good as refused. */
const weightOf = (parameters: readonly string[]): number => {
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  const number = Number.parseFloat(weight?.slice(2) ?? "0");
  return Number.isNaN(number) ? 0 : number;
};

/**
 * Compresses the pieces of a reply into one.
 * @param done for replies up to 64 kB called before the function returns
 */
export const compressBody = (
  body: readonly Uint8Array[],
  encoding: ContentEncoding,
  done: (compressed: Buffer) => void,
): void => {
  const whole = body.length === 1 ? body[0]! : Buffer.concat(body);
  if (whole.byteLength <= SYNC_BYTES) {
    done(encoding === "gzip" ? asMadeOnUnix(gzipSync(whole)) : deflateSync(whole));
    return;
  }
  const finish = (error: Error | null, compressed: Buffer): void => {
    if (error !== null) throw error;
    done(encoding === "gzip" ? asMadeOnUnix(compressed) : compressed);
  };
  if (encoding === "gzip") gzip(whole, finish);
  else deflate(whole, finish);
};

/** The header of a gzip stream names the system it was made on. */
const asMadeOnUnix = (stream: Buffer): Buffer => {
  stream[9] = 3;
  return stream;
};
