import { deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import {
  acceptedEncoding,
  compressBody,
  type DecompressedBody,
  decompressBody,
} from "../../../../emulator/frontends/http/compression.ts";

const text = Buffer.from(Array.from({ length: 500 }, (_, i) => i * i).join());

const decompress = (body: Buffer, encoding: string): Promise<DecompressedBody> =>
  new Promise((resolve) => decompressBody(body, encoding, resolve));

const bytesOf = async (body: Buffer, encoding = "gzip"): Promise<Buffer> => {
  const result = await decompress(body, encoding);
  if (!result.ok) throw result.error;
  return result.value;
};

test("decompressBody: takes gzip and zlib under either label", async () => {
  for (const encoding of ["gzip", "deflate"]) {
    expect(await bytesOf(gzipSync(text), encoding)).toEqual(text);
    expect(await bytesOf(deflateSync(text), encoding)).toEqual(text);
  }
  expect(await bytesOf(text, "identity")).toBe(text);
});

test("decompressBody: takes a body of more than 64 kB", async () => {
  const large = Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * 7919) % 65_521).join());
  const compressed = gzipSync(large);
  expect(compressed.length).toBeGreaterThan(65_536);
  expect(large.equals(await bytesOf(compressed))).toBe(true);
});

test("decompressBody: passes over the optional fields of a gzip header", async () => {
  const plain = gzipSync(text);
  const header = Buffer.from(plain.subarray(0, 10));
  header[3] = 0x04 | 0x08 | 0x10 | 0x02;
  const fields = Buffer.from("\x03\0abcname\0comment\0\x11\x22", "latin1");
  expect(await bytesOf(Buffer.concat([header, fields, plain.subarray(10)]))).toEqual(text);
});

test("decompressBody: makes nothing of corrupt data, and what it can of data cut short", async () => {
  expect(await bytesOf(Buffer.from("garbage garbage"))).toHaveLength(0);
  expect(await bytesOf(Buffer.from([0x1f]))).toHaveLength(0);
  expect(await bytesOf(Buffer.from([0x1f, 0x8b, 8, 0x08, 0, 0, 0, 0, 0, 3, 65]))).toHaveLength(0);
  const short = await bytesOf(gzipSync(text).subarray(0, -40));
  expect(short.length).toBeGreaterThan(0);
  expect(text.subarray(0, short.length)).toEqual(short);
});

test("decompressBody: looks neither at the checksum nor behind the first stream", async () => {
  const stream = gzipSync(text);
  const wrong = Buffer.from(stream);
  wrong[wrong.length - 5]! ^= 0xff;
  expect(await bytesOf(wrong)).toEqual(text);
  expect(await bytesOf(Buffer.concat([stream, stream]))).toEqual(text);
  expect(await bytesOf(Buffer.concat([stream, Buffer.from("xx")]))).toEqual(text);
});

test("decompressBody: refuses other labels and empty bodies", async () => {
  for (const encoding of ["br", "GZIP", "gzip, deflate", ""]) {
    expect(await decompress(text, encoding)).toMatchObject({
      error: { code: "UNSUPPORTED", message: "Unsupported compression type" },
      headers: ["Accept-Encoding", "gzip, deflate"],
    });
  }
  expect(await decompress(Buffer.alloc(0), "gzip")).toMatchObject({
    error: { code: "INVALID_ARG", message: "nothing to be decompressed" },
    headers: [],
  });
});

/** As 2.51.0 chose. */
const choices: readonly (readonly [header: string, encoding: string | null])[] = [
  ["gzip", "gzip"],
  ["deflate", "deflate"],
  ["identity", null],
  ["deflate, gzip", "deflate"],
  ["gzip;q=0.5, deflate;q=0.8", "deflate"],
  ["gzip;q=0", null],
  ["*", null],
  ["br, gzip", "gzip"],
  ["gzip ", null],
  ["GZIP", null],
  ["identity, gzip", null],
  ["gzip,identity", "gzip"],
  ["identity;q=0.5,gzip;q=0.5", null],
  ["gzip;q=abc", null],
  ["gzip; q=0.5", null],
  ["gzip;x=1", null],
  ["gzip;q=", null],
  ["gzip;q=-1", null],
  ["gzip;q=2", "gzip"],
  ["deflate;q=1.0,gzip", "deflate"],
  ["gzip;foo;q=0.3, deflate;q=0.4", "deflate"],
  ["gzip;q=1e-3,deflate;q=0.002", "deflate"],
  ["", null],
];

for (const [header, encoding] of choices) {
  test(`acceptedEncoding: chooses ${encoding} for "${header}"`, () => {
    expect(acceptedEncoding(header)).toBe(encoding);
  });
}

const compress = (body: readonly Uint8Array[], encoding: "gzip" | "deflate"): Promise<Buffer> =>
  new Promise((resolve) => compressBody(body, encoding, resolve));

test("compressBody: joins the pieces, with the headers of the real server", async () => {
  const zipped = await compress([text.subarray(0, 7), text.subarray(7)], "gzip");
  expect(zipped.subarray(0, 10).toString("hex")).toBe("1f8b0800000000000003");
  expect(gunzipSync(zipped)).toEqual(text);
  const deflated = await compress([text], "deflate");
  expect(deflated.subarray(0, 2).toString("hex")).toBe("789c");
  expect(inflateSync(deflated)).toEqual(text);
});

test("compressBody: takes bodies of more than 64 kB", async () => {
  const large = Buffer.alloc(300_000, "abc");
  expect(large.equals(gunzipSync(await compress([large], "gzip")))).toBe(true);
  expect(large.equals(inflateSync(await compress([large], "deflate")))).toBe(true);
});
