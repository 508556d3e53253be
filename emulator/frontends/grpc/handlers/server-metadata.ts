import { ok } from "../../../common/status.ts";
import { encodeServerMetadata } from "../codec/metadata.ts";
import { decodeEmpty } from "../codec/model-version-request.ts";
import { immediate } from "../handler.ts";

/** `ServerMetadata` */
export const serverMetadata = immediate((server, request) => {
  decodeEmpty(request);
  return ok(encodeServerMetadata(server.metadata()));
});
