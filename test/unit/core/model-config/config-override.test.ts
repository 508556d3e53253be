import { expect, test } from "vitest";
import { parseConfigJson } from "../../../../emulator/core/model-config/config-override.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { recordedOverrides } from "./recorded.ts";

const parsed = (json: string): ModelConfig => {
  const result = parseConfigJson(json);
  if (!result.ok) throw result.error;
  return result.value;
};

const errorOf = (json: string): string | null => {
  const result = parseConfigJson(json);
  return result.ok ? null : result.error.message;
};

test.each(recordedOverrides)("override: accepts or refuses what 2.51.0 did, for $json", ({ json, error }) => {
  expect(errorOf(json)).toBe(error);
});

test("override: reads enums in any case, by number and by the number as text", () => {
  const types = parsed(
    '{"input":[{"data_type":"type_fp32"},{"dataType":"TYPE-INT8"},{"data_type":11},{"data_type":"13"}]}',
  ).input.map(({ data_type }) => data_type);
  expect(types).toEqual(["TYPE_FP32", "TYPE_INT8", "TYPE_FP32", "TYPE_STRING"]);
});

test("override: reads 64-bit integers from numbers and texts", () => {
  expect(parsed('{"input":[{"dims":[4,"-1",1e3,[2]]}]}').input[0]?.dims).toEqual([4, -1, 1000, 2]);
  expect(errorOf('{"input":[{"dims":["9223372036854775808"]}]}')).toBe(
    '(input[0].dims[0]): invalid value "9223372036854775808" for type TYPE_INT64',
  );
});

test("override: merges a sub-message that is given twice", () => {
  const { optimization } = parsed(
    '{"optimization":{"eager_batching":true},"optimization":{"graph":{"level":2}}}',
  );
  expect(optimization).toMatchObject({ eager_batching: true, graph: { level: 2 } });
});

test("override: leaves a map entry empty, when its value is null", () => {
  const config = parsed('{"parameters":{"a":null},"metric_tags":{"b":null}}');
  expect([...config.parameters]).toEqual([["a", { string_value: "" }]]);
  expect([...config.metric_tags]).toEqual([["b", ""]]);
});

test("override: refuses the number of an enum that has no such value", () => {
  expect(errorOf('{"input":[{"data_type":99}]}')).toBe(
    "(input[0].data_type): invalid value 99 for type type.googleapis.com/inference.DataType",
  );
});

test.each([
  ["objects in objects", '{"a":'.repeat(200_000)],
  ["lists in lists", `{"input":${"[".repeat(200_000)}`],
])("override: answers with an error, for %s without end", (_, json) => {
  expect(errorOf(json)).toMatch(/^Message too deep\. Max recursion depth reached for key '\w+'$/);
});

test("override: refuses a number or a key too long to be one", () => {
  expect(errorOf(`{"max_batch_size":${"1".repeat(100_000)}}`)).not.toBeNull();
  expect(errorOf(`{${"a".repeat(100_000)}:1}`)).not.toBeNull();
});
