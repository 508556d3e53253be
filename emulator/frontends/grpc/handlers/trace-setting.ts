import { fail, ok, type Result } from "../../../common/status.ts";
import { parseTraceNumber } from "../../../core/settings/trace-number.ts";
import type { TraceLevel, TraceSettingsUpdate } from "../../../core/settings/trace-settings.ts";
import { decodeTraceSettingRequest, encodeTraceSettings } from "../codec/settings.ts";
import { immediate } from "../handler.ts";

/** `TraceSetting`; without a model, the global one. */
export const traceSetting = immediate((server, request) => {
  const { modelName, settings } = decodeTraceSettingRequest(request);
  const model = modelName === "" ? null : modelName;
  let current = server.traceSettings(model);
  if (current.ok && settings.size > 0) {
    const update = readUpdate(settings);
    if (!update.ok) return update;
    current = server.updateTraceSettings(model, update.value);
  }
  return current.ok ? ok(encodeTraceSettings(current.value)) : current;
});

/** Settings are looked at in this order; those Triton does not know are ignored (2.51.0). */
const readUpdate = (settings: ReadonlyMap<string, readonly string[]>): Result<TraceSettingsUpdate> => {
  if (settings.has("trace_file")) {
    return fail("UNSUPPORTED", "trace file location can not be updated through network protocol");
  }
  const update: {
    trace_level?: readonly TraceLevel[] | null;
    trace_rate?: number | null;
    trace_count?: number | null;
    log_frequency?: number | null;
  } = {};
  const levels = settings.get("trace_level");
  if (levels !== undefined) {
    const read = readLevels(levels);
    if (!read.ok) return read;
    update.trace_level = read.value;
  }
  for (const name of ["trace_rate", "trace_count", "log_frequency"] as const) {
    const values = settings.get(name);
    if (values === undefined) continue;
    const read = readNumber(name, values);
    if (!read.ok) return read;
    update[name] = read.value;
  }
  return ok(update);
};

const readLevels = (values: readonly string[]): Result<readonly TraceLevel[] | null> => {
  if (values.length === 0) return ok(null);
  if (values.length > 1 && values.includes("OFF")) {
    return fail("INVALID_ARG", "Expect only one trace level 'OFF' is specified");
  }
  const levels = values.filter((value): value is TraceLevel => value === "TIMESTAMPS" || value === "TENSORS");
  return ok(levels.length === 0 ? ["OFF"] : levels);
};

const readNumber = (
  name: "trace_rate" | "trace_count" | "log_frequency",
  values: readonly string[],
): Result<number | null> => {
  if (values.length === 0) return ok(null);
  if (values.length > 1) return fail("INVALID_ARG", `expect only 1 value for '${name}'`);
  return parseTraceNumber(name, values[0]!, " ");
};
