import { ok } from "../../../common/status.ts";
import type { TensorMetadata } from "../../../core/inference-server.ts";
import { jsonString } from "../../kserve-json/json-writer.ts";
import { jsonReply } from "../../kserve-json/reply.ts";
import { immediate, parseVersion } from "../handler.ts";

/** `GET /v2/models/{m}[/versions/{v}]` */
export const modelMetadata = immediate(({ server, groups }) => {
  const version = parseVersion(groups.version);
  if (!version.ok) return version;
  const metadata = server.modelMetadata(groups.model!, version.value);
  if (!metadata.ok) return metadata;
  const { name, versions, platform, inputs, outputs } = metadata.value;
  return ok(
    jsonReply(
      `{"name":${jsonString(name)},"versions":[${versions.map(jsonString).join(",")}],"platform":${jsonString(platform)},"inputs":[${inputs.map(tensorJson).join(",")}],"outputs":[${outputs.map(tensorJson).join(",")}]}`,
    ),
  );
});

const tensorJson = ({ name, datatype, shape }: TensorMetadata): string =>
  `{"name":${jsonString(name)},"datatype":${jsonString(datatype)},"shape":[${shape.join(",")}]}`;
