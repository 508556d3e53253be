import { expect, test } from "vitest";
import { Random } from "../../../../emulator/common/random.ts";
import type {
  AllocationOwner,
  Growth,
  MemoryDemand,
  Reservation,
} from "../../../../emulator/core/memory/memory-account.ts";
import {
  backendDocument,
  profilesOf,
  serverDocument,
  smallMachine,
  startLedger,
} from "../../../support/ledger-fixture.ts";

/** `LEDGER_OPERATIONS=1000000 LEDGER_SEED=7 npx vitest run ledger-random` does more, or the same again. */
const operations = Number(process.env.LEDGER_OPERATIONS ?? 20_000);
const firstSeed = Number(process.env.LEDGER_SEED ?? Math.floor(Math.random() * 2 ** 32));

/** A new ledger every so often, for a leak fills every machine. */
const OPERATIONS_OF_A_LEDGER = 1_000;

const profiles = profilesOf(
  serverDocument({
    private_bytes: 5,
    kernel_bytes: 1,
    file_bytes: 30,
    pinned_pool_bytes: 20,
    cuda_context_bytes: 3,
    cuda_pool_bytes: 2,
    second_kill_after_us: 7,
    longest_reclaim_us: 10,
    freeze_band_bytes: 20,
  }),
  backendDocument("ort", {
    library: 12,
    cuda: { host_bytes: 9, gpu_bytes: 4 },
    retained: {
      residue_bytes_per_unload: 6,
      residue_limit_bytes: 40,
      residue_reused_fraction: 0.4,
      residue_fraction_per_unload: 0.1,
      gpu_residue_fraction_per_unload: 0.3,
      leak_bytes_per_unload: 1,
      leak_bytes_per_failed_load: 2,
    },
  }),
  backendDocument("python", {
    stub: { private_bytes: 15, kernel_bytes: 2, server_bytes: 1, shm_bytes: 3, file_bytes: 17 },
    library: 1,
    cuda: { host_bytes: 30, gpu_bytes: 5 },
    retained: { residue_bytes_per_unload: 2, residue_limit_bytes: 2, residue_reused_fraction: 1 },
  }),
);

const pools = ["host", "host", "host", "gpu:0", "gpu:1", "disk", "shm"] as const;
const kinds = ["weights", "staging", "arena", "workspace"] as const;
const staying = new Set(["server", "library", "cuda-context", "residue", "leak"]);

