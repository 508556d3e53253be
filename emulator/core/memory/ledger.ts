import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { fail, ok, type Result, type TritonError } from "../../common/status.ts";
import { formatByteSize } from "./byte-size.ts";
import type { Machine } from "./machine.ts";
import type {
  AllocationKind,
  AllocationOwner,
  Growth,
  MemoryAccount,
  MemoryDemand,
  PoolName,
  Reservation,
  ResponseCacheCosts,
  StubProcess,
} from "./memory-account.ts";
import type { BackendProfile, MemoryProfiles } from "./profile.ts";

/** Why bytes were taken. */
export type AllocationCause =
  | "server start"
  | "first of backend"
  | "load"
  | "growth"
  | "unload"
  | "failed load";

export interface Allocation {
  readonly owner: AllocationOwner;
  /** Name of the process that holds the bytes. */
  readonly process: string;
  readonly pool: PoolName;
  readonly kind: AllocationKind;
  readonly bytes: number;
  readonly cause: AllocationCause;
  /** Microseconds of the clock. */
  readonly takenUs: number;
}

/** `reused`: residue that a load took over. */
export type ReturnReason = "released" | "reused" | "killed" | "process ended";

/** What the kernel's OOM killer decided. */
export interface Kill {
  readonly process: string;
  /** The version or instance whose process it was; null = tritonserver. */
  readonly victim: AllocationOwner | null;
  /** Resident bytes of the process at that moment, file pages included. */
  readonly residentBytes: number;
  /** Others had the same score: which of them died was chance. */
  readonly tied: number;
  readonly rule: "largest resident size" | "second kill: the first one's bytes were not back in time";
  /** Whose bytes did not fit. */
  readonly newcomer: AllocationOwner;
  readonly askedBytes: number;
  readonly freeBytes: number;
}

/** A process that the kernel may kill. */
export interface KillCandidate {
  readonly process: string;
  readonly residentBytes: number;
  /** Resident bytes and what `oom_score_adj` adds: the highest dies. */
  readonly score: number;
  /** Its own bytes are those that do not fit. */
  readonly asks: boolean;
}

/** What nobody can foresee of a kill. By default the seed decides; a replay of what was seen decides as was seen. */
export interface KillChance {
  /** @param candidates highest score first, of which `tied` are equal @returns index of the one that dies */
  victim(candidates: readonly KillCandidate[], tied: number): number;
  /** Whether one more dies before the bytes of the last one are back. @param candidates highest score first */
  killsAnother(candidates: readonly KillCandidate[]): boolean;
}

export type LedgerEvent =
  | { readonly type: "taken"; readonly allocation: Allocation }
  | {
      readonly type: "returned";
      readonly allocation: Allocation;
      readonly returnedUs: number;
      readonly reason: ReturnReason;
    }
  | {
      readonly type: "refused";
      readonly owner: AllocationOwner;
      readonly pool: PoolName;
      readonly askedBytes: number;
      readonly freeBytes: number;
      readonly error: TritonError;
    }
  | ({ readonly type: "killed" } & Kill)
  /** It fits, but so narrowly that everything in the container may stand still. */
  | { readonly type: "freeze-risk"; readonly owner: AllocationOwner; readonly freeBytes: number };

export interface PoolState {
  readonly pool: PoolName;
  readonly capacityBytes: number;
  readonly reserveBytes: number;
  readonly usedBytes: number;
  readonly highWaterBytes: number;
}

/** Bytes by pool; a pool without any is absent. */
export type BytesByPool = ReadonlyMap<PoolName, number>;

export interface ProcessState {
  readonly name: string;
  /** null = tritonserver. */
  readonly owner: AllocationOwner | null;
  /** What the killer looks at. */
  readonly residentBytes: number;
  readonly bytes: BytesByPool;
}

export interface LedgerOptions {
  readonly machine: Machine;
  readonly profiles: MemoryProfiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly listener: (event: LedgerEvent) => void;
  /** -1000 (never killed) to 1000; equal for all on the real server in a container. Default 0 and 0. */
  readonly oomScoreAdj?: { readonly server: number; readonly stub: number };
  readonly start?: ServerStart;
  readonly chance?: KillChance;
  /**
   * Who owns the container: called when tritonserver was killed, everything being gone then; it ends with 137. Without an
   * owner the kill is reported, what was asked for is refused, and everything lives on.
   */
  readonly onServerKilled?: () => void;
}

