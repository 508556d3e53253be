import { describe, expect, test } from "vitest";
import { AwsError } from "../../../../emulator/aws/wire/aws-error.ts";
import {
  anything,
  boolean,
  double,
  enumeration,
  integer,
  list,
  map,
  readInput,
  required,
  type Shape,
  string,
  structure,
  timestamp,
  type Wire,
} from "../../../../emulator/aws/wire/shapes.ts";
import { Timestamp } from "../../../../emulator/aws/wire/timestamp.ts";

const shape = structure({
  ModelName: required(string({ max: 5, pattern: "[a-z]+" })),
  Mode: enumeration(["SingleModel", "MultiModel"]),
  Variants: list(structure({ VariantName: required(string({ max: 3 })), Count: integer({ min: 1 }) }), {
    min: 1,
    max: 2,
  }),
  Names: list(string({ min: 1, max: 2 })),
  Environment: map(string({ max: 2 }), { max: 1 }),
});

/** The code and the text of what is thrown. */
const refused = (input: unknown, of: Shape<unknown> = shape, wire: Wire = "json"): string => {
  try {
    readInput(of, input, wire);
  } catch (error) {
    if (error instanceof AwsError) return `${error.status} ${error.code}: ${error.message}`;
    throw error;
  }
  return "taken";
};

const violation = (text: string) => `400 ValidationException: 1 validation error detected: ${text}`;

