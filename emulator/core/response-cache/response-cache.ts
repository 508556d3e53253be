import type { Clock } from "../../common/clock.ts";
import { TritonError } from "../../common/status.ts";
import type { MemoryAccount, Reservation } from "../memory/memory-account.ts";
import type { OutputTensor } from "../tensor/inference-request.ts";
import { BestFitBuffer, type Block } from "./best-fit-buffer.ts";

/** What the gauges `nv_cache_*` show. Durations are microseconds. */
export interface ResponseCacheStatistics {
  /** 0 to 1. */
  readonly utilization: number;
  readonly entries: number;
  readonly hits: number;
  readonly misses: number;
  readonly lookups: number;
  readonly evictions: number;
  readonly lookupUs: number;
  readonly insertionUs: number;
}

interface Entry {
  readonly outputs: readonly OutputTensor[];
  readonly block: Block;
}

/** Memory is taken in steps of this size: the journal would else have a line for nearly every answer. */
const STEP_BYTES = 65_536;

/**
 * The `local` cache: whole answers by key, the least recently used one goes first (spec/triton-core.md 4.5; sizes and texts seen
 * on 2.51.0). It outlives its models: nothing takes an answer out but others that need the room.
 *
 * Its buffer takes host memory as far as it was ever filled, each answer some more beside it, and each leaves a little for ever
 * (docs/memory.md).
 */
export class ResponseCache {
  readonly #byteSize: number;
  readonly #account: MemoryAccount;
  readonly #clock: Clock;
  readonly #reservation: Reservation | null;
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #buffer: BestFitBuffer;
  #inserted = 0;
  #heldBytes = 0;
  #leakedBytes = 0;
  #hits = 0;
  #misses = 0;
  #evictions = 0;
  #lookupUs = 0;
  #insertionUs = 0;

  /** @param byteSize of the buffer that holds the answers */
  constructor(byteSize: number, account: MemoryAccount, clock: Clock) {
    this.#byteSize = byteSize;
    this.#buffer = new BestFitBuffer(byteSize);
    this.#account = account;
    this.#clock = clock;
    const reserved = account.reserve({}, []);
    this.#reservation = reserved.ok ? reserved.value : null;
  }

  /** Outputs of the answer that was kept under a key; null = none. */
  lookup(key: string): readonly OutputTensor[] | null {
    const start = this.#clock.now();
    const entry = this.#entries.get(key);
    if (entry === undefined) this.#misses++;
    else {
      this.#hits++;
      this.#entries.delete(key);
      this.#entries.set(key, entry);
    }
    this.#lookupUs += this.#clock.now() - start;
    return entry?.outputs ?? null;
  }

  /** Keeps a copy. Errors: ALREADY_EXISTS; INTERNAL where it does not fit, even if everything else goes (which then it does). */
  insert(key: string, outputs: readonly OutputTensor[]): TritonError | null {
    const start = this.#clock.now();
    const error = this.#insert(key, outputs);
    this.#insertionUs += this.#clock.now() - start;
    return error;
  }

  #insert(key: string, outputs: readonly OutputTensor[]): TritonError | null {
    if (this.#entries.has(key)) return new TritonError("ALREADY_EXISTS", `key '${key}' already exists`);
    const asked = packedBytes(outputs);
    if (asked > this.#byteSize) {
      return new TritonError(
        "INTERNAL",
        `Requested byte_size: ${asked} is greater than total cache size: ${this.#byteSize}`,
      );
    }
    let block = this.#buffer.allocate(asked);
    while (block === null) {
      if (!this.#evictOldest()) return new TritonError("INTERNAL", "Cache is empty, nothing to evict.");
      block = this.#buffer.allocate(asked);
    }
    this.#entries.set(key, { outputs: outputs.map(copyOf), block });
    this.#inserted++;
    this.#takeMemory();
    return null;
  }

  /** Forgets every answer. Memory that was taken stays taken. */
  clear(): void {
    this.#entries.clear();
    this.#buffer.clear();
  }

  read(): ResponseCacheStatistics {
    return {
      utilization: this.#buffer.usedBytes / this.#byteSize,
      entries: this.#entries.size,
      hits: this.#hits,
      misses: this.#misses,
      lookups: this.#hits + this.#misses,
      evictions: this.#evictions,
      lookupUs: this.#lookupUs,
      insertionUs: this.#insertionUs,
    };
  }

  #evictOldest(): boolean {
    for (const [key, { block }] of this.#entries) {
      this.#entries.delete(key);
      this.#buffer.release(block);
      this.#evictions++;
      return true;
    }
    return false;
  }

  /** What was touched once stays, and so does what leaks. */
  #takeMemory(): void {
    const { entryBytes, leakBytes } = this.#account.responseCacheCosts;
    const held = wholeSteps(this.#buffer.usedBytes + this.#entries.size * entryBytes);
    const leaked = wholeSteps(this.#inserted * leakBytes);
    if (held > this.#heldBytes) {
      this.#reservation?.grow([{ pool: "host", kind: "cache", bytes: held - this.#heldBytes }]);
      this.#heldBytes = held;
    }
    if (leaked > this.#leakedBytes) {
      this.#reservation?.grow([{ pool: "host", kind: "leak", bytes: leaked - this.#leakedBytes }]);
      this.#leakedBytes = leaked;
    }
  }
}

const wholeSteps = (bytes: number): number => Math.floor(bytes / STEP_BYTES) * STEP_BYTES;

const copyOf = (output: OutputTensor): OutputTensor => ({ ...output, data: output.data.slice() });

/** Bytes of an answer as the real cache lays it out: a count, and each output with the lengths of its parts. */
const packedBytes = (outputs: readonly OutputTensor[]): number =>
  outputs.reduce(
    (sum, { name, datatype, shape, data }) =>
      sum +
      8 +
      (4 + Buffer.byteLength(name)) +
      (4 + datatype.length) +
      (4 + 8 * shape.length) +
      (8 + data.length),
    4,
  );
