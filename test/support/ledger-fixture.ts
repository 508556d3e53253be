import { Random } from "../../emulator/common/random.ts";
import { VirtualClock } from "../../emulator/common/virtual-clock.ts";
import { Ledger, type LedgerEvent, type LedgerOptions } from "../../emulator/core/memory/ledger.ts";
import { type Machine, parseMachine } from "../../emulator/core/memory/machine.ts";
import type { Growth, Reservation } from "../../emulator/core/memory/memory-account.ts";
import { combineProfiles, type MemoryProfiles, parseProfile } from "../../emulator/core/memory/profile.ts";

type NumbersOf = Readonly<Record<string, number | string>>;

/** A section of a profile document; 0 is what is not named. */
export const section = (keys: readonly string[], numbers: NumbersOf) =>
  Object.fromEntries(keys.map((key) => [key, { value: numbers[key] ?? 0, source: "test" }]));

export const serverDocument = (numbers: NumbersOf = {}) => ({
  server: section(
    [
      "private_bytes",
      "kernel_bytes",
      "file_bytes",
      "pinned_pool_bytes",
      "cuda_context_bytes",
      "cuda_pool_bytes",
      "response_cache_entry_bytes",
      "response_cache_leak_bytes",
      "second_kill_after_us",
      "longest_reclaim_us",
      "freeze_band_bytes",
    ],
    numbers,
  ),
});

const stubKeys = [
  "private_bytes",
  "first_run_bytes",
  "kernel_bytes",
  "server_bytes",
  "shm_bytes",
  "file_bytes",
];

export interface BackendNumbers {
  readonly stub?: NumbersOf;
  readonly library?: number;
  readonly cuda?: NumbersOf;
  readonly retained?: NumbersOf;
  readonly failure?: string;
  readonly failureAtRun?: string;
  readonly limitFailure?: string;
}

/** `python`-like with `stub`, else in the server. */
export const backendDocument = (
  backend: string,
  {
    stub,
    library = 0,
    cuda = {},
    retained = {},
    failure = "no {bytes} on GPU {gpu}",
    failureAtRun,
    limitFailure,
  }: BackendNumbers = {},
) => ({
  backend,
  ...(stub === undefined ? {} : { stub: section(stubKeys, stub) }),
  library: section(["host_bytes"], { host_bytes: library }),
  cuda: section(["host_bytes", "gpu_bytes"], cuda),
  retained: section(
    [
      "residue_bytes_per_unload",
      "residue_limit_bytes",
      "residue_fraction_per_unload",
      "gpu_residue_fraction_per_unload",
      "residue_reused_fraction",
      "leak_bytes_per_unload",
      "leak_bytes_per_failed_load",
    ],
    retained,
  ),
  device_failure: { value: failure, source: "test" },
  ...(failureAtRun === undefined ? {} : { device_failure_at_run: { value: failureAtRun, source: "test" } }),
  ...(limitFailure === undefined ? {} : { limit_failure: { value: limitFailure, source: "test" } }),
});

export const profilesOf = (...documents: readonly unknown[]): MemoryProfiles => {
  const files = documents.map((document) => {
    const file = parseProfile(document, "test");
    if (!file.ok) throw file.error;
    return file.value;
  });
  const profiles = combineProfiles(files);
  if (!profiles.ok) throw profiles.error;
  return profiles.value;
};

export const machineOf = (text: string): Machine => {
  const machine = parseMachine(text);
  if (!machine.ok) throw machine.error;
  return machine.value;
};

/** 1000 bytes of host, 500 of shm, 100 on each of two GPUs, 50 of disk; nothing reserved but 10 on GPU 1. */
export const smallMachine: Machine = {
  name: "small",
  gpu: "T4",
  vcpus: 1,
  usdPerHour: null,
  pools: [
    { pool: "host", capacityBytes: 1000, reserveBytes: 0 },
    { pool: "gpu:0", capacityBytes: 100, reserveBytes: 0 },
    { pool: "gpu:1", capacityBytes: 100, reserveBytes: 10 },
    { pool: "disk", capacityBytes: 50, reserveBytes: 0 },
    { pool: "shm", capacityBytes: 500, reserveBytes: 0 },
  ],
};

export const startLedger = (
  options: Pick<LedgerOptions, "machine" | "profiles"> &
    Partial<Pick<LedgerOptions, "oomScoreAdj" | "start" | "chance" | "onServerKilled">> & {
      readonly seed?: number;
    },
) => {
  const clock = new VirtualClock();
  const events: LedgerEvent[] = [];
  const started = Ledger.start({
    ...options,
    clock,
    random: new Random(options.seed ?? 1),
    listener: (event) => events.push(event),
  });
  if (!started.ok) throw started.error;
  const ledger = started.value;

  /** What an instance `<model>_0_0` of a Python-like backend holds. */
  const python = (model: string, bytes: number) => pythonInstance(`${model}_0_0`, bytes);

  /** @param together of instances that are loaded with it */
  const pythonInstance = (instance: string, bytes: number, together: readonly Reservation[] = []) => {
    const model = instance.replace(/_0_\d+$/, "");
    const demands = [{ pool: "host", kind: "weights", bytes } as const];
    return ledger.reserve({ backend: "python", model, version: 1, instance }, demands, null, together);
  };
  return {
    ledger,
    clock,
    events,
    python,
    pythonInstance,
    killed: () => events.flatMap((event) => (event.type === "killed" ? [event.process] : [])),
  };
};

export const granted = (result: ReturnType<Ledger["reserve"]>): Reservation => {
  if (!result.ok) throw result.error;
  return result.value;
};

export const grown = (result: ReturnType<Reservation["grow"]>): Growth => {
  if (!result.ok) throw result.error;
  return result.value;
};