/** @returns what happened, as one text: the same seed gives the same */
const run = (seed: number, count: number): string => {
  const random = new Random(seed);
  const below = (limit: number): number => random.nextUint32() % limit;
  const { ledger, events } = startLedger({ machine: smallMachine, profiles, seed });
  const live: { readonly owner: AllocationOwner; readonly reservation: Reservation }[] = [];
  const runs: Growth[] = [];
  const happened: Record<string, number> = {};

  const check = (): void => {
    const allocations = ledger.allocations();
    const byPool = new Map<string, number>();
    for (const { bytes, pool } of allocations) {
      if (bytes <= 0) throw new Error(`an allocation of ${bytes} bytes`);
      byPool.set(pool, (byPool.get(pool) ?? 0) + bytes);
    }
    for (const { pool, usedBytes, highWaterBytes, capacityBytes, reserveBytes } of ledger.pools()) {
      const sum = byPool.get(pool) ?? 0;
      if (usedBytes < 0 || usedBytes !== sum) throw new Error(`${pool}: ${usedBytes} used, ${sum} allocated`);
      if (usedBytes > capacityBytes - reserveBytes) throw new Error(`${pool}: ${usedBytes} used, too many`);
      if (highWaterBytes < usedBytes)
        throw new Error(`${pool}: high water ${highWaterBytes} below ${usedBytes}`);
    }
    const ofProcesses = ledger.processes().reduce((sum, { bytes }) => sum + (bytes.get("host") ?? 0), 0);
    if (ofProcesses !== ledger.used("host")) throw new Error(`host: processes hold ${ofProcesses}`);
  };

  const count1 = (what: string): void => {
    happened[what] = (happened[what] ?? 0) + 1;
  };

  for (let index = 0; index < count; index++) {
    const demands: MemoryDemand[] = Array.from({ length: below(4) }, () => ({
      pool: pools[below(pools.length)]!,
      kind: kinds[below(kinds.length)]!,
      bytes: below(60),
    }));
    const chosen = live[below(Math.max(1, live.length))];
    const action = below(11);
    if (action < 4 || chosen === undefined) {
      const model = `m${below(30)}`;
      const owner = {
        backend: ["ort", "python", "unknown"][below(3)]!,
        model,
        version: 1,
        ...(below(5) === 0 ? {} : { instance: `${model}_0_${below(2)}` }),
      };
      const loaded = ledger.reserve(owner, demands);
      count1(loaded.ok ? "loaded" : "refused");
      if (loaded.ok) live.push({ owner, reservation: loaded.value });
    } else if (action < 6) {
      const grown = chosen.reservation.grow(demands);
      count1(grown.ok ? "grown" : "not grown");
      // Some growth is for one run only; it may be given back after its reservation.
      if (grown.ok && below(2) === 0) runs.push(grown.value);
      if (below(3) === 0) runs.splice(below(runs.length + 1), 1)[0]?.release();
    } else if (action === 10) {
      const { stub } = chosen.reservation;
      let told = 0;
      stub?.whenKilled(() => told++);
      if (below(4) === 0) {
        chosen.reservation.kill();
        count1("killed from outside");
        if (stub !== null && (stub.alive || told !== 1)) throw new Error(`told ${told} times of a kill`);
      }
    } else if (action < 7) {
      chosen.reservation.endStaging();
    } else {
      chosen.reservation.release(below(4) === 0 ? "failed load" : "unload");
      count1("unloaded");
      // Some are released twice.
      if (below(8) > 0) live.splice(live.indexOf(chosen), 1);
    }
    for (const { type } of events) count1(type);
    events.length = 0;
    check();
  }
  for (const { reservation } of live) reservation.release();
  check();
  const left = ledger.allocations().filter(({ kind }) => !staying.has(kind));
  if (left.length > 0) throw new Error(`left after the last unload: ${JSON.stringify(left)}`);
  for (const growth of runs) growth.release();
  check();
  if (ledger.processes().length !== 1) throw new Error("a stub is left after the last unload");
  ledger.end();
  check();
  if (ledger.allocations().length > 0) throw new Error("something is left in a container that ended");
  return JSON.stringify([happened, ledger.pools()]);
};

test(`ledger: ${operations} random operations from seed ${firstSeed} keep its invariants`, {
  timeout: 60_000 + operations,
}, () => {
  process.stdout.write(`ledger: ${operations} operations from LEDGER_SEED=${firstSeed}\n`);
  const totals: Record<string, number> = {};
  for (let done = 0; done < operations; done += OPERATIONS_OF_A_LEDGER) {
    const seed = firstSeed + done / OPERATIONS_OF_A_LEDGER;
    try {
      const [happened]: [Record<string, number>] = JSON.parse(
        run(seed, Math.min(OPERATIONS_OF_A_LEDGER, operations - done)),
      );
      for (const [what, times] of Object.entries(happened)) totals[what] = (totals[what] ?? 0) + times;
    } catch (error) {
      throw new Error(`LEDGER_SEED=${seed} LEDGER_OPERATIONS=${OPERATIONS_OF_A_LEDGER}`, { cause: error });
    }
  }
  // A run in which nothing dies or is refused shows nothing.
  for (const what of [
    "loaded",
    "refused",
    "grown",
    "unloaded",
    "killed",
    "killed from outside",
    "freeze-risk",
    "taken",
    "returned",
  ]) {
    expect(totals[what], what).toBeGreaterThan(0);
  }
});

test("ledger: the same seed does the same", () => {
  expect(run(42, 500)).toBe(run(42, 500));
  expect(run(42, 500)).not.toBe(run(43, 500));
});
