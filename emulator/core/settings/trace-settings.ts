export type TraceLevel = "OFF" | "TIMESTAMPS" | "TENSORS";

/** `trace/setting` as it is in force, in the order of the wire. */
export interface TraceSettings {
  readonly trace_level: readonly TraceLevel[];
  /** Every n-th request; 0 to 4294967295. */
  readonly trace_rate: number;
  /** Traces left; -1 = no limit. */
  readonly trace_count: number;
  readonly log_frequency: number;
  readonly trace_file: string;
  readonly trace_mode: string;
}

/** Values already parsed by the front end; null = back to the global (or start-up) value, absent = as it is. */
export interface TraceSettingsUpdate {
  readonly trace_level?: readonly TraceLevel[] | null;
  readonly trace_rate?: number | null;
  readonly trace_count?: number | null;
  readonly log_frequency?: number | null;
}
