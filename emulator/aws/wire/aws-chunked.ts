import { createHash } from "node:crypto";
import { AwsError } from "./aws-error.ts";
import type { PayloadCheck } from "./payload-check.ts";

/** A body in S3's own chunks: `<hex size>[;chunk-signature=...]`, the bytes, ...; behind the chunk of size 0 come trailers. */
export interface ChunkedBody {
  readonly bytes: Buffer;
  readonly chunks: readonly Chunk[];
  /** By lower-case name; `x-amz-trailer-signature` is among them where there is one. */
  readonly trailers: ReadonlyMap<string, string>;
}

export interface Chunk {
  readonly bytes: Buffer;
  /** Null = unsigned. */
  readonly signature: string | null;
}

const CRLF = Buffer.from("\r\n");

/** @throws AwsError `IncompleteBody`, `InvalidRequest` */
export const decodeAwsChunked = (body: Buffer, decodedLength: number | null): ChunkedBody => {
  const chunks: Chunk[] = [];
  let at = 0;
  const line = (): string => {
    const end = body.indexOf(CRLF, at);
    if (end < 0) throw incomplete();
    const text = body.toString("latin1", at, end);
    at = end + CRLF.length;
    return text;
  };
  for (;;) {
    const { length, signature } = readChunkLine(line());
    if (at + length > body.length) throw incomplete();
    const bytes = body.subarray(at, at + length);
    chunks.push({ bytes, signature });
    at += length;
    if (length === 0) break;
    if (line() !== "") throw broken("a chunk is longer than its size says");
  }
  const bytes = chunks.length === 2 ? chunks[0]!.bytes : Buffer.concat(chunks.map((chunk) => chunk.bytes));
  if (decodedLength !== null && decodedLength !== bytes.length) throw incomplete();
  return { bytes, chunks, trailers: readTrailers(body.toString("latin1", at)) };
};

const readChunkLine = (line: string): { readonly length: number; readonly signature: string | null } => {
  const [size = "", ...extensions] = line.split(";");
  if (!/^[0-9a-fA-F]{1,12}$/.test(size.trim())) throw broken(`'${size.slice(0, 40)}' is no size of a chunk`);
  const signature = extensions
    .find((one) => one.trim().startsWith("chunk-signature="))
    ?.split("=")[1]
    ?.trim();
  return { length: Number.parseInt(size, 16), signature: signature ?? null };
};

export interface StreamedChunks {
  readonly decodedLength: number | null;
  /** Gets them when the last byte was read. */
  readonly trailers: Map<string, string>;
  /** Null = signatures are not looked at. */
  readonly check: PayloadCheck | null;
}

/**
 * The same of a body that is still coming. A chunk is passed on as it comes, and what follows it only when its signature is
 * right: who keeps the bytes keeps them when it has ended.
 * @throws AwsError `IncompleteBody`, `InvalidRequest`, and what `check` refuses with
 */
export const readAwsChunked = async function* (
  body: AsyncIterable<Buffer>,
  { decodedLength, trailers, check }: StreamedChunks,
): AsyncGenerator<Buffer> {
  const bytes = new Bytes(body[Symbol.asyncIterator]());
  let byteSize = 0;
  for (;;) {
    const { length, signature } = readChunkLine(await bytes.line());
    const hash = check === null ? null : createHash("sha256");
    for (let left = length; left > 0; ) {
      const piece = await bytes.take(left);
      if (piece === null) throw incomplete();
      left -= piece.length;
      hash?.update(piece);
      yield piece;
    }
    byteSize += length;
    if (hash !== null) check?.chunk(hash.digest("hex"), signature);
    if (length === 0) break;
    if ((await bytes.line()) !== "") throw broken("a chunk is longer than its size says");
  }
  if (decodedLength !== null && decodedLength !== byteSize) throw incomplete();
  for (const [name, value] of readTrailers(await bytes.rest())) trailers.set(name, value);
  check?.trailers(trailers);
};

const LONGEST_LINE = 16_384;

/** Lines and bytes of pieces as they come. */
class Bytes {
  readonly #pieces: AsyncIterator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(pieces: AsyncIterator<Buffer>) {
    this.#pieces = pieces;
  }

  /** Some, up to `most`; null = there are no more. */
  async take(most: number): Promise<Buffer | null> {
    if (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done) return null;
      this.#piece = next.value;
    }
    const taken = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(taken.length);
    return taken;
  }

  /** Without its end. @throws AwsError */
  async line(): Promise<string> {
    let text = Buffer.alloc(0);
    for (;;) {
      const piece = await this.take(LONGEST_LINE);
      if (piece === null) throw incomplete();
      text = Buffer.concat([text, piece]);
      const end = text.indexOf(CRLF);
      if (end >= 0) {
        this.#piece = Buffer.concat([text.subarray(end + CRLF.length), this.#piece]);
        return text.toString("latin1", 0, end);
      }
      if (text.length > LONGEST_LINE) throw broken("a line of it has no end");
    }
  }

  async rest(): Promise<string> {
    let text = "";
    for (let piece = await this.take(LONGEST_LINE); piece !== null; piece = await this.take(LONGEST_LINE)) {
      text += piece.toString("latin1");
      if (text.length > LONGEST_LINE) throw broken("its trailers have no end");
    }
    return text;
  }
}

const readTrailers = (text: string): ReadonlyMap<string, string> => {
  const trailers = new Map<string, string>();
  for (const one of text.split(/\r?\n/)) {
    const colon = one.indexOf(":");
    if (colon > 0) trailers.set(one.slice(0, colon).trim().toLowerCase(), one.slice(colon + 1).trim());
    else if (one.trim() !== "")
      throw new AwsError(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed or did not conform to our published schema.",
      );
  }
  return trailers;
};

export const incomplete = (): AwsError =>
  new AwsError(
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header",
  );

const broken = (what: string): AwsError =>
  new AwsError("InvalidRequest", `The body is not in the form aws-chunked: ${what}`);
