import { expect, test } from "vitest";
import { configToJson } from "../../../../emulator/core/model-config/config-json.ts";
import { emptyModelConfig } from "../../../../emulator/core/model-config/message.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";

/** What is printed between two keys. */
const printed = (text: string, after: string, before: string): string => {
  const config = parseConfigText(text);
  if (!config.ok) throw config.error;
  const json = configToJson(config.value);
  return json.slice(json.indexOf(after) + after.length, json.indexOf(before));
};

test("config JSON: prints every scalar, list and map and no unset message, when nothing is set", () => {
  expect(configToJson(emptyModelConfig())).toBe(
    '{"name":"","platform":"","backend":"","runtime":"","max_batch_size":0,"input":[],"output":[],"batch_input":[],"batch_output":[],"instance_group":[],"default_model_filename":"","cc_model_filenames":{},"metric_tags":{},"parameters":{},"model_warmup":[]}',
  );
});

test.each([
  ["1e20, 16777217", "[100000000000000000000.0,16777216]"],
  ["3.4028235e38, 1e30", "[3.4028234700000004e38,1e30]"],
  ["0.0001, 1e15", "[0.0001,1000000000000000.0]"],
  ["999999, 1000000, 1234567", "[999999,1000000.0,1234567]"],
  ["1e-30, -2.5e-5", "[9.999999999999999e-31,-0.000025]"],
  ["-0.0, 0.3, -inf, nan", '[0,0.3,"-Infinity","NaN"]'],
])("config JSON: prints the floats %s as 2.51.0 does", (written, expected) => {
  const text = `sequence_batching { control_input { control { fp32_false_true: [${written}] } } }`;
  expect(printed(text, '"fp32_false_true":', ',"bool_false_true"')).toBe(expected);
});

test("config JSON: escapes only what RapidJSON escapes", () => {
  expect(printed(String.raw`name: "\x01\x1f\x7f\n\t\"\\/é<"`, '"name":', ',"platform"')).toBe(
    '"\\u0001\\u001F\u007f\\n\\t\\"\\\\/é<"',
  );
});

test("config JSON: prints the largest 64-bit integers with every digit", () => {
  const text = "dynamic_batching { max_queue_delay_microseconds: 18446744073709551615 }";
  expect(printed(text, '"max_queue_delay_microseconds":', ',"preserve_ordering"')).toBe(
    "18446744073709551615",
  );
});
