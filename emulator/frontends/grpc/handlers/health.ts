import { ok } from "../../../common/status.ts";
import { encodeBoolResponse, encodeHealthCheckResponse } from "../codec/metadata.ts";
import { checkHealthCheckRequest, decodeEmpty } from "../codec/model-version-request.ts";
import { immediate } from "../handler.ts";

/** `ServerLive` */
export const serverLive = immediate((server, request) => {
  decodeEmpty(request);
  return ok(encodeBoolResponse(server.isLive()));
});

/** `ServerReady` */
export const serverReady = immediate((server, request) => {
  decodeEmpty(request);
  return ok(encodeBoolResponse(server.isReady()));
});

/** `grpc.health.v1.Health/Check`: the server as a whole, whatever service is asked for (2.51.0). */
export const healthCheck = immediate((server, request) => {
  checkHealthCheckRequest(request);
  return ok(encodeHealthCheckResponse(server.isReady()));
});
