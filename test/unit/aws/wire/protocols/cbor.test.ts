import { cbor } from "@smithy/core/cbor";
import { expect, test } from "vitest";
import { decodeCbor, encodeCbor } from "../../../../../emulator/aws/wire/protocols/cbor.ts";
import { Timestamp } from "../../../../../emulator/aws/wire/timestamp.ts";

const values: readonly unknown[] = [
  null,
  true,
  false,
  0,
  23,
  24,
  255,
  256,
  65_535,
  65_536,
  4_294_967_295,
  4_294_967_296,
  Number.MAX_SAFE_INTEGER,
  -1,
  -24,
  -25,
  -300,
  -70_000,
  Number.MIN_SAFE_INTEGER,
  0.1,
  -1.5,
  1e300,
  Number.POSITIVE_INFINITY,
  "",
  "text",
  "ü🐘",
  "x".repeat(70_000),
  [],
  [1, "a", [null]],
  {},
  { a: 1, b: { c: [true] } },
  Array.from({ length: 300 }, (_, i) => i),
];

test.each(values.map((value) => [JSON.stringify(value)?.slice(0, 40), value]))(
  "CBOR: %s is what AWS's own codec writes and reads",
  (_, value) => {
    expect(decodeCbor(Buffer.from(cbor.serialize(value)))).toEqual(value);
    expect(cbor.deserialize(encodeCbor(value))).toEqual(value);
  },
);

test("CBOR: not a number stays so", () => {
  expect(decodeCbor(encodeCbor(Number.NaN))).toBeNaN();
});

test("CBOR: a time is tag 1 both ways", () => {
  const bytes = Buffer.from(
    cbor.serialize({ T: { tag: 1, value: 1.5, [Symbol.for("@smithy/core/cbor::tagSymbol")]: true } }),
  );
  const time = encodeCbor(new Timestamp(1500));
  expect(time.toString("hex")).toBe("c1fb3ff8000000000000");
  expect(decodeCbor(time)).toEqual(new Timestamp(1500));
  expect(decodeCbor(bytes)).toBeDefined();
});

test("CBOR: members that are undefined are left out", () => {
  expect(encodeCbor({ a: undefined, b: 1 })).toEqual(encodeCbor({ b: 1 }));
});

test.each([
  ["lists and maps without a length", "bf616101616282010261639f0102ffff", { a: 1, b: [1, 2], c: [1, 2] }],
  ["a text in parts", "7f6161626263ff", "abc"],
  ["half precision", "f93e00", 1.5],
  ["half precision, the smallest", "f90001", 2 ** -24],
  ["half precision, without end", "f9fc00", Number.NEGATIVE_INFINITY],
  ["single precision", "fa3fc00000", 1.5],
  ["undefined", "f7", null],
  ["a tag that means nothing here", "d9d9f701", 1],
  ["a large number as bytes", "c249010000000000000000", 2 ** 64],
])("CBOR: %s can be read", (_, hex, value) => {
  expect(decodeCbor(Buffer.from(hex, "hex"))).toEqual(value);
});

test("CBOR: bytes stay bytes", () => {
  expect(decodeCbor(Buffer.from("43010203", "hex"))).toEqual(Buffer.of(1, 2, 3));
  expect(encodeCbor(Uint8Array.of(1, 2, 3)).toString("hex")).toBe("43010203");
});

test("CBOR: a key may be called as what objects have anyway", () => {
  const read = decodeCbor(Buffer.from("a1695f5f70726f746f5f5f01", "hex"));
  expect(Object.keys(Object(read))).toEqual(["__proto__"]);
});

test.each([
  ["nothing", ""],
  ["a text that is cut", "6461"],
  ["a list that is cut", "8201"],
  ["a length without end that is cut", "9f01"],
  ["more than one value", "0101"],
  ["a stray break", "ff"],
  ["a break in a list with a length", "82ff"],
  ["a number for a key", "a10101"],
  ["a length of an unknown kind", "1c"],
  ["an unknown simple value", "f8ff"],
  ["a text in parts of which one is no text", "7f0101ff"],
  ["a list of 4 billion values that are not there", "9affffffff"],
  ["nesting without end", "81".repeat(100_000)],
])("CBOR: %s is refused", (_, hex) => {
  expect(() => decodeCbor(Buffer.from(hex, "hex"))).toThrow(
    expect.objectContaining({ code: "SerializationException" }),
  );
});
