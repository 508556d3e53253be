import { expect, test } from "vitest";
import { emptyModelConfig } from "../../../../emulator/core/model-config/message.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";
import { recordedModels, recordedTexts } from "./recorded.ts";

const parsed = (text: string): ModelConfig => {
  const result = parseConfigText(text);
  if (!result.ok) throw result.error;
  return result.value;
};

const errorOf = (text: string): string | null => {
  const result = parseConfigText(text);
  return result.ok ? null : result.error.message;
};

test.each(recordedTexts)("text format: accepts or refuses what 2.51.0 did, for $text", ({ text, errors }) => {
  const lines = errors.map((error) => `Error parsing text-format inference.ModelConfig: ${error}`);
  expect(errorOf(text)).toBe(lines.length === 0 ? null : lines.join("\n"));
});

test("text format: reads every configuration that 2.51.0 served", () => {
  const texts = recordedModels.flatMap(({ text, config }) =>
    text !== null && config !== undefined ? [text] : [],
  );
  expect(texts.length).toBeGreaterThan(50);
  for (const text of texts) expect(errorOf(text)).toBeNull();
});

test("text format: gives the empty configuration, when the file is empty", () => {
  expect(parsed("")).toEqual(emptyModelConfig());
});

test("text format: reads messages and lists in all their spellings", () => {
  const written = parsed(`
    # a comment
    input [ { name: "A", dims: [ 1, -1 ] }, < name: 'B'; dims: 2 dims: 0x10 > ]
    input: { name: "C" "D" }
    parameters { key: "k" value: { string_value: "v" } }
    parameters: [ { key: "k" value { string_value: "w" } }, { key: "l" } ]
  `);
  expect(written.input.map(({ name, dims }) => [name, dims])).toEqual([
    ["A", [1, -1]],
    ["B", [2, 16]],
    ["CD", []],
  ]);
  expect([...written.parameters]).toEqual([
    ["k", { string_value: "w" }],
    ["l", { string_value: "" }],
  ]);
});

test("text format: reads escapes as bytes of UTF-8", () => {
  expect(parsed(String.raw`name: "\303\251 \xc3\xA9 \u00e9 \ud83d\ude00 \U0001F600 \t\"\'\?"`).name).toBe(
    "é é é 😀 😀 \t\"'?",
  );
});

test("text format: reads floats, when they are written as integers, with an f or as words", () => {
  const values = (text: string): readonly number[] | undefined =>
    parsed(`sequence_batching { control_input { control { fp32_false_true: ${text} } } }`).sequence_batching
      ?.control_input[0]?.control[0]?.fp32_false_true;
  expect(values("[1, 0.5f, 1e3, -2, .25, -inf]")).toEqual([1, 0.5, 1000, -2, 0.25, Number.NEGATIVE_INFINITY]);
  expect(values("nan")).toEqual([Number.NaN]);
  expect(errorOf("sequence_batching { direct { minimum_slot_utilization: 0x1 } }")).toContain(
    "1:56: Expect a decimal number, got: 0x1",
  );
});

test("text format: takes a scalar twice, when it was given its default before", () => {
  expect(parsed("max_batch_size: 0 max_batch_size: 4").max_batch_size).toBe(4);
  expect(errorOf("max_batch_size: 4 max_batch_size: 0")).toContain(
    '1:33: Non-repeated field "max_batch_size" is specified multiple times.',
  );
});

test("text format: refuses the number of an enum that has no such value", () => {
  expect(errorOf("input { data_type: 99 }")).toContain(
    'Unknown enumeration value of "99" for field "data_type".',
  );
});

test.each([
  ["nesting", `input ${"{ reshape ".repeat(100_000)}`],
  ["open brackets", "[".repeat(1_000_000)],
  ["nothing but faults", `name: "${"\\q".repeat(200_000)}"`],
  ["control characters", "\u0001\u0002".repeat(200_000)],
  ["a long number", `max_batch_size: ${"9".repeat(1_000_000)}`],
])("text format: answers with an error of bounded size, for %s", (_, text) => {
  const error = errorOf(text);
  expect(error).toMatch(/^Error parsing text-format/);
  expect(error?.split("\n").length).toBeLessThanOrEqual(50);
});