/** What tritonserver was started with, where it is not as the profile says. */
export interface ServerStart {
  /** `--pinned-memory-pool-byte-size`; taken only where there is a GPU. */
  readonly pinnedPoolBytes?: number;
  /**
   * `--backend-config=python,shm-default-byte-size`, of each stub's region in /dev/shm. The SageMaker image starts with
   * 16777216 (spec/python-backend.md).
   */
  readonly stubRegionBytes?: number;
  /** Regions in /dev/shm that a server left which was killed in the same container. Default none. */
  readonly orphanedShmBytes?: number;
}

export const SERVER_PROCESS = "tritonserver";

interface Process {
  readonly name: string;
  readonly owner: AllocationOwner | null;
  readonly oomScoreAdj: number;
  readonly fileBytes: number;
  readonly allocations: Set<Allocation>;
  hostBytes: number;
  /** To be told of its death. */
  readonly whenKilled: (() => void)[];
  /** Backends whose libraries it has loaded, and `<backend> <gpu>` it has a context for. */
  readonly opened: Set<string>;
  alive: boolean;
}

interface Pool {
  readonly capacityBytes: number;
  readonly reserveBytes: number;
  used: number;
  highWater: number;
}

/** A demand with the process that will hold it. */
interface Claim extends MemoryDemand {
  readonly owner: AllocationOwner;
  readonly holder: Process;
  readonly cause: AllocationCause;
  /** Goes with the reservation, not with the process. */
  readonly held: boolean;
}

/** Host memory that does not fit. */
interface Asked {
  readonly holding: Holding;
  readonly askedBytes: number;
  readonly freeBytes: number;
  /** What it has of them when there is no more. */
  readonly touchedBytes: number;
}

/** What a reservation holds, and where. */
interface Holding {
  readonly owner: AllocationOwner;
  readonly profile: BackendProfile | null;
  readonly holder: Process;
  readonly held: Set<Allocation>;
  /** Residue that it took over, which stays again when it goes. */
  readonly reused: Map<PoolName, number>;
  /** Of each GPU; null = no limit. */
  readonly gpuLimitBytes: number | null;
  /** Those that fill their memory at the same time; for as long as this one is being loaded. */
  together: readonly Holding[];
  /** Host memory of those that were killed for it. */
  killedBytes: number;
}

const noPool: Pool = { capacityBytes: 0, reserveBytes: 0, used: 0, highWater: 0 };

const sizeOf = (claims: readonly MemoryDemand[], pool: PoolName): number =>
  claims.reduce((sum, claim) => (claim.pool === pool ? sum + claim.bytes : sum), 0);

/**
 * What holds which bytes on which device of one machine, and what happens when the next bytes are asked for. A device
 * refuses, in the backend's words; on the host the kernel kills a process instead and the load answers as if nothing
 * were (docs/memory.md). Numbers come from profiles; nothing is read from a process.
 *
 * When the killer's choice is tritonserver itself, the container ends if it has an owner (`onServerKilled`).
 */
export class Ledger implements MemoryAccount {
  readonly machine: Machine;
  readonly #options: LedgerOptions;
  readonly #chance: KillChance;
  readonly #pools = new Map<PoolName, Pool>();
  readonly #processes = new Set<Process>();
  readonly #server: Process;
  /** Live residue in the server, by backend and pool, oldest first. */
  readonly #residue = new Map<string, Allocation[]>();
  readonly #holders = new WeakMap<Allocation, Process>();
  readonly #holdings = new WeakMap<Reservation, Holding>();
  /** Who is to be told of a death, once what is under way is done. */
  #toTell: (() => void)[] = [];

