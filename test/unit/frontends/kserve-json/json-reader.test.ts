import { expect, test } from "vitest";
import {
  asArray,
  asBoolean,
  asDouble,
  asObject,
  asSignedInteger,
  asString,
  asUnsignedInteger,
  JsonDouble,
  JsonObject,
  type JsonValue,
  memberOf,
  membersOf,
  optionalMember,
  parseJson,
} from "../../../../emulator/frontends/kserve-json/json-reader.ts";

const parse = (text: string, encoding: BufferEncoding = "utf8"): JsonValue => {
  const result = parseJson(Buffer.from(text, encoding));
  if (!result.ok) throw result.error;
  return result.value;
};

const failure = (text: string): string => {
  const result = parseJson(Buffer.from(text));
  if (result.ok) throw new Error("parsed");
  expect(result.error.code).toBe("INTERNAL");
  return result.error.message;
};

test("JSON reader: keeps integers, doubles and 64-bit integers apart", () => {
  expect(
    parse("[1,-0,1.0,9007199254740993,-9223372036854775808,18446744073709551615,18446744073709551616]"),
  ).toEqual([
    1,
    0,
    new JsonDouble(1),
    9007199254740993n,
    -9223372036854775808n,
    18446744073709551615n,
    new JsonDouble(18446744073709552000),
  ]);
});

test("JSON reader: takes the first of equal names, and keeps all in order", () => {
  const value = parse('{"a":1,"b":{"c":[]},"a":2}');
  expect(optionalMember(value, "a")).toBe(1);
  expect(value instanceof JsonObject && [...value.entries()].map(([name]) => name)).toEqual(["a", "b", "a"]);
});

test("JSON reader: resolves escapes, and reads strings of any length", () => {
  expect(parse('"a\\u00e9\\ud83d\\ude00\\n\\/\\"\\\\é"')).toBe('aé😀\n/"\\é');
  const long = "é".repeat(100_000);
  expect(parse(JSON.stringify(long))).toBe(long);
  expect(parse('"__proto__"')).toBe("__proto__");
});

test("JSON reader: skips any byte of a byte order mark, and ends at a NUL", () => {
  expect(parse("\xef\xbb\xbf[1]", "latin1")).toEqual([1]);
  expect(parse("\xbf[1]", "latin1")).toEqual([1]);
  expect(parse("[1]\0garbage")).toEqual([1]);
});

test("JSON reader: reads named numbers, with the fraction or exponent that the original allows behind them", () => {
  expect(parse("[NaN,-NaN,Inf,-Infinity,NaInf,Infe3,-NaN.5]")).toEqual([
    new JsonDouble(Number.NaN),
    new JsonDouble(Number.NaN),
    new JsonDouble(Number.POSITIVE_INFINITY),
    new JsonDouble(Number.NEGATIVE_INFINITY),
    new JsonDouble(Number.POSITIVE_INFINITY),
    new JsonDouble(0),
    new JsonDouble(-0.5),
  ]);
});

test("JSON reader: names the reason and the offset of an error", () => {
  const prefix = "failed to parse the request JSON buffer: ";
  expect(failure("")).toBe(`${prefix}The document is empty. at 0`);
  expect(failure('{"a":1,}')).toBe(`${prefix}Missing a name for object member. at 7`);
  expect(failure("[1e400]")).toBe(`${prefix}Number too big to be stored in double. at 1`);
});

test("JSON reader: takes 300,000 nested arrays and objects", () => {
  const depth = 300_000;
  let value = parse("[".repeat(depth) + "]".repeat(depth));
  for (let i = 1; i < depth; i++) value = Array.isArray(value) ? value[0] : null;
  expect(value).toEqual([]);
  expect(failure("[".repeat(depth))).toMatch(/Invalid value\. at 300000$/);
  expect(failure('{"a":'.repeat(depth))).toMatch(/Invalid value\. at 1500000$/);
});

const access = (result: { readonly ok: boolean; readonly error?: Error }): string =>
  result.error?.message ?? "";

test("JSON access: says what a value is not", () => {
  expect(access(asArray(1))).toBe("attempt to access JSON non-array as array");
  expect(access(asObject([]))).toBe("attempt to access JSON non-object as object");
  expect(access(asString(null))).toBe("attempt to access JSON non-string as string");
  expect(access(asBoolean(1))).toBe("attempt to access JSON non-boolean as boolean");
  expect(access(asDouble("1"))).toBe("attempt to access JSON non-number as double");
  expect(access(asSignedInteger(9223372036854775808n))).toBe(
    "attempt to access JSON non-signed-integer as signed-integer",
  );
  expect(access(asUnsignedInteger(-1))).toBe(
    "attempt to access JSON non-unsigned-integer as unsigned-integer",
  );
  expect(access(memberOf(parse("{}"), "k"))).toBe("attempt to access non-existing object member 'k'");
  expect(access(memberOf(5, "k"))).toBe("attempt to access non-existing object member 'k'");
  expect(access(membersOf(5))).toBe("attempt to get members for non-object");
});

test("JSON access: a double is any number, an integer is none with a point", () => {
  expect(asDouble(9007199254740993n)).toEqual({ ok: true, value: 9007199254740992 });
  expect(asDouble(new JsonDouble(0.5))).toEqual({ ok: true, value: 0.5 });
  expect(asUnsignedInteger(18446744073709551615n).ok).toBe(true);
  expect(asUnsignedInteger(new JsonDouble(1)).ok).toBe(false);
});
