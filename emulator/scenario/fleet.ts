import type { Bytes } from "../aws/placement/eviction/resident-model.ts";
import type { ModelWords } from "./schema.ts";

/** A model of a scenario's fleet: one entry, or one of the many that an entry with `count` stands for. */
export interface FleetModel {
  readonly name: string;
  readonly words: ModelWords;
  readonly members: readonly string[];
  /** Rows of a request are a batch. */
  readonly batching: boolean;
  /** All of `config.pbtxt`, where a step wrote it. */
  readonly configText?: string;
}

const MIB = 2 ** 20;

/** Without `{i}` the number is put at the end. */
const numbered = (name: string, number: number): string =>
  name.includes("{i}") ? name.replaceAll("{i}", String(number)) : `${name}${number}`;

/** Entries with a count become that many models. */
export const expandFleet = (entries: readonly ModelWords[]): readonly FleetModel[] =>
  entries.flatMap((words) => {
    const numbers = Array.from({ length: words.count ?? 1 }, (_, index) => index + 1);
    return numbers.map((number): FleetModel => {
      const named = (name: string): string => name.replaceAll("{i}", String(number));
      return {
        name: words.count === undefined ? words.name : numbered(words.name, number),
        words,
        members: (words.members ?? []).map(named),
        batching: (words.max_batch ?? 0) > 0,
      };
    });
  });

/** What the model was changed to: the words of the second go before those of the first. */
export const changed = (model: FleetModel, words: Partial<ModelWords>, configText?: string): FleetModel => {
  const merged = { ...model.words, ...words };
  return {
    name: model.name,
    words: merged,
    members: words.members ?? model.members,
    batching: (merged.max_batch ?? 0) > 0,
    ...(configText === undefined ? {} : { configText }),
  };
};

const usesGpu = ({ kind, gpu }: ModelWords): boolean =>
  kind === undefined ? gpu !== undefined : kind === "gpu";

const byteNames = {
  weights: "weights_bytes",
  staging: "staging_bytes",
  workspace: "workspace_bytes",
  arena_per_row: "arena_bytes_per_row",
  arena_per_element: "arena_bytes_per_element",
  run: "run_bytes",
  kept_per_run: "kept_bytes_per_run",
} as const;

/** What docs/memory.md has for models that state their own bytes. */
const memoryParameters = (words: ModelWords): readonly (readonly [string, string])[] => {
  const stated = (["host", "gpu"] as const).flatMap((where) =>
    Object.entries(words[where] ?? {}).flatMap(([name, bytes]): [string, string][] =>
      bytes === undefined ? [] : [[`${where}_${byteNames[name as keyof typeof byteNames]}`, String(bytes)]],
    ),
  );
  const { weights_per, arena, taken_in, only_gpu, backend = "synthetic" } = words;
  const all: [string, string][] = [
    ...stated,
    ...(weights_per === undefined ? [] : [["weights_per", weights_per] as [string, string]]),
    ...(arena === undefined ? [] : [["arena", arena] as [string, string]]),
    ...(taken_in === undefined ? [] : [["taken_in", taken_in] as [string, string]]),
    ...(only_gpu === undefined ? [] : [["only_gpu", String(only_gpu)] as [string, string]]),
    ...(backend === "synthetic" ? [] : [["profile", backend] as [string, string]]),
  ];
  return all.map(([name, value]) => [`memory.${name}`, value]);
};

/** What a model takes where its entry says nothing. */
export const defaultTimes = { load: "1000000", warm: "10000" } as const;

/** What docs/synthetic-backend.md has for times and outputs. */
const timeParameters = (words: ModelWords): readonly (readonly [string, string])[] =>
  Object.entries({
    load_us: words.load ?? defaultTimes.load,
    warm_us: words.warm ?? defaultTimes.warm,
    cold_us: words.cold ?? words.warm ?? defaultTimes.warm,
    item_us: words.per_row ?? "0",
    unload_us: words.unload ?? "0",
    outputs: words.outputs ?? "zeros",
  }).map(([name, value]) => [`synthetic.${name}`, value]);

const INPUT = "INPUT0";
const OUTPUT = "OUTPUT0";

const tensors = [
  `input [ { name: "${INPUT}" data_type: TYPE_INT32 dims: [ -1 ] } ]`,
  `output [ { name: "${OUTPUT}" data_type: TYPE_INT32 dims: [ -1 ] } ]`,
].join("\n");

const ensembleConfig = ({ members, words }: FleetModel): string => {
  const tensor = (index: number): string =>
    index === 0 ? INPUT : index === members.length ? OUTPUT : `between${index}`;
  const steps = members.map(
    (member, index) => `    { model_name: ${JSON.stringify(member)} model_version: -1
      input_map { key: "${INPUT}" value: "${tensor(index)}" }
      output_map { key: "${OUTPUT}" value: "${tensor(index + 1)}" } }`,
  );
  return [
    'platform: "ensemble"',
    `max_batch_size: ${words.max_batch ?? 0}`,
    tensors,
    `ensemble_scheduling {\n  step [\n${steps.join(",\n")}\n  ]\n}`,
    words.config ?? "",
  ].join("\n");
};

