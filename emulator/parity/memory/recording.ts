import type { Fleet } from "./fleet.ts";

/** What a caller read. Status null: nothing came within the patience of the step. */
export interface Seen {
  readonly status: number | null;
  readonly body: string;
  readonly seconds: number;
}

export interface StepSeen extends Seen {
  /** Processes that the kernel killed meanwhile, in its order: `<instance>` or `tritonserver`. */
  readonly killed: readonly string[];
  /** What the container held afterwards, pages of files left out; null after a call that moves no memory. */
  readonly heldMib: number | null;
  /** Which of a model's instances had the request; absent where it has one, or where nothing came. */
  readonly served?: string;
  /** Answer to the ping in the midst of the call. */
  readonly ping?: Seen;
}

/** A fleet on a real server. */
export interface FleetRecording {
  readonly release: string;
  readonly image: string;
  readonly engine: string;
  /** Where the names of the dead come from. */
  readonly killsFrom: "kernel log" | "process list";
  readonly fleet: Fleet;
  /** By step; shorter than its steps where the server stood still: neither the call nor a health request was answered. */
  readonly seen: readonly StepSeen[];
  readonly stalled: boolean;
  /** The highest that it was meanwhile, and the processors that it is to be seen against. */
  readonly loadAverage: number;
  readonly processors: number;
}
