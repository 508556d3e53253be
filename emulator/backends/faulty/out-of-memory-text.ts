import { deviceFailure, type Ledger } from "../../core/memory/ledger.ts";
import type { PoolName } from "../../core/memory/memory-account.ts";
import type { MemoryProfiles } from "../../core/memory/profile.ts";

/** Where no GPU is emulated, the text speaks of a T4 without a free byte. */
const DEFAULT_TOTAL_BYTES = 15_360 * 2 ** 20;

/** At least so much more than is free is what was asked for. */
const LEAST_EXCESS_BYTES = 2 * 2 ** 20;

export interface EmulatedMemory {
  readonly profiles: MemoryProfiles;
  readonly ledger: Pick<Ledger, "pools" | "free">;
}

/** What a backend says when a GPU is full: its profile's words, with the sizes of the emulated machine. */
export const outOfMemoryText =
  (memory: EmulatedMemory | null) =>
  (backend: string, gpu: number, askedBytes: number): string => {
    const pool: PoolName = `gpu:${gpu}`;
    const known = memory?.ledger.pools().find((state) => state.pool === pool);
    const free = known === undefined ? 0 : (memory?.ledger.free(pool) ?? 0);
    const asked = Math.max(askedBytes, free + LEAST_EXCESS_BYTES);
    const profile = memory?.profiles.backends.get(backend) ?? null;
    return deviceFailure(profile, pool, asked, known?.capacityBytes ?? DEFAULT_TOTAL_BYTES, free);
  };
