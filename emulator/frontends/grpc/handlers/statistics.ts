import { ok } from "../../../common/status.ts";
import { decodeModelVersionRequest } from "../codec/model-version-request.ts";
import { encodeModelStatistics } from "../codec/statistics.ts";
import { immediate } from "../handler.ts";
import { parseModelVersion } from "../model-version.ts";

/** `ModelStatistics`; without a name, of all models. */
export const modelStatistics = immediate((server, request) => {
  const { name, version } = decodeModelVersionRequest(request);
  const number = parseModelVersion(version);
  if (!number.ok) return number;
  const statistics = server.statistics(name === "" ? null : name, number.value);
  return statistics.ok ? ok(encodeModelStatistics(statistics.value)) : statistics;
});
