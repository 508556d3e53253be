import { expect, test } from "vitest";
import { configsEqual, configsEqualButInstances } from "../../../../emulator/core/model-config/compare.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";

const config = (text: string): ModelConfig => {
  const result = parseConfigText(text);
  if (!result.ok) throw result.error;
  return result.value;
};

const base = 'name: "m" instance_group { count: 1 } input { name: "X" dims: [1, 2] }';

test.each([
  ["nothing", base, true, true],
  ["the number of instances", base.replace("count: 1", "count: 2"), false, true],
  ["the version policy", `${base} version_policy { all {} }`, false, true],
  ["a dimension", base.replace("[1, 2]", "[2, 1]"), false, false],
  ["one more dimension", base.replace("[1, 2]", "[1, 2, 3]"), false, false],
  ["a parameter", `${base} parameters { key: "a" value {} }`, false, false],
  ["a sub-message", `${base} optimization {}`, false, false],
  ["instances and a name", base.replace("count: 1", "count: 2").replace('"m"', '"n"'), false, false],
])("compare: tells configurations apart that differ in %s", (_, other, equal, equalButInstances) => {
  for (const [a, b] of [
    [config(base), config(other)],
    [config(other), config(base)],
  ] as const) {
    expect(configsEqual(a, b)).toBe(equal);
    expect(configsEqualButInstances(a, b)).toBe(equalButInstances);
  }
});

test("compare: does not look at the order of map entries", () => {
  const one = config('metric_tags { key: "a" value: "1" } metric_tags { key: "b" value: "2" }');
  const other = config('metric_tags { key: "b" value: "2" } metric_tags { key: "a" value: "1" }');
  expect(configsEqual(one, other)).toBe(true);
});
