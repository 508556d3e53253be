import { fail, ok, type Result } from "../../common/status.ts";
import type { MemoryDemand, PoolName } from "./memory-account.ts";

/** Bytes of one kind, by where they lie. */
export interface DeclaredBytes {
  readonly host: number;
  /** On the GPU of the instance. */
  readonly gpu: number;
}

/** What a model says of its memory in `parameters` of its configuration, all beginning with `memory.` (docs/memory.md). */
export interface DeclaredMemory {
  /** Whose fixed costs and processes the model has; null = its backend's. */
  readonly profile: string | null;
  /** Weights or staging are stated: then they are what the model takes, whatever its backend expects. */
  readonly statesLoad: boolean;
  readonly weights: DeclaredBytes;
  /** Beside the weights while they are loaded. */
  readonly staging: DeclaredBytes;
  /** Whether each instance holds the weights, or each device once. */
  readonly weightsPer: "instance" | "device";
  /** Held from the load to the unload, whatever the batch. */
  readonly workspace: DeclaredBytes;
  readonly arenaPerRow: DeclaredBytes;
  readonly arenaPerElement: DeclaredBytes;
  /**
   * Whether the arena for the largest batch is taken at the load, or by the largest batch so far; or whether each batch that
   * is larger than all before it takes its whole size anew, because regions are neither joined nor given back.
   */
  readonly arena: (typeof arenas)[number];
  /** Devices (`cpu:0`, `gpu:0`) whose arena gives back after each run what the run made it grow. */
  readonly shrinks: readonly string[];
  /** What of a Python model takes the bytes of its load: its `initialize`, or its module while it is imported. */
  readonly takenIn: (typeof phases)[number];
  /**
   * GPU on which the code of a Python model puts everything, whatever GPU its instance was given; null = it looks at
   * `model_instance_device_id`.
   */
  readonly onlyGpu: number | null;
  /** For the time of a run. */
  readonly run: DeclaredBytes;
  /** What each run leaves, until the unload. */
  readonly keptPerRun: DeclaredBytes;
  /** ONNX Runtime's own `gpu_mem_limit`: what an instance may hold of its GPU; null = no limit. */
  readonly gpuLimitBytes: number | null;
}

/** The part of a model's configuration that tells. */
export interface DeclaringConfig {
  readonly name: string;
  readonly max_batch_size: number;
  readonly instance_group: readonly { readonly name: string; readonly kind: string }[];
  readonly parameters: ReadonlyMap<string, { readonly string_value: string }>;
}

const PREFIX = "memory.";

const phases = ["initialize", "import"] as const;

const arenas = ["reserved", "grows", "fragments"] as const;

/** ONNX Runtime's own parameter: `cpu:0;gpu:0`. Its backend says what is wrong with it, at a run. */
const SHRINKAGE = "enable_memory_arena_shrinkage";

const byteNames = [
  "weights_bytes",
  "staging_bytes",
  "workspace_bytes",
  "arena_bytes_per_row",
  "arena_bytes_per_element",
  "run_bytes",
  "kept_bytes_per_run",
] as const;

type ByteName = (typeof byteNames)[number];

/** Every parameter's name. */
export const declaredMemoryNames: readonly string[] = [
  ...byteNames.flatMap((name) => [`host_${name}`, `gpu_${name}`]),
  "weights_per",
  "arena",
  "taken_in",
  "only_gpu",
  SHRINKAGE,
  "profile",
].map((name) => PREFIX + name);

/**
 * Reads what a configuration states; what is not said is 0, per instance and reserved.
 * Error: INVALID_ARG that names the model, the parameter, its value and what is allowed.
 */
export const readDeclaredMemory = (config: DeclaringConfig): Result<DeclaredMemory> => {
  const bytes = new Map<string, number>();
  let weightsPer: DeclaredMemory["weightsPer"] = "instance";
  let arena: DeclaredMemory["arena"] = "reserved";
  let takenIn: DeclaredMemory["takenIn"] = "initialize";
  let onlyGpu: number | null = null;
  let shrinks: DeclaredMemory["shrinks"] = [];
  let profile: string | null = null;
  for (const [parameter, { string_value: value }] of config.parameters) {
    if (!parameter.startsWith(PREFIX)) continue;
    const name = parameter.slice(PREFIX.length);
    if (name === SHRINKAGE) {
      shrinks = value.split(";");
      continue;
    }
    const refuse = (allowed: string) =>
      fail("INVALID_ARG", `model '${config.name}': parameter '${parameter}' is '${value}', ${allowed}`);
    if (name === "weights_per") {
      if (value !== "instance" && value !== "device") return refuse("expected instance or device");
      weightsPer = value;
    } else if (name === "arena") {
      const known = arenas.find((word) => word === value);
      if (known === undefined) return refuse(`expected ${arenas.join(", ")}`);
      arena = known;
    } else if (name === "taken_in") {
      const known = phases.find((word) => word === value);
      if (known === undefined) return refuse(`expected ${phases.join(", ")}`);
      takenIn = known;
    } else if (name === "only_gpu") {
      if (!/^\d{1,3}$/.test(value)) return refuse("expected the index of a GPU");
      onlyGpu = Number(value);
    } else if (name === "profile") {
      if (value === "") return refuse("expected the name of a memory profile");
      profile = value;
    } else if (declaredMemoryNames.includes(parameter)) {
      const count = parseBytes(value);
      if (count === null) return refuse(`expected ${bytesSyntax}`);
      const elsewhere = config.instance_group.find(({ kind }) => kind !== "KIND_GPU");
      if (count > 0 && name.startsWith("gpu_") && elsewhere !== undefined) {
        return refuse(
          `allowed only where all instances are KIND_GPU, but '${elsewhere.name}' is ${elsewhere.kind}`,
        );
      }
      bytes.set(name, count);
    } else return refuse(`but there is no such parameter, only ${declaredMemoryNames.join(", ")}`);
  }
  const of = (name: ByteName): DeclaredBytes => ({
    host: bytes.get(`host_${name}`) ?? 0,
    gpu: bytes.get(`gpu_${name}`) ?? 0,
  });
  return ok({
    profile,
    statesLoad: [...bytes.keys()].some((name) => /_(weights|staging)_bytes$/.test(name)),
    weights: of("weights_bytes"),
    staging: of("staging_bytes"),
    weightsPer,
    workspace: of("workspace_bytes"),
    arenaPerRow: of("arena_bytes_per_row"),
    arenaPerElement: of("arena_bytes_per_element"),
    arena,
    shrinks,
    takenIn,
    onlyGpu,
    run: of("run_bytes"),
    keptPerRun: of("kept_bytes_per_run"),
    gpuLimitBytes: readLimit(config.parameters.get("gpu_mem_limit")?.string_value ?? ""),
  });
};

