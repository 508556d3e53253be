import { fail, ok, type Result } from "../../common/status.ts";

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

/** What a model says differently from the global setting; an absent field follows it. */
type Override = Partial<Pick<TraceSettings, "trace_level" | "trace_rate" | "trace_count" | "log_frequency">>;

/** The global trace setting and those of models (spec/triton-wire.md 1.12, seen on 2.51.0). */
export class TraceSettingsStore {
  readonly #initial: TraceSettings;
  #global: TraceSettings;
  readonly #models = new Map<string, Override>();

  constructor(initial: TraceSettings) {
    this.#initial = initial;
    this.#global = initial;
  }

  /** @param model null = global */
  read(model: string | null): TraceSettings {
    return model === null ? this.#global : { ...this.#global, ...this.#models.get(model) };
  }

  update(model: string | null, update: TraceSettingsUpdate): Result<TraceSettings> {
    const base = model === null ? this.#initial : this.#global;
    const changed: { -readonly [K in keyof Override]: Override[K] } = {
      ...(model === null ? {} : this.#models.get(model)),
    };
    const next: { -readonly [K in keyof TraceSettings]: TraceSettings[K] } = { ...this.read(model) };
    const apply = <K extends keyof Override & keyof TraceSettingsUpdate>(key: K): void => {
      const value = update[key];
      if (value === undefined) return;
      if (value === null) {
        delete changed[key];
        next[key] = base[key];
      } else {
        changed[key] = value as TraceSettings[K];
        next[key] = value as TraceSettings[K];
      }
    };
    apply("trace_level");
    apply("trace_rate");
    apply("trace_count");
    apply("log_frequency");
    const enabled = next.trace_level.some((level) => level !== "OFF");
    if (enabled && next.trace_file === "") {
      return fail("INVALID_ARG", "Attempting to set invalid trace setting :trace file name is not given");
    }
    if (enabled && next.trace_rate === 0) {
      return fail("INVALID_ARG", "Attempting to set invalid trace setting :sample rate must be non-zero");
    }
    if (model === null) this.#global = next;
    else this.#models.set(model, changed);
    return ok(next);
  }
}
