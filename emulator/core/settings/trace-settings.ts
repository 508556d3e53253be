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
  /** `--trace-config=opentelemetry,<name>=<value>`; only shown, and only in that mode. */
  readonly mode_options?: readonly (readonly [name: string, value: string])[];
}

/** Values already parsed by the front end; null = back to the global (or start-up) value, absent = as it is. */
export interface TraceSettingsUpdate {
  readonly trace_level?: readonly TraceLevel[] | null;
  readonly trace_rate?: number | null;
  readonly trace_count?: number | null;
  readonly log_frequency?: number | null;
}

/**
 * What a client is shown, in the order of the wire: the mode `opentelemetry` has neither file nor log frequency, and its
 * own options after all others.
 */
export const shownSettings = (
  settings: TraceSettings,
): readonly (readonly [name: string, value: string | readonly string[]])[] => [
  ["trace_level", settings.trace_level],
  ["trace_rate", String(settings.trace_rate)],
  ["trace_count", String(settings.trace_count)],
  ...(settings.trace_mode === "triton"
    ? [
        ["log_frequency", String(settings.log_frequency)] as const,
        ["trace_file", settings.trace_file] as const,
      ]
    : []),
  ["trace_mode", settings.trace_mode],
  ...(settings.mode_options ?? []),
];
