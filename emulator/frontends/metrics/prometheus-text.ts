import type { ResponseCacheStatistics } from "../../core/response-cache/response-cache.ts";
import type { MetricsRegistry, SeriesLabels } from "../../core/statistics/metrics-registry.ts";
import type { ModelMetrics } from "../../core/statistics/model-metrics.ts";
import type { LatencySummaries } from "./latency-summaries.ts";
import type { SystemGauges } from "./system-gauges.ts";

/** A family whose samples carry the labels of a model version. */
interface ModelFamily {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly read: (metrics: ModelMetrics) => number;
}

/** Families in the order of the real server (spec/triton-wire.md 5); the failure counter stands after the first. */
const success: ModelFamily = {
  name: "nv_inference_request_success",
  type: "counter",
  help: "Number of successful inference requests, all batch sizes",
  read: (metrics) => metrics.success,
};

const modelFamilies: readonly ModelFamily[] = [
  {
    name: "nv_inference_count",
    type: "counter",
    help: "Number of inferences performed (does not include cached requests)",
    read: (metrics) => metrics.inferences,
  },
  {
    name: "nv_inference_exec_count",
    type: "counter",
    help: "Number of model executions performed (does not include cached requests)",
    read: (metrics) => metrics.executions,
  },
  {
    name: "nv_inference_request_duration_us",
    type: "counter",
    help: "Cumulative inference request duration in microseconds (includes cached requests)",
    read: (metrics) => metrics.requestUs,
  },
  {
    name: "nv_inference_queue_duration_us",
    type: "counter",
    help: "Cumulative inference queuing duration in microseconds (includes cached requests)",
    read: (metrics) => metrics.queueUs,
  },
  {
    name: "nv_inference_compute_input_duration_us",
    type: "counter",
    help: "Cumulative compute input duration in microseconds (does not include cached requests)",
    read: (metrics) => metrics.computeInputUs,
  },
  {
    name: "nv_inference_compute_infer_duration_us",
    type: "counter",
    help: "Cumulative compute inference duration in microseconds (does not include cached requests)",
    read: (metrics) => metrics.computeInferUs,
  },
  {
    name: "nv_inference_compute_output_duration_us",
    type: "counter",
    help: "Cumulative inference compute output duration in microseconds (does not include cached requests)",
    read: (metrics) => metrics.computeOutputUs,
  },
];

/** Of models that ask for the response cache. */
const cachingFamilies: readonly ModelFamily[] = [
  {
    name: "nv_cache_num_hits_per_model",
    type: "counter",
    help: "Number of cache hits per model",
    read: (metrics) => metrics.cacheHits,
  },
  {
    name: "nv_cache_hit_duration_per_model",
    type: "counter",
    help: "Total cache hit duration per model, in microseconds",
    read: (metrics) => metrics.cacheHitUs,
  },
  {
    name: "nv_cache_num_misses_per_model",
    type: "counter",
    help: "Number of cache misses per model",
    read: (metrics) => metrics.cacheMisses,
  },
  {
    name: "nv_cache_miss_duration_per_model",
    type: "counter",
    help: "Total cache miss (insert+lookup) duration per model, in microseconds",
    read: (metrics) => metrics.cacheMissUs,
  },
];

const pending: ModelFamily = {
  name: "nv_inference_pending_request_count",
  type: "gauge",
  help: "Instantaneous number of pending requests awaiting execution per-model.",
  read: (metrics) => metrics.pending,
};

