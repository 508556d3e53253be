import { fail, ok, type Result } from "../../common/status.ts";

/** `/v2/logging`, in the order of the wire. */
export interface LogSettings {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: "default" | "ISO8601";
}

/** Fields that a call sets; the text of `log_format` is checked by the core: INVALID_ARG `invalid argument for log_format, got: <v>`. */
export interface LogSettingsUpdate {
  readonly log_info?: boolean;
  readonly log_warning?: boolean;
  readonly log_error?: boolean;
  /** Of whole numbers 32 bits count, with a sign, and what is below 0 is 0 (2.51.0). */
  readonly log_verbose_level?: number | bigint;
  readonly log_format?: string;
}

/** The log settings in force; whoever filters the log reads `current`. */
export class LogSettingsStore {
  #current: LogSettings;
  readonly #onChange: (settings: LogSettings) => void;

  constructor(initial: LogSettings, onChange: (settings: LogSettings) => void) {
    this.#current = initial;
    this.#onChange = onChange;
  }

  get current(): LogSettings {
    return this.#current;
  }

  /** Fields before a wrong format stay applied, as in the real server. */
  update(update: LogSettingsUpdate): Result<LogSettings> {
    const { log_format, log_verbose_level: level, ...rest } = update;
    this.#current = { ...this.#current, ...rest };
    if (level !== undefined)
      this.#current = {
        ...this.#current,
        log_verbose_level: Math.max(0, Number(BigInt.asIntN(32, BigInt(level)))),
      };
    let error: Result<LogSettings> | null = null;
    if (log_format === "default" || log_format === "ISO8601")
      this.#current = { ...this.#current, log_format };
    else if (log_format !== undefined) {
      error = fail("INVALID_ARG", `invalid argument for log_format, got: ${log_format}`);
    }
    this.#onChange(this.#current);
    return error ?? ok(this.#current);
  }
}
