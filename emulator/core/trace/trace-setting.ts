import type { Clock } from "../../common/clock.ts";
import type { TraceSettings } from "../settings/trace-settings.ts";
import { Trace } from "./trace.ts";
import type { TraceFile } from "./trace-file.ts";

/** The fields that a protocol may set. */
export type TraceSettingField = "trace_level" | "trace_rate" | "trace_count" | "log_frequency";

/**
 * One trace setting while it is in force: chooses the requests and gathers their traces. A change of any field makes a
 * new one, whose counting starts afresh; what the old one has gathered is written as soon as its last trace has ended.
 */
export class TraceSetting {
  /** Fields said for this setting itself; all others are those of the setting it falls back on. */
  readonly specified: ReadonlySet<TraceSettingField>;
  readonly #values: TraceSettings;
  readonly #file: TraceFile;
  readonly #clock: Clock;
  #count: number;
  #requests = 0;
  #collected = 0;
  /** Traces sampled and not ended. */
  #open = 0;
  #unsaved: string[] = [];
  #replaced = false;

  constructor(
    values: TraceSettings,
    specified: ReadonlySet<TraceSettingField>,
    file: TraceFile,
    clock: Clock,
  ) {
    this.#values = values;
    this.#count = values.trace_count;
    this.specified = specified;
    this.#file = file;
    this.#clock = clock;
  }

  /** The values in force; the count is what is left of it. */
  get values(): TraceSettings {
    return { ...this.#values, trace_count: this.#count };
  }

  get enabled(): boolean {
    return this.#values.trace_level.some((level) => level !== "OFF");
  }

  /** Why nothing can be traced although a level is on: the real server's words, none for a count of 0; null = it can. */
  get problem(): string | null {
    const { trace_rate, trace_mode, trace_file } = this.#values;
    if (!this.enabled) return null;
    if (trace_rate === 0) return "sample rate must be non-zero";
    if (trace_mode === "triton" && trace_file === "") return "trace file name is not given";
    return this.#count === 0 ? "" : null;
  }

  /** Counts a request; answers a trace for every `trace_rate`-th as long as the count lasts. @param nextId gives the trace's id */
  sample(nextId: () => number): Trace | null {
    if (!this.enabled || this.problem !== null) return null;
    const { trace_rate, trace_level, trace_mode } = this.#values;
    if (++this.#requests % trace_rate !== 0) return null;
    if (this.#count > 0) this.#count--;
    const id = nextId();
    // Spans would be sent to a collector; here nobody sends any.
    if (trace_mode !== "triton") return null;
    this.#open++;
    const levels = {
      timestamps: trace_level.includes("TIMESTAMPS"),
      tensors: trace_level.includes("TENSORS"),
    };
    return new Trace(id, nextId, levels, this.#clock, (text) => this.#end(text));
  }

  #end(text: string | null): void {
    this.#open--;
    if (text !== null) this.#collect(text);
    if (this.#replaced && this.#open === 0) this.flush();
  }

  #collect(text: string): void {
    this.#unsaved.push(text);
    this.#collected++;
    const { log_frequency } = this.#values;
    // A count that is used up is only noticed where every request was traced (2.51.0).
    const usedUp = this.#count === 0 && this.#collected === this.#requests;
    if (usedUp || (log_frequency !== 0 && this.#unsaved.length >= log_frequency)) {
      this.#file.saveIndexed(this.#take());
    }
  }

  /** Nothing is sampled any more. */
  replace(): void {
    this.#replaced = true;
    if (this.#open === 0) this.flush();
  }

  /** Writes what is gathered. */
  flush(): void {
    if (this.#unsaved.length === 0) return;
    if (this.#values.log_frequency !== 0) this.#file.saveIndexed(this.#take());
    else this.#file.save(this.#take());
  }

  #take(): string {
    const text = this.#unsaved.join(",");
    this.#unsaved = [];
    return text;
  }
}