  private constructor(options: LedgerOptions) {
    this.machine = options.machine;
    this.#options = options;
    this.#chance = options.chance ?? seededChance(options.random, options.profiles);
    for (const { pool, capacityBytes, reserveBytes } of options.machine.pools) {
      this.#pools.set(pool, { capacityBytes, reserveBytes, used: 0, highWater: 0 });
    }
    this.#server = this.#newProcess(
      SERVER_PROCESS,
      null,
      options.profiles.server.file_bytes.value,
      options.oomScoreAdj?.server ?? 0,
    );
  }

  /** Starts tritonserver on the machine. @returns an error when not even the server fits */
  static start(options: LedgerOptions): Result<Ledger> {
    const ledger = new Ledger(options);
    const claims = ledger.#serverClaims();
    for (const pool of new Set(claims.map((claim) => claim.pool))) {
      const asked = sizeOf(claims, pool);
      if (asked > ledger.free(pool)) {
        return fail(
          "INVALID_ARG",
          `machine ${options.machine.name} is too small: tritonserver alone takes ${formatByteSize(asked)} of ` +
            `${pool}, ${formatByteSize(ledger.free(pool))} are free`,
        );
      }
    }
    ledger.#processes.add(ledger.#server);
    for (const claim of claims) ledger.#take(claim);
    return ok(ledger);
  }

  get profileNames(): readonly string[] {
    return [...this.#options.profiles.backends.keys()];
  }

  get responseCacheCosts(): ResponseCacheCosts {
    const { response_cache_entry_bytes, response_cache_leak_bytes } = this.#options.profiles.server;
    return { entryBytes: response_cache_entry_bytes.value, leakBytes: response_cache_leak_bytes.value };
  }

  hasStubs(profile: string): boolean {
    return (this.#options.profiles.backends.get(profile)?.stub ?? null) !== null;
  }

  reserve(
    owner: AllocationOwner,
    demands: readonly MemoryDemand[],
    gpuLimitBytes: number | null = null,
    together: readonly Reservation[] = [],
  ): Result<Reservation> {
    const profile = this.#profileOf(owner);
    const stub = profile !== null && this.hasStubs(profile.backend) && owner.instance !== undefined;
    const holder = stub ? this.#newStub(owner, profile) : this.#server;
    const limit = profile?.limit_failure === null ? null : gpuLimitBytes;
    const holding: Holding = {
      owner,
      profile,
      holder,
      held: new Set(),
      reused: new Map(),
      gpuLimitBytes: limit,
      together: stub ? together.flatMap((other) => this.#holdings.get(other) ?? []) : [],
      killedBytes: 0,
    };
    const claims = [
      ...(stub ? this.#stubClaims(owner, profile, holder) : []),
      ...(demands.length > 0 ? this.#firstUseClaims(owner, profile, holder, demands) : []),
      ...this.#claims(owner, holder, demands, "load"),
    ];
    const granted = this.#grant(holding, claims, "load");
    holding.together = [];
    if (!granted.ok) {
      const pools = claims.map(({ pool }) => pool);
      this.#leak(holding, profile?.retained.leak_bytes_per_failed_load.value ?? 0, pools, "failed load");
    }
    this.#tell();
    return granted.ok ? ok(this.#reservation(holding)) : granted;
  }

  #reservation(holding: Holding): Reservation {
    const { owner, profile, holder, held } = holding;
    const stub = profile?.stub;
    const reservation: Reservation = {
      owner,
      stub:
        stub === undefined || stub === null || holder === this.#server
          ? null
          : stubOf(holder, this.#regionBytes(stub), stub.first_run_bytes.value),
      grow: (demands) => this.#grow(holding, demands),
      kill: () => this.#killProcess(holder),
      endStaging: () => {
        for (const allocation of held) {
          if (allocation.kind !== "staging") continue;
          held.delete(allocation);
          this.#giveBack(allocation, "released");
        }
      },
      release: (after = "unload") => this.#release(holding, after),
    };
    this.#holdings.set(reservation, holding);
    return reservation;
  }

  #grow(holding: Holding, demands: readonly MemoryDemand[]): Result<Growth> {
    const { owner, profile, holder, held } = holding;
    if (!holder.alive) return ok({ release: () => {} });
    const claims = [
      ...this.#firstUseClaims(owner, profile, holder, demands),
      ...this.#claims(owner, holder, demands, "growth"),
    ];
    const grown = this.#grant(holding, claims, "growth");
    this.#tell();
    if (!grown.ok) return grown;
    return ok({
      release: () => {
        for (const allocation of grown.value) {
          if (held.delete(allocation)) this.#giveBack(allocation, "released");
        }
      },
    });
  }

  /** As `kill -9` from outside of the newest process of that name. @returns whether there is one */
  kill(name: string): boolean {
    const holder = [...this.#processes].findLast((known) => known.name === name);
    if (holder === undefined) return false;
    this.#killProcess(holder);
    return true;
  }

  #killProcess(holder: Process): void {
    if (holder === this.#server) this.#killServer();
    else if (holder.alive) this.#endProcess(holder, "killed");
    this.#tell();
  }

  /** Everything is gone at once, tritonserver and its stubs: the container ended. Nothing is granted any more; releases do nothing. */
  end(): void {
    for (const holder of [...this.#processes]) this.#endProcess(holder, "process ended");
    this.#residue.clear();
  }

  /** Without an owner of the container nothing happens. */
  #killServer(): void {
    const { onServerKilled } = this.#options;
    if (onServerKilled === undefined || !this.#server.alive) return;
    this.end();
    this.#toTell = [onServerKilled];
  }

  /** Tells of deaths; who is told may come back with another call. */
  #tell(): void {
    const toTell = this.#toTell;
    this.#toTell = [];
    for (const run of toTell) run();
  }

  used(pool: PoolName): number {
    return this.#pool(pool).used;
  }

  capacity(pool: PoolName): number {
    return this.#pool(pool).capacityBytes;
  }

  /** Bytes that may still be taken. */
  free(pool: PoolName): number {
    const { capacityBytes, reserveBytes, used } = this.#pool(pool);
    return capacityBytes - reserveBytes - used;
  }

  pools(): readonly PoolState[] {
    return [...this.#pools].map(([pool, { capacityBytes, reserveBytes, used, highWater }]) => ({
      pool,
      capacityBytes,
      reserveBytes,
      usedBytes: used,
      highWaterBytes: highWater,
    }));
  }

  processes(): readonly ProcessState[] {
    return [...this.#processes].map((holder) => ({
      name: holder.name,
      owner: holder.owner,
      residentBytes: holder.hostBytes + holder.fileBytes,
      bytes: bytesByPool(holder.allocations),
    }));
  }

  /** Live allocations, by process. */
  allocations(): readonly Allocation[] {
    return [...this.#processes].flatMap((holder) => [...holder.allocations]);
  }

  /** What each model holds; residue and leaks are still named after the model that left them. */
  models(): ReadonlyMap<string, BytesByPool> {
    const byModel = new Map<string, Allocation[]>();
    for (const allocation of this.allocations()) {
      const { model } = allocation.owner;
      if (model === undefined) continue;
      const known = byModel.get(model);
      if (known === undefined) byModel.set(model, [allocation]);
      else known.push(allocation);
    }
    return new Map([...byModel].map(([model, allocations]) => [model, bytesByPool(allocations)]));
  }

  #pool(pool: PoolName): Pool {
    return this.#pools.get(pool) ?? noPool;
  }

  #profileOf(owner: AllocationOwner): BackendProfile | null {
    return this.#options.profiles.backends.get(owner.backend ?? "") ?? null;
  }

  #newProcess(name: string, owner: AllocationOwner | null, fileBytes: number, oomScoreAdj: number): Process {
    return {
      name,
      owner,
      fileBytes,
      oomScoreAdj,
      allocations: new Set(),
      hostBytes: 0,
      whenKilled: [],
      opened: new Set(),
      alive: true,
    };
  }

  #newStub(owner: AllocationOwner, { stub }: BackendProfile): Process {
    const adjustment = this.#options.oomScoreAdj?.stub ?? 0;
    return this.#newProcess(owner.instance ?? "", owner, stub?.file_bytes.value ?? 0, adjustment);
  }

  #serverClaims(): Claim[] {
    const { profiles, start = {} } = this.#options;
    const { server } = profiles;
    const gpus = this.machine.pools.map(({ pool }) => pool).filter((pool) => pool.startsWith("gpu:"));
    const pinned = start.pinnedPoolBytes ?? server.pinned_pool_bytes.value;
    const demands: MemoryDemand[] = [
      { pool: "host", kind: "server", bytes: server.private_bytes.value },
      { pool: "host", kind: "server", bytes: server.kernel_bytes.value },
      { pool: "shm", kind: "leak", bytes: start.orphanedShmBytes ?? 0 },
      ...(gpus.length === 0 ? [] : [{ pool: "host", kind: "server", bytes: pinned } as const]),
      ...gpus.flatMap((pool): MemoryDemand[] => [
        { pool, kind: "cuda-context", bytes: server.cuda_context_bytes.value },
        { pool, kind: "server", bytes: server.cuda_pool_bytes.value },
      ]),
    ];
    return this.#claims({}, this.#server, demands, "server start").map((claim) => ({
      ...claim,
      held: false,
    }));
  }

  #regionBytes({ shm_bytes }: NonNullable<BackendProfile["stub"]>): number {
    return this.#options.start?.stubRegionBytes ?? shm_bytes.value;
  }

  /** What the stub process itself costs. Its region in /dev/shm is tritonserver's and outlives it, until the unload. */
  #stubClaims(owner: AllocationOwner, { stub }: BackendProfile, holder: Process): Claim[] {
    if (stub === null) return [];
    return [
      ...this.#claims(
        owner,
        holder,
        [
          { pool: "host", kind: "library", bytes: stub.private_bytes.value },
          { pool: "host", kind: "library", bytes: stub.kernel_bytes.value },
        ],
        "load",
      ),
      ...this.#claims(
        owner,
        this.#server,
        [
          { pool: "host", kind: "server", bytes: stub.server_bytes.value },
          { pool: "shm", kind: "shm", bytes: this.#regionBytes(stub) },
        ],
        "load",
      ),
    ];
  }

  /** Libraries and CUDA contexts that a process does not have yet. */
  #firstUseClaims(
    owner: AllocationOwner,
    profile: BackendProfile | null,
    holder: Process,
    demands: readonly MemoryDemand[],
  ): Claim[] {
    if (profile === null) return [];
    const { backend, library, cuda } = profile;
    const first = (pool: PoolName, kind: AllocationKind, bytes: number): Claim => ({
      owner: holder.owner === null ? { backend } : owner,
      holder,
      pool,
      kind,
      bytes,
      cause: "first of backend",
      held: false,
    });
    const claims: Claim[] = [];
    if (!holder.opened.has(backend)) claims.push(first("host", "library", library.host_bytes.value));
    const gpus = new Set(demands.map(({ pool }) => pool).filter((pool) => pool.startsWith("gpu:")));
    const hadCuda = [...holder.opened].some((name) => name.startsWith(`${backend} gpu:`));
    if (gpus.size > 0 && !hadCuda) claims.push(first("host", "cuda-context", cuda.host_bytes.value));
    for (const pool of gpus) {
      if (!holder.opened.has(`${backend} ${pool}`))
        claims.push(first(pool, "cuda-context", cuda.gpu_bytes.value));
    }
    return claims;
  }

  /** Bytes in /dev/shm are host memory as well, and tritonserver's. */
  #claims(
    owner: AllocationOwner,
    holder: Process,
    demands: readonly MemoryDemand[],
    cause: AllocationCause,
  ): Claim[] {
    return demands.flatMap((demand) => {
      const claim: Claim = { ...demand, owner, holder, cause, held: true };
      if (demand.pool !== "shm") return [claim];
      const region: Claim = { ...claim, holder: this.#server };
      return [region, { ...region, pool: "host" }];
    });
  }

  /** @returns what the holding has more; nothing where its process was killed over it */
  #grant(
    holding: Holding,
    claims: readonly Claim[],
    during: "load" | "growth",
  ): Result<readonly Allocation[]> {
    const { owner, profile, holder, held } = holding;
    if (!this.#server.alive) return fail("UNAVAILABLE", "tritonserver is not running");
    const pools = new Set(claims.map((claim) => claim.pool));
    const reusable = new Map([...pools].map((pool) => [pool, this.#reusable(profile, claims, pool)]));
    const askedOf = (pool: PoolName): number => sizeOf(claims, pool) - (reusable.get(pool) ?? 0);
    for (const pool of pools) {
      if (pool !== "host" && askedOf(pool) > this.free(pool)) {
        return this.#refuse(holding, pool, askedOf(pool), during);
      }
      const left = leftOfLimit(holding, pool);
      const own = claims.filter((claim) => claim.held);
      if (sizeOf(own, pool) > left) return this.#refuse(holding, pool, sizeOf(own, pool), during, left);
    }
    const room = this.#makeRoom(holding, askedOf("host"));
    if (!room.ok) return room;
    if (!holder.alive) return ok([]);
    for (const [pool, bytes] of reusable) {
      this.#reuse(profile, pool, bytes);
      holding.reused.set(pool, (holding.reused.get(pool) ?? 0) + bytes);
    }
    this.#processes.add(holder);
    const taken: Allocation[] = [];
    for (const claim of claims) {
      if (claim.cause === "first of backend" && profile !== null) {
        holder.opened.add(profile.backend);
        if (claim.pool !== "host") holder.opened.add(`${profile.backend} ${claim.pool}`);
      }
      const allocation = this.#take(claim);
      if (allocation !== null && claim.held) taken.push(allocation);
    }
    for (const allocation of taken) held.add(allocation);
    const freeBytes = this.free("host");
    const asked = sizeOf(claims, "host");
    if (asked > 0 && freeBytes < this.#options.profiles.server.freeze_band_bytes.value) {
      this.#options.listener({ type: "freeze-risk", owner, freeBytes });
    }
    return ok(taken);
  }

  #refuse(
    { owner, profile, held }: Holding,
    pool: PoolName,
    askedBytes: number,
    during: "load" | "growth",
    leftBytes: number | null = null,
  ): Result<never> {
    const freeBytes = this.free(pool);
    const atRun = during === "growth";
    const text =
      pool === "shm"
        ? regionFailure(
            `triton_python_backend_shm_region_${this.#uuid()}`,
            askedBytes,
            atRun ? sum([...held].filter((allocation) => allocation.pool === "shm")) : null,
          )
        : deviceFailure(profile, pool, askedBytes, this.#pool(pool).capacityBytes, leftBytes ?? freeBytes, {
            instance: owner.instance ?? "",
            atRun,
            limited: leftBytes !== null,
          });
    const failure = fail("INTERNAL", text);
    this.#options.listener({ type: "refused", owner, pool, askedBytes, freeBytes, error: failure.error });
    return failure;
  }

  #uuid(): string {
    const hex = Array.from({ length: 4 }, () =>
      this.#options.random.nextUint32().toString(16).padStart(8, "0"),
    ).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  /** Kills until the bytes fit, as the kernel does, or until who asked is dead; an error when it would be tritonserver. */
  #makeRoom(holding: Holding, askedBytes: number): Result<null> {
    const { holder, together } = holding;
    // Bytes of those that died for an instance beside it may be late for this one as well.
    const lateBytes = together.reduce((total, { killedBytes }) => total + killedBytes, 0);
    const early = this.free("host") - lateBytes;
    if (askedBytes <= this.free("host") && askedBytes > early) {
      // They come back bit by bit: it may be nearly done when the last ones are missing.
      const asked = { holding, askedBytes, freeBytes: Math.max(0, early), touchedBytes: askedBytes };
      const further = this.#killFurther(asked);
      if (!further.ok) return further;
    }
    while (holder.alive && askedBytes > this.free("host")) {
      // The newcomer holds what still fitted when the kernel had no more.
      const freeBytes = this.free("host");
      const asked = { holding, askedBytes, freeBytes, touchedBytes: Math.max(0, freeBytes) };
      const first = this.#kill(asked, "largest resident size");
      if (!first.ok) return first;
      const further = this.#killFurther(asked);
      if (!further.ok) return further;
    }
    return ok(null);
  }

  /** For as long as somebody goes on filling memory: who asked, or an instance beside it. */
  #killFurther(asked: Asked): Result<null> {
    const { holder, together } = asked.holding;
    while (
      (holder.alive || together.some((other) => other.holder.alive)) &&
      this.#chance.killsAnother(this.#candidates(asked).map(({ offer }) => offer))
    ) {
      const further = this.#kill(asked, "second kill: the first one's bytes were not back in time");
      if (!further.ok) return further;
    }
    return ok(null);
  }

  /** Highest score first; equals in the order in which they were started. */
  #candidates({ holding: { holder, together }, touchedBytes }: Asked) {
    const touched = holder.alive ? touchedBytes : 0;
    const { capacityBytes, reserveBytes } = this.#pool("host");
    // Those that fill at the same time have come equally far.
    const filling = new Set([holder, ...together.map((other) => other.holder)].filter(({ alive }) => alive));
    const filled = [...filling].reduce((sum, { hostBytes }) => sum + hostBytes, touched);
    return [...new Set([...this.#processes, holder])]
      .filter(({ alive, oomScoreAdj }) => alive && oomScoreAdj > -1000)
      .map((candidate) => {
        const ownBytes = filling.has(candidate) ? Math.floor(filled / filling.size) : candidate.hostBytes;
        const residentBytes = ownBytes + candidate.fileBytes;
        const score = residentBytes + (candidate.oomScoreAdj / 1000) * (capacityBytes - reserveBytes);
        return {
          candidate,
          offer: { process: candidate.name, residentBytes, score, asks: candidate === holder },
        };
      })
      .sort((one, other) => other.offer.score - one.offer.score);
  }

  #kill(asked: Asked, rule: Kill["rule"]): Result<null> {
    const { holding, askedBytes, freeBytes } = asked;
    const candidates = this.#candidates(asked);
    const offers = candidates.map(({ offer }) => offer);
    const tied = offers.filter(({ score }) => score === offers[0]?.score).length;
    const chosen = candidates[this.#chance.victim(offers, tied)];
    if (chosen === undefined) {
      return fail(
        "UNAVAILABLE",
        "the host is full and no process may be killed: the kernel would stand still here",
      );
    }
    const { candidate, offer } = chosen;
    this.#options.listener({
      type: "killed",
      process: candidate.name,
      victim: candidate.owner,
      residentBytes: offer.residentBytes,
      tied: tied - 1,
      rule,
      newcomer: holding.owner,
      askedBytes,
      freeBytes,
    });
    if (candidate === this.#server) {
      this.#killServer();
      return fail(
        "UNAVAILABLE",
        this.#server.alive ? wouldEnd(askedBytes, freeBytes) : "tritonserver was killed",
      );
    }
    holding.killedBytes += candidate.hostBytes;
    this.#endProcess(candidate, "killed");
    return ok(null);
  }

  #endProcess(holder: Process, reason: ReturnReason): void {
    holder.alive = false;
    for (const allocation of holder.allocations) this.#giveBack(allocation, reason, holder);
    this.#processes.delete(holder);
    if (reason === "killed") this.#toTell.push(...holder.whenKilled.splice(0));
  }

  #release(holding: Holding, after: "unload" | "failed load"): void {
    const { profile, holder, held } = holding;
    const freed = new Map<PoolName, number>();
    for (const allocation of held) {
      const { bytes, pool } = allocation;
      if (this.#giveBack(allocation, "released")) freed.set(pool, (freed.get(pool) ?? 0) + bytes);
    }
    held.clear();
    if (holder !== this.#server && holder.alive) this.#endProcess(holder, "process ended");
    if (profile !== null && freed.size > 0) this.#retain(holding, profile, freed, after);
    holding.reused.clear();
  }

  /** What an allocator keeps of what was given back, and what never comes back. */
  #retain(
    holding: Holding,
    { backend, retained }: BackendProfile,
    freed: ReadonlyMap<PoolName, number>,
    after: "unload" | "failed load",
  ): void {
    if (!this.#server.alive) return;
    for (const [pool, bytes] of freed) {
      const key = `${backend} ${pool}`;
      const known = this.#residue.get(key) ?? [];
      const again = holding.reused.get(pool) ?? 0;
      const residue = residueOf(retained, holding.owner, pool, bytes, sum(known), again);
      const kept = this.#take({
        ...this.#staying(holding.owner, pool, after),
        kind: "residue",
        bytes: residue,
      });
      if (kept !== null) this.#residue.set(key, [...known, kept]);
    }
    const leak = after === "unload" ? retained.leak_bytes_per_unload : retained.leak_bytes_per_failed_load;
    this.#leak(holding, leak.value, [...freed.keys()], after);
  }

  #staying(owner: AllocationOwner, pool: PoolName, cause: "unload" | "failed load") {
    return { owner, holder: this.#server, pool, cause, held: false } as const;
  }

  /** On the GPU where the instance held or wanted bytes of one, else on the host. Not more than there is room for. */
  #leak(
    { owner }: Holding,
    bytes: number,
    pools: readonly PoolName[],
    cause: "unload" | "failed load",
  ): void {
    if (owner.instance === undefined || !this.#server.alive) return;
    const pool = pools.find((name) => name.startsWith("gpu:")) ?? "host";
    const room = Math.max(0, Math.min(bytes, this.free(pool)));
    this.#take({ ...this.#staying(owner, pool, cause), kind: "leak", bytes: room });
  }

  /** Bytes of the claims in tritonserver that its residue can serve. */
  #reusable(profile: BackendProfile | null, claims: readonly Claim[], pool: PoolName): number {
    if (profile === null) return 0;
    const inServer = claims.filter(({ holder }) => holder === this.#server);
    const residue = sum(this.#residue.get(`${profile.backend} ${pool}`) ?? []);
    const usable = Math.floor(residue * profile.retained.residue_reused_fraction.value);
    return Math.min(sizeOf(inServer, pool), usable);
  }

  #reuse(profile: BackendProfile | null, pool: PoolName, bytes: number): void {
    if (profile === null) return;
    const known = this.#residue.get(`${profile.backend} ${pool}`) ?? [];
    let left = bytes;
    while (left > 0) {
      const oldest = known.shift();
      if (oldest === undefined) return;
      this.#giveBack(oldest, "reused");
      if (oldest.bytes > left) {
        const rest = this.#take({
          ...oldest,
          holder: this.#server,
          bytes: oldest.bytes - left,
          held: false,
        });
        if (rest !== null) known.unshift(rest);
      }
      left -= oldest.bytes;
    }
  }

  #take({ owner, holder, pool, kind, bytes, cause }: Claim): Allocation | null {
    if (bytes === 0) return null;
    const takenUs = this.#options.clock.now();
    const allocation: Allocation = { owner, process: holder.name, pool, kind, bytes, cause, takenUs };
    holder.allocations.add(allocation);
    if (pool === "host") holder.hostBytes += bytes;
    const state = this.#pool(pool);
    state.used += bytes;
    state.highWater = Math.max(state.highWater, state.used);
    this.#holders.set(allocation, holder);
    this.#options.listener({ type: "taken", allocation });
    return allocation;
  }

  /** @returns false when the bytes had gone before, with their process */
  #giveBack(allocation: Allocation, reason: ReturnReason, holder = this.#holders.get(allocation)): boolean {
    if (holder === undefined || !holder.allocations.delete(allocation)) return false;
    if (allocation.pool === "host") holder.hostBytes -= allocation.bytes;
    this.#pool(allocation.pool).used -= allocation.bytes;
    this.#options.listener({
      type: "returned",
      allocation,
      returnedUs: this.#options.clock.now(),
      reason,
    });
    return true;
  }
}

