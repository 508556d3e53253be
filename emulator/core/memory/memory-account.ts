import { ok, type Result } from "../../common/status.ts";

/** What the bytes are for; the words of the memory model (docs/memory.md). */
export type AllocationKind =
  | "server"
  | "library"
  | "cuda-context"
  | "weights"
  | "staging"
  | "arena"
  | "workspace"
  | "shm"
  | "cache"
  | "residue"
  | "leak";

/** One memory: the host, a GPU by index, disk, or /dev/shm. */
export type PoolName = "host" | "disk" | "shm" | `gpu:${number}`;

export interface MemoryDemand {
  readonly pool: PoolName;
  readonly kind: AllocationKind;
  readonly bytes: number;
}

/** Whose bytes they are. An absent part means "of the whole": no instance = the version, no version = the model or process. */
export interface AllocationOwner {
  /** Of the model; tells whose fixed costs a first model brings. */
  readonly backend?: string;
  readonly model?: string;
  readonly version?: number;
  readonly instance?: string;
}

/** Bytes that were granted; `release` gives back what is left of them, once. */
export interface Reservation {
  readonly owner: AllocationOwner;
  readonly demands: readonly MemoryDemand[];
  /** Gives back what was for the time of loading only: kind `staging`. */
  endStaging(): void;
  release(): void;
}

/** Every byte a model takes is asked for here before it is taken; all demands of one call are granted or none. */
export interface MemoryAccount {
  reserve(owner: AllocationOwner, demands: readonly MemoryDemand[]): Result<Reservation>;
  /** Bytes now reserved in a pool. */
  used(pool: PoolName): number;
}

/** Plain serving: refuses nothing and still counts. */
export class UnlimitedMemoryAccount implements MemoryAccount {
  readonly #used = new Map<PoolName, number>();

  reserve(owner: AllocationOwner, demands: readonly MemoryDemand[]): Result<Reservation> {
    this.#add(demands, 1);
    let held = demands;
    return ok({
      owner,
      demands,
      endStaging: () => {
        this.#add(
          held.filter(({ kind }) => kind === "staging"),
          -1,
        );
        held = held.filter(({ kind }) => kind !== "staging");
      },
      release: () => {
        this.#add(held, -1);
        held = [];
      },
    });
  }

  used(pool: PoolName): number {
    return this.#used.get(pool) ?? 0;
  }

  #add(demands: readonly MemoryDemand[], sign: 1 | -1): void {
    for (const { pool, bytes } of demands) this.#used.set(pool, this.used(pool) + sign * bytes);
  }
}
