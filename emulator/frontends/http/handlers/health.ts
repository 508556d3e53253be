import { ok } from "../../../common/status.ts";
import { emptyReply } from "../../kserve-json/reply.ts";
import { immediate } from "../handler.ts";

/** `GET /v2/health/live` and `/ready`: 200 or 400, no body either way. */
export const health = immediate(({ server, groups }) => {
  const healthy = groups.probe === "live" ? server.isLive() : server.isReady();
  return ok(emptyReply(healthy ? 200 : 400));
});
