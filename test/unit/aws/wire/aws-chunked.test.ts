import { expect, test } from "vitest";
import { decodeAwsChunked, readAwsChunked } from "../../../../emulator/aws/wire/aws-chunked.ts";

const decoded = (text: string, length: number | null = null) => {
  const { bytes, chunks, trailers } = decodeAwsChunked(Buffer.from(text), length);
  return { text: bytes.toString(), signatures: chunks.map(({ signature }) => signature), trailers };
};

test("aws-chunked: chunks become one body, what stands behind them trailers", () => {
  const body = "5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\nX-Other: 1\r\n\r\n";
  expect(decoded(body, 11)).toEqual({
    text: "hello world",
    signatures: [null, null, null],
    trailers: new Map([
      ["x-amz-checksum-crc32", "DUoRhQ=="],
      ["x-other", "1"],
    ]),
  });
});

test("aws-chunked: signatures of chunks are kept", () => {
  const body = "3;chunk-signature=aa\r\nabc\r\n0;chunk-signature=bb\r\n\r\n";
  expect(decoded(body)).toMatchObject({ text: "abc", signatures: ["aa", "bb"] });
});

test("aws-chunked: a body may be empty", () => {
  expect(decoded("0\r\n\r\n", 0).text).toBe("");
});

const broken = [
  ["nothing", "", null, "IncompleteBody"],
  ["no last chunk", "3\r\nabc\r\n", null, "IncompleteBody"],
  ["a chunk that is cut", "5\r\nabc", null, "IncompleteBody"],
  ["another length than was said", "3\r\nabc\r\n0\r\n\r\n", 4, "IncompleteBody"],
  ["no size", "x\r\nabc\r\n0\r\n\r\n", null, "InvalidRequest"],
  ["a negative size", "-3\r\nabc\r\n0\r\n\r\n", null, "InvalidRequest"],
  ["a chunk longer than its size", "2\r\nabc\r\n0\r\n\r\n", null, "InvalidRequest"],
  ["a trailer that is none", "0\r\nwhat\r\n\r\n", null, "MalformedTrailerError"],
] as const;

test.each(broken)("aws-chunked: %s is refused", (_, body, length, code) => {
  expect(() => decodeAwsChunked(Buffer.from(body), length)).toThrow(expect.objectContaining({ code }));
});

/** In pieces of so many bytes. */
const read = async (text: string, size: number, decodedLength: number | null = null) => {
  const pieces = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < text.length; at += size) yield Buffer.from(text.slice(at, at + size));
  };
  const trailers = new Map<string, string>();
  let all = "";
  for await (const piece of readAwsChunked(pieces(), { decodedLength, trailers, check: null })) {
    all += piece.toString();
  }
  return { text: all, trailers };
};

test.each([1, 2, 3, 7, 1000])("aws-chunked: in pieces of %i as they come it is the same", async (size) => {
  const body = `5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n`;
  expect(await read(body, size, 11)).toEqual({
    text: "hello world",
    trailers: new Map([["x-amz-checksum-crc32", "DUoRhQ=="]]),
  });
});

test.each(broken)("aws-chunked, as it comes: %s is refused", async (_, body, length, code) => {
  for (const size of [1, 1000])
    await expect(read(body, size, length)).rejects.toThrow(expect.objectContaining({ code }));
});
