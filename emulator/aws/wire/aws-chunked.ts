import { AwsError } from "./aws-error.ts";

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
    const [size = "", ...extensions] = line().split(";");
    if (!/^[0-9a-fA-F]{1,12}$/.test(size.trim()))
      throw broken(`'${size.slice(0, 40)}' is no size of a chunk`);
    const length = Number.parseInt(size, 16);
    const signature =
      extensions
        .find((one) => one.trim().startsWith("chunk-signature="))
        ?.split("=")[1]
        ?.trim() ?? null;
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

const incomplete = (): AwsError =>
  new AwsError(
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header",
  );

const broken = (what: string): AwsError =>
  new AwsError("InvalidRequest", `The body is not in the form aws-chunked: ${what}`);
