import { expect, test } from "vitest";
import { parseConfigJson } from "../../../../../emulator/core/model-config/config-override.ts";
import { parseConfigText } from "../../../../../emulator/core/model-config/text-format.ts";
import { Chance } from "../../../../../emulator/parity/traffic/chance.ts";
import { configurationFor } from "../../../../../emulator/parity/traffic/configurations/configuration.ts";
import { generateConfiguration } from "../../../../../emulator/parity/traffic/configurations/generate.ts";
import { graphs } from "../../../../../emulator/parity/traffic/configurations/graphs.ts";
import { survivable } from "../../../../../emulator/parity/traffic/configurations/left-out.ts";
import { modelConfigProto } from "../../../../../emulator/parity/traffic/configurations/proto.ts";
import { smallerTexts } from "../../../../../emulator/parity/traffic/configurations/smaller.ts";
import { writeJson } from "../../../../../emulator/parity/traffic/configurations/write-json.ts";
import { writeText } from "../../../../../emulator/parity/traffic/configurations/write-text.ts";
import {
  bool,
  integer,
  list,
  map,
  message,
  text,
} from "../../../../../emulator/parity/traffic/configurations/written.ts";
import { sequenceText } from "../../../../../emulator/parity/traffic/sequences/sequence.ts";

test("modelConfigProto: has the fields, enums, maps and oneofs of the file", () => {
  expect(modelConfigProto.messages.get("ModelConfig")?.find(({ name }) => name === "parameters")).toEqual({
    name: "parameters",
    type: "ModelParameter",
    repeated: false,
    key: "string",
    oneof: null,
  });
  expect(modelConfigProto.messages.get("ModelSequenceBatching")?.[0]).toMatchObject({
    type: "ModelSequenceBatching.StrategyDirect",
    oneof: "ModelSequenceBatching.strategy_choice",
  });
  expect(modelConfigProto.enums.get("DataType")?.[11]).toBe("TYPE_FP32");
});

test("generateConfiguration: one seed and one number make the same model; files and overrides come about", () => {
  const made = Array.from({ length: 60 }, (_, number) => generateConfiguration(new Chance(3, number)));
  for (const [number, one] of made.entries())
    expect(sequenceText(generateConfiguration(new Chance(3, number)))).toBe(sequenceText(one));
  expect(made.some(({ models }) => models[0]?.config !== null)).toBe(true);
  expect(made.some(({ models }) => models[0]?.config === null)).toBe(true);
});

const written = message(
  ["max_batch_size", integer(4)],
  ["input", list([message(["name", text('a"b\\c\né')], ["dims", list([integer(-1), integer(4)])])])],
  ["parameters", map({ k: message(["string_value", text("v")]) })],
  ["response_cache", message(["enable", bool(true)])],
);

test("writeText and writeJson: say the same, with every liberty taken or none", () => {
  const plain = parseConfigText(writeText(written, new Chance(1, 0), false));
  expect(plain.ok).toBe(true);
  expect(parseConfigJson(writeJson(written, new Chance(1, 0), false))).toEqual(plain);
  for (let number = 0; number < 200; number++) {
    // Where a key or a value of a map entry is left out, or a field is given as null, it says something else.
    const free = parseConfigText(writeText(written, new Chance(1, number), true));
    expect(free.ok).toBe(true);
  }
});

test("configurationFor: the larger part of what is made can be read", () => {
  const read = graphs.flatMap((graph) =>
    Array.from({ length: 20 }, (_, number) => {
      const chance = new Chance(5, number);
      return parseConfigText(writeText(configurationFor(graph, chance), chance, true)).ok;
    }),
  );
  expect(read.filter((ok) => ok).length).toBeGreaterThan(read.length / 2);
});

test("smallerTexts: takes away fields and elements, the largest first", () => {
  expect([...smallerTexts('a: 1, b { c: "x" "y" d: [ 1, 2 ] }')]).toEqual([
    "a: 1, ",
    "a: 1, b ",
    'a: 1, b { c: "x" "y" }',
    "a: 1, b { d: [ 1, 2 ] }",
    'b { c: "x" "y" d: [ 1, 2 ] }',
    'a: 1, b { c: "x" d: [ 1, 2 ] }',
    'a: 1, b { c: "x" "y" d: [ 2 ] }',
    'a: 1, b { c: "x" "y" d: [ 1, ] }',
  ]);
  expect([...smallerTexts('{"a":{"b":1},"c":[2]}')]).toContain('{"a":{"b":1},}');
  expect([...smallerTexts("a: 1 # x")]).toContain("a: 1 ");
});

test("survivable: leaves out what a real server dies of", () => {
  const warmup = (size: number) => ["model_warmup", list([message(["batch_size", integer(size)])])] as const;
  const names = (fields: Parameters<typeof message>) =>
    survivable(message(...fields)).fields.map(([name]) => name);
  expect(names([["max_batch_size", integer(4)], warmup(5)])).toEqual(["max_batch_size"]);
  expect(names([["max_batch_size", integer(4)], warmup(4)])).toHaveLength(2);
  expect(names([["sequence_batching", message()], warmup(1)])).toEqual(["sequence_batching"]);
  expect(names([["model_repository_agents", message()]])).toEqual([]);
  expect(names([["batch_output", list([message(["target_name", list([])])])]])).toEqual([]);
  expect(names([["instance_group", list([message(["passive", bool(true)])])]])).toEqual([]);
  expect(names([["instance_group", list([message(["passive", bool(true)]), message()])]])).toHaveLength(1);
});