/** Equals die with the same chance; the time until a victim's bytes are back is evenly drawn for each. */
const seededChance = (random: Random, { server }: MemoryProfiles): KillChance => ({
  victim: (_candidates, tied) => (tied > 1 ? random.nextUint32() % tied : 0),
  killsAnother: () => {
    const reclaimUs = (random.nextUint32() / 2 ** 32) * server.longest_reclaim_us.value;
    return reclaimUs > server.second_kill_after_us.value;
  },
});

const sum = (allocations: readonly Allocation[]): number =>
  allocations.reduce((total, { bytes }) => total + bytes, 0);

/** What the instance may still take of a GPU before it is at its own limit. */
const leftOfLimit = ({ held, gpuLimitBytes }: Holding, pool: PoolName): number =>
  gpuLimitBytes === null || !pool.startsWith("gpu:")
    ? Number.POSITIVE_INFINITY
    : gpuLimitBytes - sum([...held].filter((allocation) => allocation.pool === pool));

const bytesByPool = (allocations: Iterable<Allocation>): BytesByPool => {
  const byPool = new Map<PoolName, number>();
  for (const { pool, bytes } of allocations) byPool.set(pool, (byPool.get(pool) ?? 0) + bytes);
  return byPool;
};

const stubOf = (holder: Process, regionBytes: number, firstRunBytes: number): StubProcess => ({
  regionBytes,
  firstRunBytes,
  get alive() {
    return holder.alive;
  },
  whenKilled: (run) => {
    if (holder.alive) holder.whenKilled.push(run);
    else run();
  },
});

