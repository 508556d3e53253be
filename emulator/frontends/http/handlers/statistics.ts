import { ok } from "../../../common/status.ts";
import type { ModelStatistics } from "../../../core/statistics/model-statistics.ts";
import { jsonReply } from "../../kserve-json/reply.ts";
import { immediate, parseVersion } from "../handler.ts";

/** `GET /v2/models/{m}[/versions/{v}]/stats` and `GET /v2/models/stats` */
export const statistics = immediate(({ server, groups }) => {
  const version = parseVersion(groups.version);
  if (!version.ok) return version;
  const read = server.statistics(groups.model ?? null, version.value);
  if (!read.ok) return read;
  return ok(jsonReply(JSON.stringify({ model_stats: read.value.map(statisticsJson) })));
});

/** Key order is that of the wire; there is no memory usage, and response statistics only for decoupled models. */
const statisticsJson = (statistics: ModelStatistics) => ({
  name: statistics.name,
  version: statistics.version,
  last_inference: statistics.last_inference,
  inference_count: statistics.inference_count,
  execution_count: statistics.execution_count,
  inference_stats: statistics.inference_stats,
  response_stats: {},
  batch_stats: statistics.batch_stats,
  memory_usage: [],
});
