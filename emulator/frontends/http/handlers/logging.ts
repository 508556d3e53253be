import { fail, ok, type Result } from "../../../common/status.ts";
import type { LogSettings, LogSettingsUpdate } from "../../../core/settings/log-settings.ts";
import type { HttpReply } from "../../http1/reply.ts";
import {
  asBoolean,
  asString,
  asUnsignedInteger,
  optionalMember,
  parseJson,
} from "../../kserve-json/json-reader.ts";
import { jsonString } from "../../kserve-json/json-writer.ts";
import { jsonReply } from "../../kserve-json/reply.ts";
import { type HttpCall, immediate } from "../handler.ts";

/** `GET` and `POST /v2/logging`. Fields set before a wrong one stay applied (seen on 2.51.0). */
export const logging = immediate((call) => {
  if (call.method === "POST") {
    const updated = update(call);
    if (!updated.ok) return updated;
  }
  return ok(settingsReply(call.server.logSettings()));
});

const update = ({ server, body }: HttpCall): Result<null> => {
  const parsed = parseJson(body);
  if (!parsed.ok) return parsed;
  const document = parsed.value;
  const apply = (change: LogSettingsUpdate): Result<null> => {
    const result = server.updateLogSettings(change);
    return result.ok ? ok(null) : result;
  };
  // A null is as good as no field (seen on 2.51.0).
  if ((optionalMember(document, "log_file") ?? null) !== null) {
    return fail("UNSUPPORTED", "log file location can not be updated through network protocol");
  }
  for (const name of ["log_info", "log_warning", "log_error"] as const) {
    const field = optionalMember(document, name) ?? null;
    if (field === null) continue;
    const value = asBoolean(field);
    if (!value.ok) return value;
    apply({ [name]: value.value });
  }
  const level = optionalMember(document, "log_verbose_level") ?? null;
  if (level !== null) {
    const value = asUnsignedInteger(level);
    if (!value.ok) return value;
    apply({ log_verbose_level: value.value });
  }
  const format = optionalMember(document, "log_format") ?? null;
  if (format !== null) {
    const value = asString(format);
    if (!value.ok) return value;
    // Over HTTP a bad format is UNAVAILABLE and names the flag; over gRPC it is INVALID_ARG (seen on 2.51.0).
    if (!apply({ log_format: value.value }).ok) {
      return fail("UNAVAILABLE", `invalid argument for --log_format, got: ${value.value}`);
    }
  }
  return ok(null);
};

const settingsReply = (settings: LogSettings): HttpReply =>
  jsonReply(
    `{"log_file":${jsonString(settings.log_file)},"log_info":${settings.log_info},"log_warning":${settings.log_warning},"log_error":${settings.log_error},"log_verbose_level":${settings.log_verbose_level},"log_format":${jsonString(settings.log_format)}}`,
  );
