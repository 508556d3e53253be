import { deviceFailure, type Ledger } from "../../core/memory/ledger.ts";
import type { PoolName } from "../../core/memory/memory-account.ts";
import type { MemoryProfiles } from "../../core/memory/profile.ts";

export interface FailedAllocation {
  /** Name of the memory profile whose words they are. */
  readonly profile: string;
  readonly instance: string;
  readonly gpu: number;
  /** 0 = not known. */
  readonly askedBytes: number;
  /** At a run, not at a load. */
  readonly atRun: boolean;
}

/** What a backend says when a GPU is full. */
export type OutOfMemoryText = (failed: FailedAllocation) => string;

/** Where no GPU is emulated, the text speaks of a T4 without a free byte. */
const DEFAULT_TOTAL_BYTES = 15_360 * 2 ** 20;

/** At least so much more than is free was asked for. */
const LEAST_EXCESS_BYTES = 2 * 2 ** 20;

/** The words of the profile, with the sizes of the emulated machine. @param ledger null = no machine is emulated */
export const outOfMemoryText =
  (profiles: MemoryProfiles | null, ledger: Pick<Ledger, "pools" | "free"> | null): OutOfMemoryText =>
  ({ profile, instance, gpu, askedBytes, atRun }) => {
    const pool: PoolName = `gpu:${gpu}`;
    const known = ledger?.pools().find((state) => state.pool === pool);
    const free = known === undefined ? 0 : (ledger?.free(pool) ?? 0);
    const asked = Math.max(askedBytes, free + LEAST_EXCESS_BYTES);
    const total = known?.capacityBytes ?? DEFAULT_TOTAL_BYTES;
    const words = profiles?.backends.get(profile) ?? null;
    return deviceFailure(words, pool, asked, total, free, { instance, atRun });
  };
