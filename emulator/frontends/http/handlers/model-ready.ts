import { emptyReply, plainErrorReply } from "../../kserve-json/reply.ts";
import type { HttpHandler } from "../handler.ts";
import { parseVersion } from "../handler.ts";

/** `GET /v2/models/{m}[/versions/{v}]/ready`: an unknown model is "not ready" like any other. */
export const modelReady: HttpHandler = ({ server, groups }, reply) => {
  const version = parseVersion(groups.version);
  if (!version.ok) reply(plainErrorReply(400, version.error.message));
  else if (server.isModelReady(groups.model!, version.value)) reply(emptyReply(200));
  else reply(plainErrorReply(400, "Model version not ready"));
};
