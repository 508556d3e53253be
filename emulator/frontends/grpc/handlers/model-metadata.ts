import { ok } from "../../../common/status.ts";
import { encodeModelMetadata } from "../codec/metadata.ts";
import { decodeModelVersionRequest } from "../codec/model-version-request.ts";
import { immediate } from "../handler.ts";
import { parseModelVersion } from "../model-version.ts";

/** `ModelMetadata` */
export const modelMetadata = immediate((server, request) => {
  const { name, version } = decodeModelVersionRequest(request);
  const number = parseModelVersion(version);
  if (!number.ok) return number;
  const metadata = server.modelMetadata(name, number.value);
  return metadata.ok ? ok(encodeModelMetadata(metadata.value)) : metadata;
});
