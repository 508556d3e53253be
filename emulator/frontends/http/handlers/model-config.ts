import { ok } from "../../../common/status.ts";
import { configToJson } from "../../../core/model-config/config-json.ts";
import { jsonReply } from "../../kserve-json/reply.ts";
import { immediate, parseVersion } from "../handler.ts";

/** `GET /v2/models/{m}[/versions/{v}]/config` */
export const modelConfig = immediate(({ server, groups }) => {
  const version = parseVersion(groups.version);
  if (!version.ok) return version;
  const found = server.findVersion(groups.model!, version.value);
  if (!found.ok) return found;
  return ok(jsonReply(configToJson(found.value.config)));
});
