import { fail, type Result } from "../../emulator/common/status.ts";
import {
  type AllocationOwner,
  type MemoryAccount,
  type MemoryDemand,
  type Reservation,
  UnlimitedMemoryAccount,
} from "../../emulator/core/memory/memory-account.ts";

/** Grants `limit` bytes of the host in all. */
export class LimitedAccount implements MemoryAccount {
  readonly profileNames = null;
  readonly responseCacheCosts = { entryBytes: 0, leakBytes: 0 };
  limit: number;
  refusals = 0;
  readonly #inner = new UnlimitedMemoryAccount();

  constructor(limit: number) {
    this.limit = limit;
  }

  reserve(owner: AllocationOwner, demands: readonly MemoryDemand[]): Result<Reservation> {
    const bytes = demands.reduce((sum, demand) => sum + demand.bytes, 0);
    if (this.used("host") + bytes > this.limit) {
      this.refusals++;
      return fail("UNAVAILABLE", `no room for ${owner.instance ?? owner.model}`);
    }
    return this.#inner.reserve(owner, demands);
  }

  hasStubs(): boolean {
    return false;
  }

  capacity(): null {
    return null;
  }

  used(pool: "host"): number {
    return this.#inner.used(pool);
  }
}