const allParameters = (words: ModelWords): readonly (readonly [string, string])[] => [
  ...memoryParameters(words),
  ...timeParameters(words),
  ...Object.entries(words.parameters ?? {}),
];

const instanceGroup = (words: ModelWords) =>
  ({ kind: usesGpu(words) ? "KIND_GPU" : "KIND_CPU", count: words.instances ?? 1 }) as const;

/** The same as `configText` for an override of a load, without what the words `config` and `members` say. */
export const configJson = ({ words }: FleetModel): string => {
  const tensor = (name: string) => [{ name, data_type: "TYPE_INT32", dims: [-1] }];
  const parameters = allParameters(words).map(([key, value]) => [key, { string_value: value }]);
  return JSON.stringify({
    backend: "synthetic",
    max_batch_size: words.max_batch ?? 0,
    input: tensor(INPUT),
    output: tensor(OUTPUT),
    instance_group: [instanceGroup(words)],
    parameters: Object.fromEntries(parameters),
  });
};

/** The model's `config.pbtxt`. */
export const configText = (model: FleetModel): string => {
  const { words } = model;
  if (model.configText !== undefined) return model.configText;
  if (model.members.length > 0) return ensembleConfig(model);
  const group = instanceGroup(words);
  const parameters = allParameters(words).map(
    ([key, value]) =>
      `parameters { key: ${JSON.stringify(key)} value { string_value: ${JSON.stringify(value)} } }`,
  );
  return [
    'backend: "synthetic"',
    `max_batch_size: ${words.max_batch ?? 0}`,
    tensors,
    `instance_group [ { kind: ${group.kind} count: ${group.count} } ]`,
    ...parameters,
    words.config ?? "",
  ].join("\n");
};

type Fleet = ReadonlyMap<string, FleetModel>;

/** The files of a model's archive, by path: its folder, or a repository with the ensemble and its members. */
export const archiveFiles = (model: FleetModel, fleet: Fleet): ReadonlyMap<string, string> => {
  const { inside } = model.words;
  if (model.members.length === 0) return modelFiles(model, inside === undefined ? "" : `${inside}/`);
  const parts = [model, ...new Set(model.members)].flatMap((part) => {
    const known = typeof part === "string" ? fleet.get(part) : part;
    return known === undefined ? [] : [...modelFiles(known, `${known.name}/`)];
  });
  return new Map(parts);
};

/** @param folder ends in `/`, or is empty */
export const modelFiles = (model: FleetModel, folder: string): ReadonlyMap<string, string> =>
  new Map([
    [`${folder}config.pbtxt`, configText(model)],
    [`${folder}1/model`, ""],
  ]);

const membersOf = (model: FleetModel, fleet: Fleet): readonly FleetModel[] =>
  [...new Set(model.members)].flatMap((member) => fleet.get(member) ?? []);

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Unpacked: as the entry says, else what its weights take, else 1 MiB. */
export const unpackedBytes = (model: FleetModel, fleet: Fleet): number => {
  const { unpacked, archive, host, gpu } = model.words;
  const members = membersOf(model, fleet);
  const own = unpacked ?? archive ?? host?.weights ?? gpu?.weights;
  if (own !== undefined) return own;
  return members.length > 0 ? sum(members.map((member) => unpackedBytes(member, fleet))) : MIB;
};

export const archiveBytes = (model: FleetModel, fleet: Fleet): number =>
  model.words.archive ?? unpackedBytes(model, fleet);

/** What the model's entry says that it takes once it is loaded, on one GPU where it has several. */
export const statedBytes = (model: FleetModel, fleet: Fleet): Bytes => {
  const instances = model.words.instances ?? 1;
  const rows = Math.max(1, model.words.max_batch ?? 0);
  const of = (where: "host" | "gpu"): number => {
    const bytes = model.words[where];
    const weights = (bytes?.weights ?? 0) * (model.words.weights_per === "device" ? 1 : instances);
    return weights + instances * ((bytes?.arena_per_row ?? 0) * rows + (bytes?.workspace ?? 0));
  };
  const members = membersOf(model, fleet).map((member) => statedBytes(member, fleet));
  return {
    host: of("host") + sum(members.map(({ host }) => host)),
    gpu: of("gpu") + sum(members.map(({ gpu }) => gpu)),
    disk: 0,
  };
};

/**
 * A request that the model takes, as KServe's JSON; without batching its rows follow each other in one tensor.
 * @param value its first number, by which requests differ
 */
export const requestBody = (batching: boolean, rows: number, length: number, value = 0): Uint8Array => {
  const shape = batching ? [rows, length] : [rows * length];
  const data = Array.from({ length: rows * length }, (_, index) => value + (index % 100));
  return Buffer.from(JSON.stringify({ inputs: [{ name: INPUT, shape, datatype: "INT32", data }] }));
};
