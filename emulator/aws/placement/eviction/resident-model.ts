/**
 * What eviction decides on: plain data that the instance's agent keeps, so that a decision can be repeated from the
 * journal alone. Times are microseconds of the clock.
 */

/** Bytes by the pool they lie in; all GPUs of an instance count as one. */
export interface Bytes {
  readonly host: number;
  readonly gpu: number;
  readonly disk: number;
}

/**
 * A model that holds bytes and could be unloaded to free them. An archive in the disk cache is one as well: `disk` is then
 * all it holds, and it is busy while its model is loaded.
 */
export interface ResidentModel {
  readonly name: string;
  /** What unloading it is expected to free. */
  readonly bytes: Bytes;
  readonly lastUseUs: number;
  /** Since it was loaded; the invocation it was loaded for is the first. */
  readonly uses: number;
  /** Grows with every load of the instance; no two are equal. */
  readonly loadOrder: number;
  /** How long its load took: the price of evicting it wrongly. */
  readonly loadUs: number;
  /** `PolicyMemory.inflation` as it was at the last use. */
  readonly inflationAtLastUse: number;
  /** When it will be used next; null = never again. Known in offline runs only, and read by `belady` alone. */
  readonly nextUseUs: number | null;
  /** Never to be evicted. */
  readonly pinned: boolean;
  /** Has a request in flight, or is being loaded or unloaded. */
  readonly busy: boolean;
}

/** A reading of the instance's pools; it may be older than the residents are. */
export interface MemoryReading {
  readonly used: Bytes;
  readonly capacity: Bytes;
}

/** Which pools count: one, or host and GPU both, so that the fuller one decides. */
export type Measure = "host" | "gpu" | "larger" | "disk";

/** What a policy remembers from one decision to the next. */
export interface PolicyMemory {
  /** `landlord` and `greedy-dual-size-frequency`: the priority of the last victim, the floor of everything used since. */
  readonly inflation: number;
  /** `sieve`: the load order at which the hand stands. */
  readonly hand: number;
  /** `sieve`: load order -> uses at the time the hand passed and took the mark away. */
  readonly unmarked: ReadonlyMap<number, number>;
  /** `random`: with the number of draws so far, what the next draw follows from. */
  readonly seed: number;
  readonly draws: number;
}

export const newPolicyMemory = (seed: number): PolicyMemory => ({
  inflation: 0,
  hand: 0,
  unmarked: new Map(),
  seed,
  draws: 0,
});

const poolsOf: Readonly<Record<Measure, readonly (keyof Bytes)[]>> = {
  host: ["host"],
  gpu: ["gpu"],
  larger: ["host", "gpu"],
  disk: ["disk"],
};

export const measuredPools = (measure: Measure): readonly (keyof Bytes)[] => poolsOf[measure];

/** Share of the capacity in use, 0 to 1 and above where more is used than there is; of several pools the largest. */
export const utilisation = ({ used, capacity }: MemoryReading, measure: Measure): number =>
  Math.max(...measuredPools(measure).map((pool) => (capacity[pool] === 0 ? 0 : used[pool] / capacity[pool])));
