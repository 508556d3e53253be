import { ok } from "../../../common/status.ts";
import { jsonString } from "../codec/json-writer.ts";
import { immediate } from "../handler.ts";
import { jsonReply } from "../reply.ts";

/** `GET /v2` */
export const serverMetadata = immediate(({ server }) => {
  const { name, version, extensions } = server.metadata();
  return ok(
    jsonReply(
      `{"name":${jsonString(name)},"version":${jsonString(version)},"extensions":[${extensions.map(jsonString).join(",")}]}`,
    ),
  );
});