const cacheGauges: readonly {
  readonly name: string;
  readonly help: string;
  readonly read: (cache: ResponseCacheStatistics) => number;
}[] = [
  {
    name: "nv_cache_util",
    help: "Cache utilization [0.0 - 1.0]",
    read: ({ utilization }) => utilization,
  },
  {
    name: "nv_cache_num_entries",
    help: "Number of responses stored in response cache",
    read: ({ entries }) => entries,
  },
  {
    name: "nv_cache_num_hits",
    help: "Number of cache hits in response cache",
    read: ({ hits }) => hits,
  },
  {
    name: "nv_cache_num_misses",
    help: "Number of cache misses in response cache",
    read: ({ misses }) => misses,
  },
  {
    name: "nv_cache_num_lookups",
    help: "Number of cache lookups in response cache",
    read: ({ lookups }) => lookups,
  },
  {
    name: "nv_cache_num_evictions",
    help: "Number of cache evictions in response cache",
    read: ({ evictions }) => evictions,
  },
  {
    name: "nv_cache_lookup_duration",
    help: "Total cache lookup duration (hit and miss), in microseconds",
    read: ({ lookupUs }) => Math.floor(lookupUs),
  },
  {
    name: "nv_cache_insertion_duration",
    help: "Total cache insertion duration, in microseconds",
    read: ({ insertionUs }) => Math.floor(insertionUs),
  },
];

/** The text of `/metrics`. Families without samples are left out, as in the real server. */
export const prometheusText = (
  registry: MetricsRegistry,
  gauges: SystemGauges,
  summaries: LatencySummaries | null,
  responseCache: ResponseCacheStatistics | null = null,
): string => {
  const lines: string[] = [];
  const family = (name: string, type: string, help: string, samples: readonly string[]): void => {
    if (samples.length > 0) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples);
  };
  const models = registry.models();
  const modelFamily = ({ name, type, help, read }: ModelFamily, owners = models): void =>
    family(
      name,
      type,
      help,
      owners.map((metrics) => `${name}${labels(metrics)} ${valueText(read(metrics))}`),
    );
  modelFamily(success);
  family(
    "nv_inference_request_failure",
    "counter",
    "Number of failed inference requests, all batch sizes",
    registry
      .failures()
      .map(
        (failure) =>
          `nv_inference_request_failure${labels(failure, { reason: failure.reason })} ${valueText(failure.count)}`,
      ),
  );
  for (const each of modelFamilies) modelFamily(each);
  const caching = models.filter((metrics) => metrics.caching);
  for (const each of cachingFamilies) modelFamily(each, caching);
  modelFamily(pending);
  for (const { name, type, help, value } of gauges.read()) {
    family(name, type, help, [`${name} ${valueText(value)}`]);
  }
  if (responseCache !== null) {
    for (const { name, help, read } of cacheGauges) {
      family(name, "gauge", help, [`${name} ${valueText(read(responseCache))}`]);
    }
  }
  for (const summary of summaries?.read() ?? []) {
    family(
      summary.name,
      "summary",
      summary.help,
      summary.series.flatMap(({ metrics, count, sum, quantiles }) => [
        `${summary.name}_count${labels(metrics)} ${valueText(count)}`,
        `${summary.name}_sum${labels(metrics)} ${valueText(sum)}`,
        ...quantiles.map(
          ({ quantile, value }) =>
            `${summary.name}${labels(metrics, {}, `,quantile="${quantile}"`)} ${valueText(value)}`,
        ),
      ]),
    );
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
};

/** Labels sorted by name; `metric_tags` come with a `_` before their name and so first. `last` (quantile) stands behind. */
const labels = (owner: SeriesLabels, more: Readonly<Record<string, string>> = {}, last = ""): string => {
  const all: [string, string][] = [
    ...[...owner.tags].map(([name, value]): [string, string] => [`_${name}`, value]),
    ["model", owner.model],
    ...(owner.namespace === "" ? [] : [["namespace", owner.namespace] satisfies [string, string]]),
    ["version", owner.version],
    ...Object.entries(more),
  ];
  all.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${all.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",")}${last}}`;
};

const escapeLabel = (value: string): string =>
  value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');

/** As `%.16g` prints it; the exposition format's words for what is not finite. */
const valueText = (value: number): string => {
  if (Number.isNaN(value)) return "Nan";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Number.isInteger(value) && Math.abs(value) < 1e16) return String(value);
  const [digits = "", exponent = ""] = value.toExponential(15).split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 16) return value.toFixed(15 - power).replace(/\.?0+$/, "");
  const sign = power < 0 ? "-" : "+";
  return `${digits.replace(/\.?0+$/, "")}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
};
