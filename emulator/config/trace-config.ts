import type { TraceLevel, TraceSettings } from "../core/settings/trace-settings.ts";
import { type NamedSetting, parseInteger } from "./option.ts";
import { type Options, traceLevel } from "./schema.ts";

/** A value of `--trace-config` that cannot be used; `label` is how the real server names the option. */
export class TraceConfigError extends Error {
  readonly label: string;

  constructor(label: string, detail: string) {
    super(detail);
    this.name = "TraceConfigError";
    this.label = label;
  }
}

const integerOf = (label: string, value: string): number =>
  parseInteger(value, (detail) => {
    throw new TraceConfigError(label, detail);
  });

const levelOf = (value: string): TraceLevel => {
  const level = traceLevel.safeParse(value);
  if (level.success) return level.data;
  throw new TraceConfigError("--trace-config level", level.error.issues[0]?.message ?? "");
};

/** TIMESTAMPS and TENSORS add up over repeated options; OFF takes nothing away. */
const combine = (levels: readonly TraceLevel[]): readonly TraceLevel[] => {
  const on = (["TIMESTAMPS", "TENSORS"] as const).filter((level) => levels.includes(level));
  return on.length > 0 ? on : ["OFF"];
};

/** Settings of the real server's span processor; they are shown whether they were given or not. */
const spanProcessor: readonly (readonly [name: string, value: string])[] = [
  ["bsp_max_export_batch_size", "512"],
  ["bsp_schedule_delay", "5000"],
  ["bsp_max_queue_size", "2048"],
];

const withSpanProcessor = (
  given: readonly (readonly [name: string, value: string])[],
): readonly (readonly [name: string, value: string])[] => [
  ...given,
  ...spanProcessor.filter(([name]) => !given.some(([known]) => known === name)),
];

/**
 * Start-up trace settings from `--trace-config` and the deprecated `--trace-*`; the later of equal settings counts, and
 * `--trace-config` goes before a deprecated option, with a warning through `warn`. Throws TraceConfigError.
 */
export const resolveTraceSettings = (options: Options, warn: (line: string) => void): TraceSettings => {
  let mode = "triton";
  let rate = options.traceRate ?? 1000;
  let count = options.traceCount ?? -1;
  let file = options.traceFile ?? "";
  let frequency = options.traceLogFrequency ?? 0;
  const levels: TraceLevel[] = [...options.traceLevel];

  const modeOptions: [name: string, value: string][] = [];

  const overrides = (set: boolean, flag: string, what: string): void => {
    if (!set) return;
    warn(`Warning: Overriding deprecated '--${flag}' in favor of provided ${what} in --trace-config!`);
  };
  const setGlobal = ({ setting, value }: NamedSetting): void => {
    if (setting === "level") {
      overrides(options.traceLevel.length > 0, "trace-level", "level");
      levels.push(levelOf(value));
    } else if (setting === "rate") {
      overrides(options.traceRate !== undefined, "trace-rate", "rate value");
      // The real server keeps an unsigned 32-bit number: -1 is 4294967295.
      rate = integerOf("--trace-config rate", value) >>> 0;
    } else if (setting === "count") {
      overrides(options.traceCount !== undefined, "trace-count", "count value");
      count = integerOf("--trace-config count", value);
    } else if (setting === "mode") {
      mode = value.toLowerCase();
      if (mode === "triton" || mode === "opentelemetry") return;
      throw new TraceConfigError(
        "--trace-config mode",
        `invalid value for trace mode option: ${mode}. Available options are "triton" and "opentelemetry"`,
      );
    }
  };
  const setTriton = ({ setting, value }: NamedSetting): void => {
    if (setting === "file") {
      overrides(options.traceFile !== undefined, "trace-file", "file");
      file = value;
    } else if (setting === "log-frequency") {
      overrides(options.traceLogFrequency !== undefined, "trace-log-frequency", "log frequency value");
      frequency = integerOf("--trace-config triton,log-frequency", value);
    }
  };

  for (const setting of options.traceConfig) {
    if (setting.name === null) setGlobal(setting);
    else if (setting.name === "triton") setTriton(setting);
    else modeOptions.push([setting.setting, setting.value]);
  }
  return {
    trace_level: combine(levels),
    trace_rate: rate,
    trace_count: count,
    log_frequency: frequency,
    trace_file: file,
    trace_mode: mode,
    ...(mode === "opentelemetry" ? { mode_options: withSpanProcessor(modeOptions) } : {}),
  };
};