/**
 * Of what an instance or version gave back in one pool.
 * @param known residue that is there already
 * @param again what it had taken over of earlier residue
 */
const residueOf = (
  retained: BackendProfile["retained"],
  { instance }: AllocationOwner,
  pool: PoolName,
  freed: number,
  known: number,
  again: number,
): number => {
  if (pool.startsWith("gpu:")) {
    const part = Math.floor(freed * retained.gpu_residue_fraction_per_unload.value);
    return Math.min(freed, Math.max(again, part));
  }
  if (pool !== "host") return 0;
  const fixed = instance === undefined ? 0 : retained.residue_bytes_per_unload.value;
  const wanted = Math.max(again, fixed + Math.floor(freed * retained.residue_fraction_per_unload.value));
  return Math.max(0, Math.min(wanted, freed, retained.residue_limit_bytes.value - known));
};

const wouldEnd = (asked: number, free: number): string =>
  "the host is full and tritonserver is its largest process, so the kernel would kill it here and the container would " +
  `end: ${formatByteSize(asked)} asked for, ${formatByteSize(free)} free. Unload models, or take a larger machine`;

/** @param size of the region before it was to grow; null where it was to be made */
const regionFailure = (key: string, asked: number, size: number | null): string => {
  const flag =
    "If you are running Triton inside docker, use '--shm-size' flag to control the shared memory region size.";
  const cause = "Error: No space left on device";
  return size === null
    ? `Unable to initialize shared memory key '${key}' to requested size (${asked} bytes). ${flag} Each Python ` +
        `backend model instance requires at least 1 MB of shared memory. ${cause}`
    : `Failed to increase the shared memory pool size for key '${key}' to ${size} bytes. ${flag} ${cause}`;
};

/** Words of the backend on a GPU that has no room; for files those of the C library, in the Python backend's sentence for /dev/shm. */
export const deviceFailure = (
  profile: BackendProfile | null,
  pool: PoolName,
  asked: number,
  total: number,
  free: number,
  {
    instance = "",
    atRun = false,
    limited = false,
  }: { readonly instance?: string; readonly atRun?: boolean; readonly limited?: boolean } = {},
): string => {
  if (pool === "disk") return "No space left on device";
  if (pool === "shm") return regionFailure("triton_python_backend_shm_region", asked, null);
  const words: Readonly<Record<string, string>> = {
    bytes: String(asked),
    gpu: pool.slice("gpu:".length),
    instance,
    size: formatByteSize(asked),
    total: formatByteSize(total),
    free: formatByteSize(free),
    left: String(free),
  };
  const [load, run] = limited
    ? [profile?.limit_failure, profile?.limit_failure_at_run]
    : [profile?.device_failure, profile?.device_failure_at_run];
  const atLoad = load?.value ?? "CUDA out of memory. Tried to allocate {size}.";
  const text = (atRun ? run?.value : undefined) ?? atLoad;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => words[name] ?? whole);
};
