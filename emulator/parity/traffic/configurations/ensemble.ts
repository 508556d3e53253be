import type { Chance } from "../chance.ts";
import { anyField } from "./noise.ts";
import {
  integer,
  integers,
  list,
  map,
  message,
  text,
  type Written,
  type WrittenField,
  type WrittenMessage,
  word,
} from "./written.ts";

/** An ensemble of model `b`, which takes X and answers Y, sound but for a mistake here and there. */
export const ensembleConfiguration = (chance: Chance): WrittenMessage => {
  const steps = chance.pick([
    [["X", "Y"]],
    [["X", "Y"]],
    [
      ["X", "m"],
      ["m", "Y"],
    ],
    [
      ["X", "Y"],
      ["X", "Z"],
    ],
  ]);
  const fields: WrittenField[] = [
    ...(chance.oneIn(12) ? [] : [["platform", text("ensemble")] satisfies WrittenField]),
    ...(chance.oneIn(16) ? [["backend", text("onnxruntime")] satisfies WrittenField] : []),
    ["max_batch_size", integer(chance.pick([4, 4, 4, 2, 8, 0, -1]))],
    ["input", list([tensor("X", chance)])],
    ["output", list([tensor("Y", chance)])],
    [
      "ensemble_scheduling",
      message(["step", list(steps.map(([from = "", to = ""]) => step(from, to, chance)))]),
    ],
  ];
  if (chance.oneIn(8)) {
    const field = anyField(chance, "ModelConfig");
    if (field !== null) fields.push(field);
  }
  return message(...fields.filter(([name]) => name === "ensemble_scheduling" || !chance.oneIn(20)));
};

const tensor = (name: string, chance: Chance): Written => {
  const fields: WrittenField[] = [
    ["name", text(chance.oneIn(20) ? "Q" : name)],
    ["data_type", chance.oneIn(20) ? word("TYPE_INT32", 8) : word("TYPE_FP32", 11)],
    ["dims", integers(chance.pick([[4], [4], [4], [4], [-1], [2, 2], [-1, 4], [5]]))],
  ];
  if (chance.oneIn(12))
    fields.push(["reshape", message(["shape", integers(chance.pick([[4], [2, 2], []]))])]);
  return message(...fields.filter(() => !chance.oneIn(40)));
};

const step = (from: string, to: string, chance: Chance): Written => {
  const fields: WrittenField[] = [
    ["model_name", text(chance.oneIn(12) ? chance.pick(["none", "", "{a}"]) : "{b}")],
    ["model_version", integer(chance.pick([-1, -1, -1, 1, 2, 0]))],
    ["input_map", map({ [chance.oneIn(20) ? "Q" : "X"]: text(chance.oneIn(20) ? "Q" : from) })],
    ["output_map", map({ [chance.oneIn(20) ? "Q" : "Y"]: text(chance.oneIn(20) ? "Q" : to) })],
  ];
  if (chance.oneIn(24)) fields.push(["model_namespace", text("a")]);
  return message(...fields.filter(() => !chance.oneIn(24)));
};
