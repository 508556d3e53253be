import { evictionPresets } from "../emulator/aws/placement/eviction/presets.ts";
import { formatByteSize, parseByteSize } from "../emulator/core/memory/byte-size.ts";
import { type Machine, parseMachine } from "../emulator/core/memory/machine.ts";
import type { PoolName } from "../emulator/core/memory/memory-account.ts";
import { readScenarioFile } from "../emulator/scenario/files.ts";
import { setAll } from "../emulator/scenario/paths.ts";
import { runScenario } from "../emulator/scenario/run.ts";
import { readScenario } from "../emulator/scenario/scenario.ts";
import { readMemoryProfiles } from "../emulator/storage/memory-profiles.ts";

/** The three rows that were seen in production, by the scenario that plays them. */
export const sizingRows = [
  "fifth-autocomplete-model-unloads-several",
  "ten-autocomplete-models-on-twice-the-host-memory",
  "twelve-embedding-models-fill-the-gpu-to-80-percent",
] as const;

export type SizingRow = (typeof sizingRows)[number];

/** What happened when one model after the other was asked for. */
export interface Fit {
  /** How many were loaded before one had to go, or could not come. */
  readonly fits: number;
  /** The memories that stood above the mark when room was made; empty = it came otherwise, or not at all. */
  readonly full: readonly PoolName[];
  readonly victims: readonly string[];
  /** Something else than an eviction ended it. */
  readonly endedBy: "eviction" | "refusal" | "kill" | null;
}

type Words = Readonly<Record<string, unknown>>;

/** A number of the sizing, and how a scenario says it otherwise. */
export interface SizingNumber {
  readonly name: string;
  /** As it is, in bytes or as a share. */
  readonly value: number;
  readonly source: string;
  /** The more of it, the more models fit. */
  readonly isCapacity: boolean;
  /** The paths and values of a scenario in which it is that many times as large. */
  changes(factor: number, document: Words): Words;
}

const read = readMemoryProfiles([]);
if (!read.ok) throw read.error;
const profiles = read.value;

const documentOf = (row: SizingRow): Words => {
  const file = readScenarioFile(row);
  if (!file.ok) throw new Error(file.message);
  return { ...Object(file.file.document) };
};

const documents = new Map(sizingRows.map((row) => [row, documentOf(row)]));

