import type { AllocationKind, PoolName } from "../core/memory/memory-account.ts";

/** Where an event happened and what it was about; absent = of nothing in particular. */
export interface EventSubject {
  /** By its name; where an instance is named, that says it already. */
  readonly endpoint?: string;
  /** Of several instances behind one endpoint. */
  readonly instance?: string;
  /** The name its users know it by: the TargetModel, or Triton's name where no platform is in front. */
  readonly model?: string;
  /** The request that caused it. */
  readonly request?: string;
}

/** Used and total bytes of a pool at that moment. */
export interface PoolReading {
  readonly pool: PoolName;
  readonly used: number;
  readonly capacity: number;
}

/** A pool, and what of it is not for models. */
export interface PoolSize {
  readonly pool: PoolName;
  readonly capacity: number;
  readonly reserve: number;
}

export interface VictimRecord {
  readonly model: string;
  /** What its unload is expected to free. */
  readonly hostBytes: number;
  readonly gpuBytes: number;
  readonly idleUs: number;
  readonly uses: number;
}

/** What a repository agent is told, in the words of TRITONREPOAGENT_ActionType. */
export type AgentAction = "LOAD" | "LOAD_COMPLETE" | "LOAD_FAIL" | "UNLOAD" | "UNLOAD_COMPLETE";

/** What happened, in the words of docs/journal.md. */
export type EventBody =
  /** First line: with it and the code the run can be repeated. */
  | {
      readonly event: "run";
      readonly seed: number;
      readonly machine: string | null;
      readonly profile: string;
      readonly policy: string | null;
      readonly scenario: string | null;
      readonly epochMs: number;
    }
  | { readonly event: "invocation"; readonly cacheHit: boolean }
  | {
      readonly event: "answer";
      readonly status: number;
      /** Who made the answer. */
      readonly from: "container" | "platform";
      readonly durationUs: number;
      /** What the caller reads, where it is an error. */
      readonly text?: string;
    }
  | { readonly event: "download"; readonly bytes: number }
  | { readonly event: "unpacked"; readonly bytes: number; readonly durationUs: number }
  | { readonly event: "artifact-refused"; readonly text: string }
  | { readonly event: "archive-deleted"; readonly bytes: number; readonly rule: string }
  | { readonly event: "load" }
  | {
      readonly event: "load-answer";
      readonly status: number | null;
      readonly durationUs: number;
      readonly text?: string;
    }
  /** The platform's decision to make room. */
  | {
      readonly event: "eviction";
      /** The trigger's name, and why it fired. */
      readonly trigger: string;
      readonly because: string;
      /** Policy and count that chose. */
      readonly rule: string;
      /** As the platform saw it, which may be old. */
      readonly reading: readonly PoolReading[];
      readonly readingAgeUs: number;
      /** Estimate of the newcomer. */
      readonly needHostBytes: number;
      readonly needGpuBytes: number;
      readonly victims: readonly VictimRecord[];
      /** False: all that may go goes, and it is still too little. */
      readonly enough: boolean;
      /** Share of the capacity of the pools `measured` that counts as full; absent where no mark decided. */
      readonly highWater?: number;
      readonly measured?: readonly PoolName[];
    }
  | { readonly event: "unload"; readonly because: string }
  | { readonly event: "unload-answer"; readonly status: number | null; readonly durationUs: number }
  | { readonly event: "placed"; readonly because: string }
  | {
      readonly event: "model-state";
      readonly version: number;
      readonly state: string;
      readonly reason: string;
    }
  /** Of a repository agent that the model's configuration names. */
  | { readonly event: "agent-action"; readonly agent: string; readonly action: AgentAction }
  | {
      readonly event: "bytes";
      readonly process: string;
      readonly pool: PoolName;
      readonly kind: AllocationKind;
      /** Below 0 = given back. */
      readonly change: number;
      /** Used bytes of the pool. */
      readonly before: number;
      readonly after: number;
      readonly cause: string;
    }
  | {
      readonly event: "refused";
      readonly pool: PoolName;
      readonly asked: number;
      readonly free: number;
      readonly text: string;
    }
  | {
      readonly event: "killed";
      readonly process: string;
      readonly residentBytes: number;
      readonly rule: string;
      readonly tied: number;
      readonly newcomer: string;
      readonly asked: number;
      readonly free: number;
    }
  | { readonly event: "freeze-risk"; readonly free: number }
  | { readonly event: "fault"; readonly fault: string; readonly operation: string }
  /** `asked`: the ping was good, and the status is that of the list that follows it. */
  | { readonly event: "ping"; readonly status: number | null; readonly asked?: "list" }
  | { readonly event: "container-died"; readonly because: string }
  /** `pools`: of its machine; absent where none is emulated. */
  | { readonly event: "container-started"; readonly pools?: readonly PoolSize[] }
  /** Of an endpoint of the control plane. */
  | {
      readonly event: "endpoint-status";
      readonly region: string;
      /** `EndpointStatus`; null = it is gone. */
      readonly status: string | null;
      /** Name of the configuration that it has, or is to have. */
      readonly config: string;
      /** `FailureReason`. */
      readonly text?: string;
    }
  | { readonly event: "reset"; readonly scope: string }
  /** Of a scenario's traffic: what no other event tells, and what was answered. */
  | {
      readonly event: "step";
      readonly did: string;
      /** Absent = nothing is answered; null = nobody was there to answer. */
      readonly status?: number | null;
      readonly text?: string;
      /** Of the answer. */
      readonly durationUs?: number;
    }
  | { readonly event: "clock"; readonly byUs: number }
  /** Only in what is read from a journal: so many older lines were dropped to keep it within its limit. */
  | { readonly event: "dropped"; readonly count: number };

/** One line of the journal. */
export type JournalEvent = EventSubject &
  EventBody & {
    /** Microseconds of the clock. */
    readonly atUs: number;
  };

export type EventName = EventBody["event"];

/** Writes to the journal, which adds the time. Costs one call when nobody listens. */
export interface JournalWriter {
  /** Whether anybody listens: an event that is dear to make need not be made. */
  readonly enabled: boolean;
  write(event: EventSubject & EventBody): void;
}

export const noJournal: JournalWriter = { enabled: false, write: () => {} };
