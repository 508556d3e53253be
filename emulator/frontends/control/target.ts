import type { Clock } from "../../common/clock.ts";
import type { FaultPlan } from "../../core/faults/fault-plan.ts";
import type { Ledger } from "../../core/memory/ledger.ts";
import type { Journal } from "../../journal/journal.ts";

/** What is controlled: the running emulator, as far as `/_emulator/` reaches. */
export interface ControlTarget {
  readonly journal: Journal;
  readonly faults: FaultPlan;
  readonly clock: MovableClock;
  isReady(): boolean;
  /** Models, and what the platform knows of them, as they were at the start. Calls back when it is so. */
  resetModels(done: () => void): void;
  /** Counters back to 0. */
  resetMetrics(): void;
  /** Calls back in this turn or later: what is measured may take a moment. */
  memory(done: (view: MemoryView) => void): void;
}

export interface MovableClock extends Pick<Clock, "now" | "epochMs"> {
  /** Runs every timer due on the way; a promise resolves when the time has come, and what that set off has settled. */
  advance(byUs: number): void | Promise<void>;
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
