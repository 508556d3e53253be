import type { FaultPlan } from "../../core/faults/fault-plan.ts";
import type { Ledger } from "../../core/memory/ledger.ts";
import type { Journal } from "../../journal/journal.ts";

/** What is controlled: the running emulator, as far as `/_emulator/` reaches. */
export interface ControlTarget {
  readonly journal: Journal;
  readonly faults: FaultPlan;
  /** Null = the clock is the machine's own and cannot be moved. */
  readonly clock: MovableClock | null;
  /** Microseconds of the clock, whichever it is. */
  nowUs(): number;
  isReady(): boolean;
  /** Models, and what the platform knows of them, as they were at the start. Calls back when it is so. */
  resetModels(done: () => void): void;
  /** Counters back to 0. */
  resetMetrics(): void;
  /** Calls back in this turn or later: what is measured may take a moment. */
  memory(done: (view: MemoryView) => void): void;
}

export interface MovableClock {
  /** Runs every timer due on the way. */
  advance(byUs: number): void;
}

export interface MemoryView {
  /** Empty = no machine is emulated. */
  readonly instances: readonly InstanceMemory[];
  readonly real: RealReadings;
}

export interface InstanceMemory {
  /** Null = the only one, without a platform in front. */
  readonly instance: string | null;
  readonly ledger: Pick<Ledger, "machine" | "pools" | "processes" | "allocations">;
}

/** Measured, of the process that emulates. It stands beside the ledger and is never part of it. */
export interface RealReadings {
  readonly rssBytes: number;
  /** Of real GPUs; empty where there are none. */
  readonly gpus: readonly { readonly gpu: number; readonly usedBytes: number; readonly totalBytes: number }[];
}
