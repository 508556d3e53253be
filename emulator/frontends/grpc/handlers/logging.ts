import { fail, ok, type Result } from "../../../common/status.ts";
import type { InferenceServer } from "../../../core/inference-server.ts";
import type { LogSettingsUpdate } from "../../../core/settings/log-settings.ts";
import { decodeLogSettingsRequest, encodeLogSettings, type LogSettingValue } from "../codec/settings.ts";
import { immediate } from "../handler.ts";

/** `LogSettings`; settings Triton does not know are ignored (2.51.0). */
export const logSettings = immediate((server, request) => {
  const updated = update(server, decodeLogSettingsRequest(request));
  return updated.ok ? ok(encodeLogSettings(server.logSettings())) : updated;
});

/** Settings before a wrong one stay applied. */
const update = (server: InferenceServer, settings: ReadonlyMap<string, LogSettingValue>): Result<null> => {
  if (settings.has("log_file")) {
    return fail("UNSUPPORTED", "log file location can not be updated through network protocol");
  }
  const apply = (change: LogSettingsUpdate): Result<null> => {
    const result = server.updateLogSettings(change);
    return result.ok ? done : result;
  };
  for (const name of ["log_info", "log_warning", "log_error"] as const) {
    const value = settings.get(name);
    if (value === undefined) continue;
    if (value.kind !== "bool") return fail("INVALID_ARG", `expect boolean for '${name}'`);
    const applied = apply({ [name]: value.value });
    if (!applied.ok) return applied;
  }
  const level = settings.get("log_verbose_level");
  if (level !== undefined) {
    if (level.kind !== "uint32") return fail("INVALID_ARG", "expect int32 for 'log_verbose_level'");
    const applied = apply({ log_verbose_level: level.value });
    if (!applied.ok) return applied;
  }
  const format = settings.get("log_format");
  if (format === undefined) return done;
  if (format.kind !== "string") return fail("INVALID_ARG", "expect string for 'log_format'");
  return apply({ log_format: format.value });
};

const done = ok(null);
