import type { Chance } from "../chance.ts";
import { modelConfigProto, type ProtoField } from "./proto.ts";
import {
  bool,
  float,
  integer,
  list,
  map,
  message,
  text,
  type Written,
  type WrittenField,
  word,
} from "./written.ts";

/** A field of a message with any value of its type, however little sense it makes. @param owner name of the message */
export const anyField = (chance: Chance, owner: string, depth = 0): WrittenField | null => {
  const fields = modelConfigProto.messages.get(owner) ?? [];
  if (fields.length === 0) return null;
  const field = chance.pick(fields);
  return [field.name, anyValue(chance, field, depth)];
};

const anyMessage = (chance: Chance, name: string, depth: number): Written => {
  const fields = modelConfigProto.messages.get(name) ?? [];
  const chosen: WrittenField[] = [];
  const oneofs = new Set<string>();
  for (const field of fields) {
    if (!chance.oneIn(2 + depth)) continue;
    if (field.oneof !== null && oneofs.has(field.oneof) && !chance.oneIn(10)) continue;
    if (field.oneof !== null) oneofs.add(field.oneof);
    chosen.push([field.name, anyValue(chance, field, depth + 1)]);
  }
  return message(...chosen);
};

const anyValue = (chance: Chance, field: ProtoField, depth: number): Written => {
  const one = (): Written => anyOne(chance, field, depth);
  if (field.key !== null) {
    const keys =
      field.key === "string" ? ["X", "Y", "a b", "", "é"] : ["0", "1", "2", "18446744073709551615"];
    const chosen = chance.times(chance.below(3), () => chance.pick(keys));
    const entries = map(Object.fromEntries(chosen.map((key) => [key, one()])));
    if (field.key === "string" || entries.kind !== "map") return entries;
    return {
      kind: "map",
      entries: entries.entries.map(([key, value]) => [
        key.kind === "string" ? integer(BigInt(key.value)) : key,
        value,
      ]),
    };
  }
  return field.repeated ? list(chance.times(chance.pick([0, 1, 1, 2, 3]), one)) : one();
};

/** What a server could not do, or could not do in time, is kept small. */
const bounded: Readonly<Record<string, readonly number[]>> = {
  count: [0, 1, 2, 3, -1],
  max_batch_size: [0, 1, 2, 4, 8, -1],
  batch_size: [0, 1, 2, 4, 5],
  max_candidate_sequences: [0, 1, 4, 8, -1],
  max_queue_delay_microseconds: [0, 1, 100, 1000],
  default_timeout_microseconds: [0, 60_000_000],
  max_sequence_idle_microseconds: [0, 1_000_000, 60_000_000],
  max_queue_size: [0, 8, 100],
  dims: [1, 2, 4, 4, -1, 0, 3, -2],
  shape: [1, 2, 4, 4, -1, 0, 3, -2],
};

const integers: readonly bigint[] = [0n, 1n, 2n, 3n, 4n, 8n, 100n, -1n];
const limits: Readonly<Record<string, readonly bigint[]>> = {
  int32: [2n ** 31n - 1n, -(2n ** 31n), 2n ** 31n],
  uint32: [2n ** 32n - 1n, 2n ** 32n],
  int64: [2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n, 2n ** 53n + 1n],
  uint64: [2n ** 64n - 1n, 2n ** 64n, 2n ** 53n + 1n],
};

/** Libraries of a backend, which are looked for in the model's folder too. */
const runtimes = ["", "a", "x/y.so", "libtriton_onnxruntime.so", "model.py"];

const anyOne = (chance: Chance, { name, type }: ProtoField, depth: number): Written => {
  if (name === "runtime") return text(chance.pick(runtimes));
  const small = bounded[name];
  const limit = limits[type];
  if (limit !== undefined) {
    if (small !== undefined) return integer(chance.pick(small));
    return integer(chance.oneIn(6) ? chance.pick(limit) : chance.pick(integers));
  }
  switch (type) {
    case "string":
      return text(chance.pick(["", "X", "Y", "a", "x/y.txt", "é", 'a"b\\c\n', "1", "labels.txt"]));
    case "bool":
      return bool(chance.oneIn(2));
    case "float":
      return float(
        chance.pick([0, 1, 0.5, -1, 0.1, 1e10, 3.4e38, 1e39, Infinity, -Infinity, NaN, -0, 1e-45]),
      );
  }
  const values = modelConfigProto.enums.get(type);
  if (values === undefined) return anyMessage(chance, type, depth);
  const number = chance.below(values.length);
  return chance.oneIn(30) ? word("TYPE_NONE", 99) : word(values[number] ?? "", number);
};
