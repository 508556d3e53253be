import type { Clock } from "../../common/clock.ts";
import { ok, type Result, TritonError } from "../../common/status.ts";
import type { TraceLevel, TraceSettings, TraceSettingsUpdate } from "../settings/trace-settings.ts";
import type { Trace, Tracer } from "./trace.ts";
import { TraceFile, type TraceSink } from "./trace-file.ts";
import { TraceSetting, type TraceSettingField } from "./trace-setting.ts";

const none: ReadonlySet<TraceSettingField> = new Set();
const noUpdate: TraceSettingsUpdate = {};

/** The global trace setting, those of models, and the traces they ask for (spec/triton-core.md 4.7, seen on 2.51.0). */
export class TraceManager implements Tracer {
  readonly #initial: TraceSettings;
  readonly #clock: Clock;
  readonly #file: TraceFile;
  #global: TraceSetting;
  /** Only models that say something of their own. */
  readonly #models = new Map<string, TraceSetting>();
  /** Whether any setting could trace a request. */
  #tracing: boolean;
  #lastId = 0;
  readonly #nextId = (): number => ++this.#lastId;

  /** @param initial the settings at start, to which a cleared field of the global setting goes back */
  constructor(initial: TraceSettings, sink: TraceSink, clock: Clock) {
    this.#initial = initial;
    this.#clock = clock;
    this.#file = new TraceFile(initial.trace_file, sink);
    this.#global = new TraceSetting(initial, none, this.#file, clock);
    this.#tracing = this.#global.enabled;
  }

  now(): number {
    return this.#tracing ? this.#clock.now() : 0;
  }

  sample(model: string): Trace | null {
    if (!this.#tracing) return null;
    return (this.#models.get(model) ?? this.#global).sample(this.#nextId);
  }

  /** @param model null = global */
  read(model: string | null): TraceSettings {
    const own = model === null ? undefined : this.#models.get(model);
    return (own ?? this.#global).values;
  }

  /**
   * Changes a setting. After a global change the settings of models are made anew, with the global values for what they
   * do not say themselves; one of them that is then impossible is the error, although the global change stays.
   */
  update(model: string | null, update: TraceSettingsUpdate): Result<TraceSettings> {
    let error = model === null ? this.#updateGlobal(update) : this.#updateModel(model, update);
    if (error === null && model === null) {
      for (const name of [...this.#models.keys()].sort()) error ??= this.#updateModel(name, noUpdate);
    }
    this.#tracing = [this.#global, ...this.#models.values()].some(({ enabled }) => enabled);
    return error === null ? ok(this.read(model)) : { ok: false, error };
  }

  #updateGlobal(update: TraceSettingsUpdate): TritonError | null {
    const next = this.#merge(this.#global, this.#initial, update);
    if (next.problem !== null) return impossible(next.problem);
    this.#global.replace();
    this.#global = next;
    return null;
  }

  #updateModel(model: string, update: TraceSettingsUpdate): TritonError | null {
    const current = this.#models.get(model);
    const next = this.#merge(current ?? null, this.#global.values, update);
    if (next.specified.size === 0) this.#models.delete(model);
    else if (next.problem !== null) return impossible(next.problem);
    else this.#models.set(model, next);
    current?.replace();
    return null;
  }

  /** @param current null = nothing was said before */
  #merge(current: TraceSetting | null, fallback: TraceSettings, update: TraceSettingsUpdate): TraceSetting {
    const specified = new Set<TraceSettingField>();
    const before = current?.values ?? fallback;
    const choose = <T>(field: TraceSettingField, said: T | null | undefined, kept: T, otherwise: T): T => {
      if (said === null || (said === undefined && current?.specified.has(field) !== true)) return otherwise;
      specified.add(field);
      return said ?? kept;
    };
    const level = choose("trace_level", update.trace_level, before.trace_level, fallback.trace_level);
    const rate = choose("trace_rate", update.trace_rate, before.trace_rate, fallback.trace_rate);
    const count = choose("trace_count", update.trace_count, before.trace_count, fallback.trace_count);
    const frequency = choose(
      "log_frequency",
      update.log_frequency,
      before.log_frequency,
      fallback.log_frequency,
    );
    const values: TraceSettings = {
      ...fallback,
      trace_level: inOrder(level),
      trace_rate: rate,
      trace_count: count,
      log_frequency: frequency,
    };
    return new TraceSetting(values, specified, this.#file, this.#clock);
  }

  /** Writes everything that is not written yet and completes the file. No trace may be started afterwards. */
  close(): void {
    this.#tracing = false;
    for (const setting of this.#models.values()) setting.flush();
    this.#global.flush();
    this.#file.close();
  }
}

const impossible = (problem: string): TritonError =>
  new TritonError("INVALID_ARG", `Attempting to set invalid trace setting :${problem}`);

const inOrder = (levels: readonly TraceLevel[]): readonly TraceLevel[] => {
  const on = (["TIMESTAMPS", "TENSORS"] as const).filter((level) => levels.includes(level));
  return on.length > 0 ? on : ["OFF"];
};
