import { ProtobufWriter } from "../../../common/protobuf-wire.ts";
import { ok } from "../../../common/status.ts";
import { configToProtobuf } from "../../../core/model-config/config-protobuf.ts";
import { decodeModelVersionRequest } from "../codec/model-version-request.ts";
import { immediate } from "../handler.ts";
import { parseModelVersion } from "../model-version.ts";

/** `ModelConfig` */
export const modelConfig = immediate((server, request) => {
  const { name, version } = decodeModelVersionRequest(request);
  const number = parseModelVersion(version);
  if (!number.ok) return number;
  const found = server.findVersion(name, number.value);
  if (!found.ok) return found;
  return ok(new ProtobufWriter(1024).bytes(1, configToProtobuf(found.value.config)).finish());
});
