import { ok } from "../../../common/status.ts";
import { jsonString } from "../../kserve-json/json-writer.ts";
import { jsonReply } from "../../kserve-json/reply.ts";
import { immediate } from "../handler.ts";

/** `GET /v2` */
export const serverMetadata = immediate(({ server }) => {
  const { name, version, extensions } = server.metadata();
  return ok(
    jsonReply(
      `{"name":${jsonString(name)},"version":${jsonString(version)},"extensions":[${extensions.map(jsonString).join(",")}]}`,
    ),
  );
});
