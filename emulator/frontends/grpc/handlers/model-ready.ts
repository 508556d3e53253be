import { ok } from "../../../common/status.ts";
import { encodeBoolResponse } from "../codec/metadata.ts";
import { decodeModelVersionRequest } from "../codec/model-version-request.ts";
import { immediate } from "../handler.ts";
import { parseModelVersion } from "../model-version.ts";

/** `ModelReady` */
export const modelReady = immediate((server, request) => {
  const { name, version } = decodeModelVersionRequest(request);
  const number = parseModelVersion(version);
  return number.ok ? ok(encodeBoolResponse(server.isModelReady(name, number.value))) : number;
});