/** The GPU that an instance takes bytes of, or none. */
export const gpusOfInstance = (
  { onlyGpu }: DeclaredMemory,
  { kind, deviceId }: { readonly kind: string; readonly deviceId: number },
): readonly number[] => (kind === "KIND_GPU" ? [onlyGpu ?? deviceId] : []);

/** What is held once for the version: on the host, and on each of its GPUs. */
export const versionDemands = (declared: DeclaredMemory, gpus: readonly number[]): readonly MemoryDemand[] =>
  declared.weightsPer === "device" ? loadDemands(declared, gpus) : [];

/** What an instance holds by its weights, where the model states them. @param gpus its GPU, or none */
export const instanceLoadDemands = (
  declared: DeclaredMemory,
  gpus: readonly number[],
): readonly MemoryDemand[] => (declared.weightsPer === "instance" ? loadDemands(declared, gpus) : []);

/** What an instance holds from the start beside its weights. */
export const reservedDemands = (
  declared: DeclaredMemory,
  maxBatchSize: number,
  gpus: readonly number[],
): readonly MemoryDemand[] => [
  ...demandsOf(reservedArena(declared, maxBatchSize), "arena", gpus),
  ...demandsOf(declared.workspace, "workspace", gpus),
];

/** The arena that is there before the first run. */
export const reservedArena = ({ arena, arenaPerRow }: DeclaredMemory, maxBatchSize: number): DeclaredBytes =>
  times(arenaPerRow, arena === "reserved" ? Math.max(1, maxBatchSize) : 0);

/** Whether runs take bytes at all. */
export const growsAtRuns = ({
  arena,
  arenaPerRow,
  arenaPerElement,
  run,
  keptPerRun,
}: DeclaredMemory): boolean =>
  [arenaPerElement, run, keptPerRun, ...(arena === "reserved" ? [] : [arenaPerRow])].some(
    ({ host, gpu }) => host + gpu > 0,
  );

const loadDemands = (
  { weights, staging }: DeclaredMemory,
  gpus: readonly number[],
): readonly MemoryDemand[] => [
  ...demandsOf(weights, "weights", gpus),
  ...demandsOf(staging, "staging", gpus),
];

/** Nothing for what is 0. */
export const demandsOf = (
  { host, gpu }: DeclaredBytes,
  kind: MemoryDemand["kind"],
  gpus: readonly number[],
): readonly MemoryDemand[] =>
  [
    { pool: "host" as const, kind, bytes: host },
    ...gpus.map((index) => ({ pool: `gpu:${index}` satisfies PoolName as PoolName, kind, bytes: gpu })),
  ].filter(({ bytes }) => bytes > 0);

export const times = ({ host, gpu }: DeclaredBytes, count: number): DeclaredBytes => ({
  host: host * count,
  gpu: gpu * count,
});

export const plus = (a: DeclaredBytes, b: DeclaredBytes): DeclaredBytes => ({
  host: a.host + b.host,
  gpu: a.gpu + b.gpu,
});

const bytesSyntax = "a whole number of bytes from 0 to 9007199254740991, or of KiB, MiB, GiB with that unit";

const units: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** As the backend reads it: digits, and nothing else is a limit here; what it refuses it refuses itself. */
const readLimit = (text: string): number | null => (/^\d+$/.test(text) ? Number(text) : null);

const parseBytes = (text: string): number | null => {
  const match = /^(\d+)\s*(KiB|MiB|GiB)?$/.exec(text.trim());
  if (match === null) return null;
  const bytes = Number(match[1]) * (units[match[2] ?? ""] ?? 1);
  return Number.isSafeInteger(bytes) ? bytes : null;
};
