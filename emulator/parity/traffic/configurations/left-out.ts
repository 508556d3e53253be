import type { Written, WrittenField, WrittenMessage } from "./written.ts";

/** The configuration without what a real server dies of, so that nothing could be compared. */
export const survivable = ({ fields }: WrittenMessage): WrittenMessage => ({
  kind: "message",
  fields: fields.filter((field) => !deadly.some(({ applies }) => applies(field, fields))),
});

interface Deadly {
  readonly reason: string;
  readonly applies: (field: WrittenField, all: readonly WrittenField[]) => boolean;
}

const deadly: readonly Deadly[] = [
  {
    reason: "a warm-up that leaves out what a sequence brings runs a graph without all its inputs",
    applies: ([name], all) => name === "model_warmup" && all.some(([other]) => other === "sequence_batching"),
  },
  {
    reason: "a warm-up of more rows than a batch may have is freed twice",
    applies: ([name, value], all) =>
      name === "model_warmup" &&
      within(value, "batch_size").some(
        (size) =>
          size.kind === "integer" &&
          size.value > 1n &&
          !all.some(
            ([other, max]) => other === "max_batch_size" && max.kind === "integer" && max.value >= size.value,
          ),
      ),
  },
  {
    reason: "a request finds no instance where all are passive",
    applies: ([name, value]) =>
      name === "instance_group" &&
      within(value, "passive").some((passive) => passive.kind !== "bool" || passive.value) &&
      (value.kind !== "list" || !value.items.some((group) => within(group, "passive").length === 0)),
  },
  {
    reason: "a tag whose name cannot be a label's is thrown by the library of metrics",
    applies: ([name, value]) =>
      name === "metric_tags" &&
      value.kind === "map" &&
      value.entries.some(([key]) => key.kind !== "string" || !/^(?!__)\w*$/.test(key.value)),
  },
  {
    reason: "it looks at the first of the agents",
    applies: ([name, value]) => name === "model_repository_agents" && within(value, "name").length === 0,
  },
  {
    reason: "it looks at the first target of a batch output",
    applies: ([name, value]) =>
      name === "batch_output" &&
      (value.kind === "list" ? value.items : [value]).some(
        (item) => !within(item, "target_name").some((one) => one.kind === "list" && one.items.length > 0),
      ),
  },
];

/** All that a value holds under a name, at any depth. */
const within = (value: Written, wanted: string): readonly Written[] => {
  switch (value.kind) {
    case "message":
      return value.fields.flatMap(([name, inner]) => [
        ...(name === wanted ? [inner] : []),
        ...within(inner, wanted),
      ]);
    case "list":
      return value.items.flatMap((item) => within(item, wanted));
    case "map":
      return value.entries.flatMap(([, item]) => within(item, wanted));
    default:
      return [];
  }
};