const at = (value: unknown, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((owner, key) => {
    if (Array.isArray(owner)) return owner.find((entry) => entry.name === key || entry.as === key);
    return typeof owner === "object" && owner !== null ? Reflect.get(owner, key) : undefined;
  }, value);

const bytes = (value: unknown): number => {
  const size = typeof value === "number" ? value : parseByteSize(String(value));
  if (size === null) throw new Error(`no size: ${String(value)}`);
  return size;
};

/** Numbers of a profile, moved together. Their values come from the profile, the source as well where there is one only. */
const ofProfile = (file: string, paths: readonly string[], name: string): SizingNumber => {
  const owner: unknown = file === "tritonserver" ? profiles.server : profiles.backends.get(file);
  const numbers = paths.map((path) => ({ path, number: at(owner, ...path.split(".")) }));
  const numberOf = (number: unknown): number => Number(at(number, "value"));
  const [first] = numbers;
  return {
    name,
    value: numbers.reduce((sum, { number }) => sum + numberOf(number), 0),
    source: paths.length === 1 ? String(at(first?.number, "source")) : `${file}: ${paths.join(", ")}`,
    isCapacity: false,
    changes: (factor) =>
      Object.fromEntries(
        numbers.map(({ path, number }) => [`profile.${file}.${path}`, Math.round(numberOf(number) * factor)]),
      ),
  };
};

/** Sizes that a scenario states of its models, moved together. */
const ofModels = (paths: readonly string[], row: SizingRow, name: string, source: string): SizingNumber => ({
  name,
  value: bytes(at(documents.get(row), ...(paths[0] ?? "").split("."))),
  source,
  isCapacity: false,
  changes: (factor, document) =>
    Object.fromEntries(
      paths.flatMap((path) => {
        const known = at(document, ...path.split("."));
        return known === undefined ? [] : [[path, Math.round(bytes(known) * factor)]];
      }),
    ),
});

const machineOf = (document: Words): Machine => {
  const machine = parseMachine(String(document.machine));
  if (!machine.ok) throw machine.error;
  return machine.value;
};

const capacity = (document: Words, pool: PoolName): number =>
  machineOf(document).pools.find((known) => known.pool === pool)?.capacityBytes ?? 0;

const ofMachine = (pool: PoolName, name: string, source: string): SizingNumber => ({
  name,
  value: capacity(documents.get(sizingRows[0]) ?? {}, pool),
  source,
  isCapacity: true,
  changes: (factor, document) => {
    const size = Math.round(capacity(document, pool) * factor);
    const changed = pool === "host" ? { host: size } : { gpus: [size] };
    return { machine: { type: String(document.machine), ...changed } };
  },
});

const HIGH_WATER = evictionPresets.sagemaker.highWater;

const autocomplete = "models.autocomplete-{i}";
const encoders = ["models.encoder-a-{i}", "models.encoder-b-{i}"];

/** Every number that the three answers come out of. */
export const sizingNumbers: readonly SizingNumber[] = [
  ofProfile("python-pytorch", ["library.host_bytes"], "PyTorch imported in a process, host"),
  ofProfile("python-pytorch", ["cuda.host_bytes"], "first CUDA use of such a process, host"),
  ofProfile("python-pytorch", ["cuda.gpu_bytes"], "the same, GPU"),
  ofProfile(
    "python-pytorch",
    ["stub.private_bytes", "stub.kernel_bytes", "stub.server_bytes", "stub.shm_bytes"],
    "the stub itself, host",
  ),
  ofModels(
    [`${autocomplete}.gpu.weights`, `${autocomplete}.host.weights`, `${autocomplete}.host.staging`],
    sizingRows[0],
    "weights of an autocomplete model: once on the GPU, twice on the host",
    "the post: artifacts of 292.0 MB; that they stay twice on the host is assumed (transformers#18823 and #13208: not given back; pytorch#92251: read into host memory first)",
  ),
  ofModels(
    [`${autocomplete}.gpu.workspace`],
    sizingRows[0],
    "allocator and workspaces of an autocomplete model, GPU",
    "thread: pytorch/serve#2022, 1227 MiB of a process with 250 MiB of weights, less these and the context of 416 MiB",
  ),
  ofModels(
    encoders.flatMap((model) => [`${model}.gpu.weights`, `${model}.host.staging`]),
    sizingRows[2],
    "weights of an encoder, GPU (host while loading)",
    "assumed: 110 million parameters of 4 bytes, as BERT base; the post does not say",
  ),
  ofModels(
    encoders.map((model) => `${model}.gpu.workspace`),
    sizingRows[2],
    "workspace of an encoder, GPU",
    "computed: activations of BERT base for 512 tokens in the allocator's blocks 64 MiB, a block of small tensors 2, cuBLAS 8",
  ),
  ofModels(
    ["models.prepare-{i}.host.weights"],
    sizingRows[2],
    "vocabulary of a preparing model, host",
    "assumed",
  ),
  ofProfile("pytorch", ["library.host_bytes", "cuda.host_bytes"], "PyTorch backend in tritonserver, host"),
  ofProfile("pytorch", ["cuda.gpu_bytes"], "the same, GPU"),
  ofProfile("tritonserver", ["pinned_pool_bytes"], "tritonserver's pinned pool, host"),
  ofProfile(
    "tritonserver",
    ["cuda_context_bytes", "cuda_pool_bytes"],
    "tritonserver's context and pool, GPU",
  ),
  ofMachine("host", "host memory of the instance", "documented: 16 and 32 GiB"),
  ofMachine("gpu:0", "GPU memory", "documented: nvidia-smi shows 15360 MiB of a T4"),
  {
    name: "share of a memory above which room is made",
    value: HIGH_WATER,
    source: "assumed: preset `sagemaker` (docs/eviction.md)",
    isCapacity: true,
    changes: (factor) => {
      const share = Math.min(1, HIGH_WATER * factor);
      return { "policy.high_water": share, "policy.low_water": share };
    },
  },
];

/** More than fit, also where a number is moved by a tenth. */
const ENOUGH: Readonly<Record<SizingRow, number>> = {
  [sizingRows[0]]: 7,
  [sizingRows[1]]: 12,
  [sizingRows[2]]: 15,
};

/**
 * Plays a row with other numbers.
 * @param changes paths and values, as `triton-local scenario run --set`
 * @param requests how many models are asked for, one after the other; default: enough to find out how many fit
 */
export const playRow = (row: SizingRow, changes: Words = {}, requests?: number): Fit => {
  const document = documents.get(row) ?? {};
  const many = requests ?? ENOUGH[row];
  const counts = Object.fromEntries(
    (Array.isArray(document.models) ? document.models : []).map(({ name }) => [`models.${name}.count`, many]),
  );
  const changed = setAll(document, { ...counts, "traffic.fill.requests": many, ...changes });
  if (!changed.ok) throw changed.error;
  const scenario = readScenario(changed.value, row, profiles);
  if (!scenario.ok) throw new Error(scenario.problems.map(({ text }) => text).join("; "));
  const run = runScenario({ scenario: scenario.scenario });
  const mark = scenario.scenario.settings.highWater;
  let fits = 0;
  for (const event of run.events) {
    if (event.event === "eviction") {
      const full = event.reading
        .filter(({ used, capacity: all }) => used > mark * all)
        .map(({ pool }) => pool);
      return { fits, full, victims: event.victims.map(({ model }) => model), endedBy: "eviction" };
    }
    if (event.event === "killed") return { fits, full: [], victims: [], endedBy: "kill" };
    if (event.event !== "load-answer") continue;
    if (event.status !== 200) return { fits, full: [], victims: [], endedBy: "refusal" };
    fits++;
  }
  return { fits, full: [], victims: [], endedBy: null };
};

/** With nothing changed. */
export const usualFits: readonly Fit[] = sizingRows.map((row) => playRow(row));

/** The three answers with one number moved. @param requests as for `playRow` */
export const answersWith = (number: SizingNumber, factor: number, requests?: number): readonly Fit[] =>
  sizingRows.map((row, index) => {
    const changes = number.changes(factor, documents.get(row) ?? {});
    // What a row does not know of changes nothing there.
    return Object.keys(changes).length === 0 ? usualFits[index]! : playRow(row, changes, requests);
  });

/** The three answers with one number less and more by a tenth. */
export interface MovedNumber {
  readonly number: SizingNumber;
  readonly less: readonly Fit[];
  readonly more: readonly Fit[];
}

export const moveNumbers = (): readonly MovedNumber[] =>
  sizingNumbers.map((number) => ({
    number,
    less: answersWith(number, 0.9),
    more: answersWith(number, 1.1),
  }));

const asText = ({ value }: SizingNumber): string =>
  value < 1 ? `${(100 * value).toFixed(0)} %` : formatByteSize(value);

const asCell = (fits: readonly Fit[]): string =>
  fits
    .map((fit, index) => {
      const text = `${fit.fits}${fit.endedBy === "eviction" ? "" : "†"}`;
      return fit.fits === usualFits[index]?.fits ? text : `**${text}**`;
    })
    .join(", ");

const START = "<!-- sizing: npm run docs -->";
const END = "<!-- end of sizing -->";

/** docs/sizing.md with its table as it must be now. */
export const withSizingTable = (page: string, moved: readonly MovedNumber[]): string => {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start < 0 || end < start) throw new Error(`the page has no ${START} and ${END}`);
  const rows = moved.map(({ number, less, more }) => {
    return `| ${number.name} | ${asText(number)} | ${asCell(less)} | ${asCell(more)} | ${number.source} |`;
  });
  const table = ["| Number | Value | -10 % | +10 % | Source |", "|---|---|---|---|---|", ...rows].join("\n");
  return `${page.slice(0, start + START.length)}\n\n${table}\n\n${page.slice(end)}`;
};
