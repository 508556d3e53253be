import { ok } from "../../../common/status.ts";
import { configToJson } from "../../../core/model-config/config-json.ts";
import { immediate, parseVersion } from "../handler.ts";
import { jsonReply } from "../reply.ts";

/** `GET /v2/models/{m}[/versions/{v}]/config` */
export const modelConfig = immediate(({ server, groups }) => {
  const version = parseVersion(groups.version);
  if (!version.ok) return version;
  const found = server.findVersion(groups.model!, version.value);
  if (!found.ok) return found;
  return ok(jsonReply(configToJson(found.value.config)));
});