describe("shapes: constraints in AWS's words", () => {
  test.each<[string, unknown, string]>([
    [
      "a missing member",
      {},
      "Value null at 'modelName' failed to satisfy constraint: Member must not be null",
    ],
    [
      "a null",
      { ModelName: null },
      "Value null at 'modelName' failed to satisfy constraint: Member must not be null",
    ],
    [
      "a long text",
      { ModelName: "abcdef" },
      "Value 'abcdef' at 'modelName' failed to satisfy constraint: Member must have length less than or equal to 5",
    ],
    [
      "a pattern",
      { ModelName: "A" },
      "Value 'A' at 'modelName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+",
    ],
    [
      "an enumeration",
      { ModelName: "a", Mode: "x" },
      "Value 'x' at 'mode' failed to satisfy constraint: Member must satisfy enum value set: [SingleModel, MultiModel]",
    ],
    [
      "an empty list",
      { ModelName: "a", Variants: [] },
      "Value '[]' at 'variants' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ],
    [
      "a member of a structure in a list",
      { ModelName: "a", Variants: [{ VariantName: "abc" }, { VariantName: "abcd" }] },
      "Value 'abcd' at 'variants.2.member.variantName' failed to satisfy constraint: Member must have length less than or equal to 3",
    ],
    [
      "a number",
      { ModelName: "a", Variants: [{ VariantName: "a", Count: 0 }] },
      "Value '0' at 'variants.1.member.count' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ],
    [
      "texts in a list, in one sentence",
      { ModelName: "a", Names: ["", "abc", "x", "abcd"] },
      "Value '[, abc, x, abcd]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length greater than or equal to 1, Member must have length less than or equal to 2]",
    ],
    [
      "a map's size",
      { ModelName: "a", Environment: { a: "1", b: "2" } },
      "Value '{a=1, b=2}' at 'environment' failed to satisfy constraint: Member must have length less than or equal to 1",
    ],
  ])("%s", (_, input, text) => {
    expect(refused(input)).toBe(violation(text));
  });

  test("several are told together", () => {
    expect(refused({ Mode: "x", Variants: [{}] })).toBe(
      "400 ValidationException: 3 validation errors detected: Value null at 'modelName' failed to satisfy constraint: Member must not be null; Value 'x' at 'mode' failed to satisfy constraint: Member must satisfy enum value set: [SingleModel, MultiModel]; Value null at 'variants.1.member.variantName' failed to satisfy constraint: Member must not be null",
    );
  });

  test("the service may have an error of its own for them", () => {
    const invalid = (message: string) => new AwsError("ValidationError", message);
    expect(() => readInput(shape, {}, "json", invalid)).toThrow(
      expect.objectContaining({ code: "ValidationError" }),
    );
  });
});

test("shapes: members that are not known are left out, those that are not given are undefined", () => {
  expect(readInput(shape, { ModelName: "a", Other: 1 }, "json")).toEqual({ ModelName: "a" });
});

test("shapes: a name of Object's own is no member", () => {
  const odd = structure({ constructor: string(), toString: string() });
  expect(readInput(odd, {}, "json")).toEqual({});
});

test.each<[string, Shape<unknown>, unknown, string]>([
  ["a number for a text", string(), 1, "NUMBER_VALUE can not be converted to a String"],
  ["a boolean for a text", string(), true, "TRUE_VALUE can not be converted to a String"],
  ["a structure for a text", string(), {}, "Start of structure or map found where not expected."],
  ["a list for a text", string(), [], "Unexpected list element found"],
  ["a text for an integer", integer(), "1", "STRING_VALUE can not be converted to an Integer"],
  ["a text for a double", double(), "x", "STRING_VALUE can not be converted to a Double"],
  ["a text for a boolean", boolean(), "true", "STRING_VALUE can not be converted to a Boolean"],
  ["a structure for a list", list(string()), {}, "Start of structure or map found where not expected."],
  ["a text for a structure", structure({}), "x", "Unexpected field type"],
  ["a list for a map", map(string()), [], "Unexpected list element found"],
  ["a text for a time", timestamp(), "soon", "STRING_VALUE can not be converted to milliseconds since epoch"],
])("shapes: %s cannot be read at all", (_, of, value, text) => {
  expect(refused({ A: value }, structure({ A: of }))).toBe(`400 SerializationException: ${text}`);
});

test("shapes: forms have texts for numbers, and member.1 for lists", () => {
  const form = structure({
    N: integer(),
    D: double(),
    B: boolean(),
    T: timestamp(),
    L: list(structure({ A: required(string()) })),
    Empty: list(string()),
  });
  const tree = {
    N: "7",
    D: "1.5",
    B: "true",
    T: "2026-11-25T00:00:00Z",
    L: { member: { "10": { A: "last" }, "2": { A: "first" } } },
    Empty: "",
  };
  expect(readInput(form, tree, "form")).toEqual({
    N: 7,
    D: 1.5,
    B: true,
    T: Date.parse("2026-11-25T00:00:00Z"),
    L: [{ A: "first" }, { A: "last" }],
    Empty: [],
  });
});

test("shapes: times come as seconds, or as what CBOR has for them", () => {
  const time = structure({ T: required(timestamp()) });
  expect(readInput(time, { T: 1.5 }, "json").T).toBe(1500);
  expect(readInput(time, { T: new Timestamp(1500) }, "cbor").T).toBe(1500);
});

test("shapes: an integer is cut, a double may be said not to be a number, anything stays as it is", () => {
  const numbers = structure({ I: integer(), D: double(), A: anything() });
  const { I, D, A } = readInput(numbers, { I: 2.9, D: "NaN", A: [1, { x: null }] }, "json");
  expect([I, D, A]).toEqual([2, Number.NaN, [1, { x: null }]]);
});

test("shapes: a length counts characters, not the halves that JavaScript makes of them", () => {
  const two = structure({ A: string({ max: 2 }) });
  expect(readInput(two, { A: "🐘🐘" }, "json")).toEqual({ A: "🐘🐘" });
  expect(refused({ A: "🐘🐘🐘" }, two)).toContain("less than or equal to 2");
});

test("shapes: what is nested without end is shown without its inside", () => {
  const nested: unknown = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
  const none = structure({ A: list(anything(), { max: 0 }) });
  expect(refused({ A: nested }, none)).toContain(`Value '${"[".repeat(17)}...${"]".repeat(17)}' at 'a'`);
});
