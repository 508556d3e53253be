import {
  array,
  type JsonText,
  type Member,
  object,
  string,
  token,
  writeJsonText,
} from "../exchange/json-text.ts";
import type { Chance } from "./chance.ts";
import { datatypes } from "./tensor-values.ts";

/** One to three mistakes in a sound document. */
export const mutatedJson = (chance: Chance, sound: JsonText): JsonText => {
  let value = sound;
  for (
    let left = chance.weighted([
      [6, 1],
      [3, 2],
      [1, 3],
    ] as const);
    left > 0;
    left--
  )
    value = mutate(chance, value);
  return chance.oneIn(5) ? token(brokenText(chance, writeJsonText(value))) : value;
};

/** Goes down to a random place and changes something there. */
const mutate = (chance: Chance, value: JsonText): JsonText => {
  if (value.kind === "object" && value.members.length > 0 && !chance.oneIn(4)) {
    const at = chance.below(value.members.length);
    const changed = value.members.map(
      ([name, member], index): Member => [name, index === at ? mutate(chance, member) : member],
    );
    return object(changed);
  }
  if (value.kind === "array" && value.items.length > 0 && !chance.oneIn(5)) {
    const at = chance.below(value.items.length);
    return array(value.items.map((item, index) => (index === at ? mutate(chance, item) : item)));
  }
  return change(chance, value);
};

const change = (chance: Chance, value: JsonText): JsonText => {
  if (chance.oneIn(5)) return odd(chance);
  switch (value.kind) {
    case "object":
      return object(changedMembers(chance, value.members));
    case "array":
      return array(changedItems(chance, value.items));
    case "string":
      return chance.oneIn(3) ? string(changedText(chance, value.value)) : oddString(chance);
    case "token":
      return chance.oneIn(3) ? string(value.text) : oddNumber(chance);
  }
};

const changedMembers = (chance: Chance, members: readonly Member[]): Member[] => {
  const at = members.length === 0 ? 0 : chance.below(members.length);
  const chosen = members[at];
  const extra: Member = [chance.pick(memberNames), odd(chance)];
  if (chosen === undefined) return [extra];
  switch (chance.below(7)) {
    case 0:
    case 1:
      return members.filter((_, index) => index !== at);
    case 2:
      return [...members, [chosen[0], odd(chance)]];
    case 3:
      return [[chosen[0], odd(chance)], ...members];
    case 4:
      return members.map((member, index) =>
        index === at ? [changedText(chance, member[0]), member[1]] : member,
      );
    case 5:
      return [...members].reverse();
    default:
      return [...members, extra];
  }
};

const changedItems = (chance: Chance, items: readonly JsonText[]): JsonText[] => {
  const at = items.length === 0 ? 0 : chance.below(items.length);
  const chosen = items[at];
  if (chosen === undefined) return [odd(chance)];
  switch (chance.below(6)) {
    case 0:
    case 1:
      return items.filter((_, index) => index !== at);
    case 2:
      return [...items, chosen];
    case 3:
      return [...items, odd(chance)];
    case 4:
      return items.map((item, index) => (index === at ? array([item]) : item));
    default:
      return [...items].reverse();
  }
};

const memberNames = [
  "id",
  "name",
  "shape",
  "datatype",
  "data",
  "parameters",
  "inputs",
  "outputs",
  "binary_data_size",
  "binary_data",
  "binary_data_output",
  "classification",
  "shared_memory_region",
  "shared_memory_byte_size",
  "sequence_id",
  "sequence_start",
  "priority",
  "timeout",
  "triton_x",
  "unheard-of",
  "Ünïcode",
  "",
];

const odd = (chance: Chance): JsonText => {
  switch (chance.below(5)) {
    case 0:
      return chance.pick([object([]), array([]), array([array([])]), nested(chance.pick([3, 30, 200]))]);
    case 1:
      return token(chance.pick(["null", "true", "false"]));
    case 2:
      return oddString(chance);
    default:
      return oddNumber(chance);
  }
};

const nested = (depth: number): JsonText => {
  let value: JsonText = token(1);
  for (let i = 0; i < depth; i++) value = array([value]);
  return value;
};

const oddNumber = (chance: Chance): JsonText =>
  token(
    chance.pick([
      "0",
      "-0",
      "-1",
      "1",
      "2",
      "7",
      "1.0",
      "1.5",
      "-0.0",
      "1e3",
      "1E+3",
      "1e-400",
      "1e308",
      "1e309",
      "127",
      "128",
      "-129",
      "255",
      "256",
      "65536",
      "2147483647",
      "2147483648",
      "-2147483649",
      "4294967296",
      "9007199254740993",
      "9223372036854775807",
      "9223372036854775808",
      "-9223372036854775808",
      "-9223372036854775809",
      "18446744073709551615",
      "18446744073709551616",
      "123456789012345678901234567890",
      "0.1",
      "NaN",
      "Infinity",
      "-Infinity",
      "-Inf",
      // Not JSON.
      "01",
      "+1",
      ".5",
      "1.",
      "1e",
      "0x10",
      "-",
      "nul",
      "True",
    ]),
  );

const oddString = (chance: Chance): JsonText =>
  chance.pick([
    string(""),
    string("0"),
    string("a\u0000b"),
    string("日本"),
    string("x".repeat(chance.pick([129, 1000]))),
    string(chance.pick(datatypes)),
    string(chance.pick(datatypes)),
    string("INT4"),
    string("int32"),
    // Escapes as they stand, sound and not.
    token('"\\u00e4"'),
    token('"\\ud83d\\ude42"'),
    token('"\\ud83d"'),
    token('"\\x"'),
    token('"\\u12"'),
    token('"tab\there"'),
    token("'single'"),
    token('"open'),
  ]);

const changedText = (chance: Chance, text: string): string =>
  chance.pick([
    `${text}x`,
    text.slice(0, -1),
    text.toUpperCase(),
    text.toLowerCase(),
    ` ${text}`,
    `${text}\u0000`,
  ]);

/** Cut, doubled, replaced or enriched at a random place. */
const brokenText = (chance: Chance, text: string): string => {
  const at = chance.below(text.length + 1);
  switch (chance.below(6)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return (
        text.slice(0, at) +
        chance.pick([",", ":", "}", "]", '"', "\\", "{", "[", "x", "\u0000", "\n", "//", "é"]) +
        text.slice(at)
      );
    case 2:
      return text.slice(0, at) + text.slice(at + 1);
    case 3:
      return (
        text.slice(0, at) + chance.pick([",", "}", "]", '"', "0", "-", " ", "\u0000"]) + text.slice(at + 1)
      );
    case 4:
      return text + chance.pick([" ", "x", "{}", "\u0000garbage", ",", "\n"]);
    default:
      return chance.pick([" ", "\ufeff", "x", "", ","]) + text;
  }
};
