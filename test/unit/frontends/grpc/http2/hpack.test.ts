import { describe, expect, test } from "vitest";
import {
  encodeHeaders,
  HpackDecoder,
  HpackError,
  UNREADABLE,
} from "../../../../../emulator/frontends/grpc/http2/hpack.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

// The examples are those of RFC 7541, appendix C.3 and C.4.
describe.each([
  [
    "without Huffman code",
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
  ],
  [
    "with Huffman code",
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  ],
])("HPACK %s", (_, blocks) => {
  test("HPACK: a connection's blocks build on each other", () => {
    const decoder = new HpackDecoder();
    expect(blocks.map((block) => ({ ...decoder.decode(hex(block)) }))).toEqual([
      { ":method": "GET", ":scheme": "http", ":path": "/", ":authority": "www.example.com" },
      {
        ":method": "GET",
        ":scheme": "http",
        ":path": "/",
        ":authority": "www.example.com",
        "cache-control": "no-cache",
      },
      {
        ":method": "GET",
        ":scheme": "https",
        ":path": "/index.html",
        ":authority": "www.example.com",
        "custom-key": "custom-value",
      },
    ]);
  });
});

test("HPACK: a block that is repeated means the same until the table changes", () => {
  const decoder = new HpackDecoder();
  decoder.decode(hex("40 01 61 01 31"));
  expect({ ...decoder.decode(hex("be")) }).toEqual({ a: "1" });
  expect({ ...decoder.decode(hex("be")) }).toEqual({ a: "1" });
  decoder.decode(hex("40 01 62 01 32"));
  expect({ ...decoder.decode(hex("be")) }).toEqual({ b: "2" });
});

test("HPACK: entries are evicted when the table is made smaller", () => {
  const decoder = new HpackDecoder();
  decoder.decode(hex("40 01 61 01 31"));
  decoder.decode(hex("20"));
  expect(() => decoder.decode(hex("be"))).toThrow(HpackError);
});

test("HPACK: a field that comes twice keeps both values", () => {
  expect({ ...new HpackDecoder().decode(hex("00 01 61 01 31 00 01 61 01 32")) }).toEqual({ a: "1\n2" });
});

test("HPACK: every field that is encoded is decoded", () => {
  const value = "x".repeat(300);
  const block = encodeHeaders([
    [":status", "200"],
    ["grpc-message", value],
  ]);
  expect({ ...new HpackDecoder().decode(block) }).toEqual({ ":status": "200", "grpc-message": value });
});

test.each([
  ["an index beyond the tables", "ff 20"],
  ["index 0", "80"],
  ["a string beyond the end", "00 05 61"],
  ["an integer that does not end", "ff ff ff ff ff ff ff"],
  ["a table larger than was allowed", "3f e2 1f"],
  ["Huffman padding of zeros", "00 81 18 01 31"],
  ["the end-of-string symbol", "00 84 ff ff ff ff 01 31"],
])("HPACK: %s is an error", (_, block) => {
  expect(() => new HpackDecoder().decode(hex(block))).toThrow(HpackError);
});

test("HPACK: a short block that stands for a long list is an error", () => {
  const decoder = new HpackDecoder();
  decoder.decode(Buffer.concat([hex("40 01 61 7f 81 17"), Buffer.alloc(3072, 0x78)]));
  expect(() => decoder.decode(Buffer.alloc(400, 0xbe))).toThrow("header list too long");
});

test("HPACK: a field that cannot be read has another name, also when it comes again from the table", () => {
  const decoder = new HpackDecoder((name) => name !== "b");
  const block = hex("40 01 61 01 31 40 01 62 01 32");
  expect({ ...decoder.decode(block) }).toEqual({ a: "1", [UNREADABLE]: "2" });
  expect({ ...decoder.decode(hex("be")) }).toEqual({ [UNREADABLE]: "2" });
});
