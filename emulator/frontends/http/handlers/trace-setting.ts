import { upToNul } from "../../../common/c-string.ts";
import { fail, ok, type Result } from "../../../common/status.ts";
import { parseTraceNumber } from "../../../core/settings/trace-number.ts";
import {
  shownSettings,
  type TraceLevel,
  type TraceSettings,
  type TraceSettingsUpdate,
} from "../../../core/settings/trace-settings.ts";
import type { HttpReply } from "../../http1/reply.ts";
import {
  asArray,
  asString,
  type JsonValue,
  optionalMember,
  parseJson,
} from "../../kserve-json/json-reader.ts";
import { jsonString } from "../../kserve-json/json-writer.ts";
import { jsonReply } from "../../kserve-json/reply.ts";
import { immediate } from "../handler.ts";

/** `GET` and `POST /v2/trace/setting` and `/v2/models/{m}/trace/setting` */
export const traceSetting = immediate(({ server, method, groups, body }) => {
  const model = groups.model ?? null;
  let settings = server.traceSettings(model);
  if (settings.ok && method === "POST") {
    const parsed = parseJson(body);
    if (!parsed.ok) return parsed;
    const update = readUpdate(parsed.value);
    if (!update.ok) return update;
    settings = server.updateTraceSettings(model, update.value);
  }
  if (!settings.ok) return settings;
  return ok(settingsReply(settings.value));
});

/** Fields are looked at in this order; all values but the levels are strings (spec/triton-wire.md 1.12). */
const readUpdate = (document: JsonValue): Result<TraceSettingsUpdate> => {
  if (optionalMember(document, "trace_file") !== undefined) {
    return fail("UNSUPPORTED", "trace file location can not be updated through network protocol");
  }
  const update: {
    trace_level?: readonly TraceLevel[] | null;
    trace_rate?: number | null;
    trace_count?: number | null;
    log_frequency?: number | null;
  } = {};
  const level = optionalMember(document, "trace_level");
  if (level !== undefined) {
    const levels = readLevels(level);
    if (!levels.ok) return levels;
    update.trace_level = levels.value;
  }
  for (const name of ["trace_rate", "trace_count", "log_frequency"] as const) {
    const field = optionalMember(document, name);
    if (field === undefined) continue;
    const number = readNumber(name, field);
    if (!number.ok) return number;
    update[name] = number.value;
  }
  return ok(update);
};

const readLevels = (field: JsonValue): Result<readonly TraceLevel[] | null> => {
  if (field === null) return ok(null);
  const elements = asArray(field);
  if (!elements.ok) return elements;
  const levels: TraceLevel[] = [];
  for (const element of elements.value) {
    const text = asString(element);
    if (!text.ok) return text;
    if (text.value === "OFF") {
      if (elements.value.length > 1) {
        return fail("INVALID_ARG", "Expect only one trace level 'OFF' is specified");
      }
      levels.push("OFF");
    } else if (text.value === "TIMESTAMPS" || text.value === "TENSORS") levels.push(text.value);
  }
  return ok(levels.length === 0 ? ["OFF"] : levels);
};

const readNumber = (
  name: "trace_rate" | "trace_count" | "log_frequency",
  field: JsonValue,
): Result<number | null> => {
  if (field === null) return ok(null);
  const text = asString(field);
  if (!text.ok) return text;
  return parseTraceNumber(name, upToNul(text.value), "");
};

const settingsReply = (settings: TraceSettings): HttpReply => {
  const members = shownSettings(settings).map(([name, value]) => {
    const text = typeof value === "string" ? jsonString(value) : `[${value.map(jsonString).join(",")}]`;
    return `${jsonString(name)}:${text}`;
  });
  return jsonReply(`{${members.join(",")}}`);
};
