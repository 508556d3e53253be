import type { Chance } from "../chance.ts";
import { anyField } from "./noise.ts";
import { message, text, type Written, type WrittenField, type WrittenMessage } from "./written.ts";

/** The message with something in it that is not of its type, not of its place or there twice. */
export const mistaken = (written: WrittenMessage, chance: Chance): WrittenMessage => {
  const fields = [...written.fields];
  const at = chance.below(Math.max(1, fields.length));
  const chosen = fields[at];
  if (chosen === undefined) return message(["no_such", text("x")]);
  const [name, value] = chosen;
  const inside = insideOf(value, chance);
  if (inside !== null && !chance.oneIn(4)) {
    fields[at] = [name, inside];
    return message(...fields);
  }
  const foreign = (): WrittenField => anyField(chance, chance.pick(owners)) ?? [name, value];
  switch (chance.below(6)) {
    case 0:
      fields.splice(at, 0, chosen);
      break;
    case 1:
      fields.push([
        chance.pick(["no_such", "[a.b]", "[type.googleapis.com/inference.ModelConfig]", "1", "Name", ""]),
        value,
      ]);
      break;
    case 2:
      fields.push(foreign());
      break;
    case 3:
      fields[at] = [name, foreign()[1]];
      break;
    default:
      fields[at] = [name, { kind: "verbatim", text: chance.pick(oddValues) }];
  }
  return message(...fields);
};

/** The same with a mistake somewhere within; null where nothing is within. */
const insideOf = (value: Written, chance: Chance): Written | null => {
  if (value.kind === "message") return mistaken(value, chance);
  if (value.kind === "list" && value.items.length > 0) {
    const at = chance.below(value.items.length);
    const inner = value.items.map((item, index) =>
      index === at ? (insideOf(item, chance) ?? odd(chance)) : item,
    );
    return { kind: "list", items: inner };
  }
  if (value.kind === "map" && value.entries.length > 0) {
    const at = chance.below(value.entries.length);
    return {
      kind: "map",
      entries: value.entries.map(([key, item], index) =>
        index === at ? ([key, insideOf(item, chance) ?? odd(chance)] as const) : ([key, item] as const),
      ),
    };
  }
  return null;
};

const odd = (chance: Chance): Written => ({ kind: "verbatim", text: chance.pick(oddValues) });

const owners = [
  "ModelConfig",
  "ModelInput",
  "ModelOutput",
  "ModelInstanceGroup",
  "ModelWarmup",
  "ModelSequenceBatching",
];

const oddValues = [
  "1",
  "-1",
  "1.5",
  "4294967296",
  "9223372036854775808",
  "1e3",
  "0x10",
  "010",
  '""',
  '"1"',
  '"TYPE_FP32"',
  '"true"',
  "true",
  "TYPE_FP32",
  "null",
  "[]",
  "[1]",
  "[[1]]",
  "{}",
  '{"a":1}',
  "{ a: 1 }",
  "<>",
  "nan",
  "inf",
  "-inf",
  "'a'",
  "",
];

/** The text cut off, or with something in it that does not belong there. */
export const broken = (written: string, chance: Chance): string => {
  const at = chance.below(written.length + 1);
  switch (chance.below(4)) {
    case 0:
      return written.slice(0, at);
    case 1:
      return written.slice(0, at) + written.slice(at + chance.between(1, 3));
    case 2:
      return written.slice(0, at) + chance.pick(pieces) + written.slice(at + chance.below(2));
    default:
      return written.slice(0, at) + written.slice(Math.max(0, at - chance.between(1, 12)));
  }
};

const pieces = [
  "{",
  "}",
  "[",
  "]",
  "<",
  ">",
  ":",
  ",",
  ";",
  '"',
  "'",
  "\\",
  "#",
  "\n",
  "-",
  "+",
  ".",
  "0",
  "e",
  "/",
  "\u0001",
  "é",
  "//",
  "/*",
];
