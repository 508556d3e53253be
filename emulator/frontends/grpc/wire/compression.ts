import { deflate, deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateSync } from "node:zlib";
import { MAX_MESSAGE_BYTES } from "./message-reader.ts";

export type CompressionAlgorithm = "gzip" | "deflate";
/** `--grpc-infer-response-compression-level` */
export type CompressionLevel = "none" | "low" | "medium" | "high";

/** What the server accepts, in the order of the header `grpc-accept-encoding`. */
export const ACCEPTED_ENCODINGS = "identity, deflate, gzip";

/** Below this a hop to zlib's own threads costs more than it saves the event loop. */
const INLINE_BYTES = 64 * 1024;

/**
 * The algorithm for a level among those the client accepts; null = none. The real server takes the first of gzip and
 * deflate for low and the last for medium and high (2.51.0).
 */
export const chooseAlgorithm = (
  level: CompressionLevel,
  acceptEncoding: string | undefined,
): CompressionAlgorithm | null => {
  if (level === "none" || acceptEncoding === undefined) return null;
  const accepted = acceptEncoding.split(",").map((name) => name.trim());
  const candidates = algorithms.filter((name) => accepted.includes(name));
  return (level === "low" ? candidates[0] : candidates.at(-1)) ?? null;
};

const algorithms: readonly CompressionAlgorithm[] = ["gzip", "deflate"];

export const isCompressionAlgorithm = (name: string): name is CompressionAlgorithm =>
  name === "gzip" || name === "deflate";

/** Compresses a message; `done` gets null where that makes it no smaller. May answer before it returns. */
export const compress = (
  algorithm: CompressionAlgorithm,
  message: Uint8Array,
  done: (compressed: Uint8Array | null) => void,
): void => {
  const finish = (bytes: Uint8Array): void => done(bytes.length < message.length ? bytes : null);
  if (message.length <= INLINE_BYTES) {
    finish(algorithm === "gzip" ? gzipSync(message) : deflateSync(message));
    return;
  }
  const run = algorithm === "gzip" ? gzip : deflate;
  run(message, (error, bytes) => (error === null ? finish(bytes) : done(null)));
};

/** Decompresses a message; `done` gets null for bytes that are not of the algorithm, or too many. May answer before it returns. */
export const decompress = (
  algorithm: CompressionAlgorithm,
  message: Uint8Array,
  done: (plain: Uint8Array | null) => void,
): void => {
  const inline = message.length <= INLINE_BYTES ? decompressInline(algorithm, message) : "too large";
  if (inline !== "too large") {
    done(inline);
    return;
  }
  const run = algorithm === "gzip" ? gunzip : inflate;
  run(message, { maxOutputLength: MAX_MESSAGE_BYTES }, (error, bytes) => done(error === null ? bytes : null));
};

/** A small message may still hold a large one; that is left to the other threads. */
const decompressInline = (
  algorithm: CompressionAlgorithm,
  message: Uint8Array,
): Uint8Array | null | "too large" => {
  const options = { maxOutputLength: 16 * INLINE_BYTES };
  try {
    return algorithm === "gzip" ? gunzipSync(message, options) : inflateSync(message, options);
  } catch (error) {
    const tooLarge = error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE";
    return tooLarge ? "too large" : null;
  }
};
