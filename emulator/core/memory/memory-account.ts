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
  /** Name of the memory profile whose fixed costs the model brings: its backend's, or the one it names. */
  readonly backend?: string;
  readonly model?: string;
  readonly version?: number;
  readonly instance?: string;
}

/** The process of its own that an instance of a Python model has. */
export interface StubProcess {
  /** Of its region in /dev/shm when it starts. */
  readonly regionBytes: number;
  /** Of the host: what its first inference takes beside what the model states, until it ends. */
  readonly firstRunBytes: number;
  /** False once it was killed: its bytes are back, and the instance in it answers no more. */
  readonly alive: boolean;
  /** Runs when it is killed; at once where it already was. An orderly end is no death. */
  whenKilled(run: () => void): void;
}

/** More bytes for what is loaded already. They go with the reservation, or before. */
export interface Growth {
  release(): void;
}

/**
 * Bytes that were granted. Whoever asks for host memory may be killed over it instead of being refused: then `stub` is not
 * alive and nothing is held.
 */
export interface Reservation {
  readonly owner: AllocationOwner;
  /** null = the bytes are tritonserver's. */
  readonly stub: StubProcess | null;
  /** All demands are granted or none. Error: a device has no room, in the words of the backend at a run. */
  grow(demands: readonly MemoryDemand[]): Result<Growth>;
  /** Kills the process that holds the bytes, as `kill -9` from outside. */
  kill(): void;
  /** Gives back what was for the time of loading only: kind `staging`. */
  endStaging(): void;
  /** Gives back what is left, growth included, once. @param after a backend may leak at a load of an instance that fails */
  release(after?: "unload" | "failed load"): void;
}

/** What the response cache takes beside its buffer. */
export interface ResponseCacheCosts {
  /** For each answer that it holds. */
  readonly entryBytes: number;
  /** Left by each answer that it ever kept, for ever. */
  readonly leakBytes: number;
}

/** Every byte a model takes is asked for here before it is taken. */
export interface MemoryAccount {
  readonly responseCacheCosts: ResponseCacheCosts;
  /** Profiles that a model may name; null = any. */
  readonly profileNames: readonly string[] | null;
  /** Whether each instance of a profile is a process of its own. */
  hasStubs(profile: string): boolean;
  /**
   * All demands of one call are granted or none. Error: a device has no room, in the backend's words.
   * @param gpuLimitBytes what the reservation may hold of each GPU, growth included; null = no limit. Only of a backend that
   *   has such a limit
   * @param together of instances that are loaded with this one: processes of their own fill their memory at the same time
   */
  reserve(
    owner: AllocationOwner,
    demands: readonly MemoryDemand[],
    gpuLimitBytes?: number | null,
    together?: readonly Reservation[],
  ): Result<Reservation>;
  /** Bytes now reserved in a pool. */
  used(pool: PoolName): number;
  /** Bytes of a pool, those that are not for models included; null = it has no end. */
  capacity(pool: PoolName): number | null;
}

/** Plain serving: refuses nothing, kills nobody and still counts. */
export class UnlimitedMemoryAccount implements MemoryAccount {
  readonly profileNames = null;
  readonly responseCacheCosts = { entryBytes: 0, leakBytes: 0 };
  readonly #used = new Map<PoolName, number>();

  hasStubs(profile: string): boolean {
    return profile === "python";
  }

  reserve(owner: AllocationOwner, demands: readonly MemoryDemand[]): Result<Reservation> {
    const held = new Set<MemoryDemand>();
    const take = (taken: readonly MemoryDemand[]): void => {
      for (const demand of taken) {
        held.add(demand);
        this.#add(demand, 1);
      }
    };
    const giveBack = (returned: Iterable<MemoryDemand>): void => {
      for (const demand of returned) if (held.delete(demand)) this.#add(demand, -1);
    };
    const stub =
      this.hasStubs(owner.backend ?? "") && owner.instance !== undefined ? new UncountedStub() : null;
    take(copies(demands));
    return ok({
      owner,
      stub,
      grow: (more) => {
        const grown = copies(more);
        take(grown);
        return ok({ release: () => giveBack(grown) });
      },
      kill: () => {
        if (stub === null || !stub.alive) return;
        giveBack(held);
        stub.end();
      },
      endStaging: () => giveBack([...held].filter(({ kind }) => kind === "staging")),
      release: () => giveBack(held),
    });
  }

  used(pool: PoolName): number {
    return this.#used.get(pool) ?? 0;
  }

  capacity(): null {
    return null;
  }

  #add({ pool, bytes }: MemoryDemand, sign: 1 | -1): void {
    this.#used.set(pool, this.used(pool) + sign * bytes);
  }
}

/** A demand may come twice; each time is to be told from the other. */
const copies = (demands: readonly MemoryDemand[]): readonly MemoryDemand[] =>
  demands.map((demand) => ({ ...demand }));

/** /dev/shm is not counted: its region never grows beyond what there is. */
class UncountedStub implements StubProcess {
  readonly regionBytes = Number.POSITIVE_INFINITY;
  readonly firstRunBytes = 0;
  readonly #deaths: (() => void)[] = [];
  #alive = true;

  get alive(): boolean {
    return this.#alive;
  }

  whenKilled(run: () => void): void {
    if (this.#alive) this.#deaths.push(run);
    else run();
  }

  end(): void {
    this.#alive = false;
    for (const run of this.#deaths) run();
  }
}
