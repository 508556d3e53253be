import { z } from "zod";
import { parseContainerUrl } from "../aws/containers/container-url.ts";
import { type EvictionSetting, parseEvictionSetting } from "../aws/placement/eviction/eviction-setting.ts";
import { type EvictionPresetName, evictionPresetNames } from "../aws/placement/eviction/presets.ts";
import { type FaultSet, faultFieldsOfText, parseFaults } from "../core/faults/fault-rule.ts";
import { type Machine, parseMachine } from "../core/memory/machine.ts";
import {
  boolean,
  choice,
  float,
  integer,
  integer64,
  list,
  type NamedSetting,
  type OptionMeta,
  option,
  optionRegistry,
  pair,
  parsed,
  parseInteger,
  port,
  splitNamedSetting,
  text,
} from "./option.ts";

/*
 * Every option of the command line, once. The key is the flag in camel case; flags, environment variables, the keys of
 * the config file, `--help` and docs/configuration.md come from here. The order is that of `tritonserver --help` of
 * release 24.10, which shows in the message about an ambiguous abbreviation.
 */

// Each schema is used once or twice: compiling it to a function would cost start-up time and never pay.
z.config({ jitless: true });

/** The parts of the protocols that `--http-restricted-api` and `--grpc-restricted-protocol` may name. */
export const restrictableApis = [
  "health",
  "metadata",
  "inference",
  "shared-memory",
  "model-config",
  "model-repository",
  "statistics",
  "trace",
  "logging",
] as const;

export type RestrictableApi = (typeof restrictableApis)[number];

/** Requests to these APIs must carry the header with the value. */
export interface ApiRestriction {
  readonly apis: readonly RestrictableApi[];
  readonly header: string;
  readonly value: string;
}

export interface RateLimitResource {
  readonly name: string;
  readonly count: number;
  /** null = every device. */
  readonly device: number | null;
}

const isRestrictable = (name: string): name is RestrictableApi =>
  restrictableApis.some((api) => api === name);

const restrictions = (flag: string, what: "api" | "protocol") =>
  list(
    parsed((value, refuse): ApiRestriction => {
      const parts = splitNamedSetting(value, ":");
      if (parts === null || !parts.name) {
        return refuse(`--${flag} option format is '<config name>:<setting>=<value>'. Got ${value}\n`);
      }
      const apis = parts.name.split(",").map((name) => {
        return isRestrictable(name) ? name : refuse(`unknown restricted ${what} '${name}' \n`);
      });
      return { apis, header: parts.setting, value: parts.value };
    }),
  ).superRefine((all, context) => {
    const names = all.flatMap((restriction) => restriction.apis);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice === undefined) return;
    const message = `restricted ${what} '${twice}' can not be specified in multiple config groups\n`;
    context.addIssue({ code: "custom", message });
  });

const backendSetting = parsed((value, refuse): NamedSetting => {
  if (value.startsWith(",")) {
    return refuse(
      "No backend specified. --backend-config option format is <backend name>,<setting>=<value> or " +
        `<setting>=<value>. Got ${value}\n`,
    );
  }
  return (
    splitNamedSetting(value) ??
    refuse(`--backend-config option format is '<backend name>,<setting>=<value>'. Got ${value}\n`)
  );
});

const cacheSetting = parsed((value, refuse): NamedSetting & { name: string } => {
  const name = value.slice(0, Math.max(0, value.indexOf(",")));
  if (name === "") {
    return refuse(
      `No cache specified. --cache-config option format is <cache name>,<setting>=<value>. Got ${value}\n`,
    );
  }
  const parts = splitNamedSetting(value);
  if (parts === null) {
    return refuse(`--cache-config option format is '<cache name>,<setting>=<value>'. Got ${value}\n`);
  }
  return { ...parts, name };
});

const traceSetting = parsed((value, refuse): NamedSetting => {
  const comma = value.indexOf(",");
  const mode = value.slice(0, Math.max(0, comma)).toLowerCase();
  if (comma === 0) {
    return refuse(
      "No trace mode specified. --trace-config option format is <trace mode>,<setting>=<value> or " +
        `<setting>=<value>. Got ${value}\n`,
    );
  }
  if (comma > 0 && mode !== "triton" && mode !== "opentelemetry") {
    return refuse(
      `invalid value for trace mode option: ${mode}. Available options are "triton" and "opentelemetry"`,
    );
  }
  const parts = splitNamedSetting(value);
  if (parts === null) {
    return refuse(`--trace-config option format is '<trace mode>,<setting>=<value>'. Got ${value}\n`);
  }
  return comma < 0 ? parts : { ...parts, name: mode };
});

const metricsSetting = parsed((value, refuse): NamedSetting => {
  const parts = value.includes(",") ? null : splitNamedSetting(value);
  return parts ?? refuse(`--metrics-config option format is <setting>=<value>. Got ${value}\n`);
});

const hostPolicySetting = parsed((value, refuse): NamedSetting => {
  const parts = splitNamedSetting(value);
  if (parts === null || !parts.name) {
    return refuse(`--host-policy option format is '<policy name>,<setting>=<value>'. Got ${value}\n`);
  }
  return parts;
});

const rateLimitResource = parsed((value, refuse): RateLimitResource => {
  const [name = "", count, device, ...more] = value.split(":");
  if (count === undefined || more.length > 0) {
    return refuse(
      "--rate-limit-resource option format is '<resource_name>:<count>:<device>' or " +
        `'<resource_name>:<count>'. Got ${value}`,
    );
  }
  return {
    name,
    count: parseInteger(count, refuse),
    device: device === undefined ? null : parseInteger(device, refuse),
  };
});

const traceLevels = new Map<string, "OFF" | "TIMESTAMPS" | "TENSORS">([
  ["false", "OFF"],
  ["off", "OFF"],
  ["true", "TIMESTAMPS"],
  ["on", "TIMESTAMPS"],
  ["min", "TIMESTAMPS"],
  ["max", "TIMESTAMPS"],
  ["timestamps", "TIMESTAMPS"],
  ["tensors", "TENSORS"],
]);

/** The words of a trace level, those of older releases included, in any case. */
export const traceLevel = parsed((value, refuse) => {
  const lower = value.toLowerCase();
  return traceLevels.get(lower) ?? refuse(`invalid value for trace level option: ${lower}`);
});

const traceDeprecation = (flag: string, instead: string) => () =>
  `Warning: '--${flag}' has been deprecated and will be removed in future releases. Please use ` +
  `'--trace-config ${instead} instead.`;

/** Texts of the command line and mappings of the config file, in one list. */
const faults = z
  .unknown()
  .default([])
  .transform((given, context): FaultSet => {
    const values: readonly unknown[] = Array.isArray(given) ? given : [given];
    const read = values.map((value) => (typeof value === "string" ? faultFieldsOfText(value) : value));
    const parsedFaults = parseFaults(read.length === 1 ? read[0] : read, "fault");
    if (parsedFaults.ok) return parsedFaults.value;
    context.addIssue({ code: "custom", message: parsedFaults.error.message });
    return z.NEVER;
  });

const noCuda = "there are no CUDA memory pools here";
const noVertex = "the Vertex AI endpoint is not emulated";

export const configSchema = z.object({
  id: option(text().default("triton"), {
    group: "Server",
    argument: "<string>",
    description: "Name of the server, as its metadata tell it.",
  }),
  exitTimeoutSecs: option(integer().default(30), {
    group: "Server",
    argument: "<integer>",
    unit: "seconds",
    description: "How long a stopping server waits for inferences in flight before it exits regardless.",
  }),

  logVerbose: option(integer().default(0), {
    group: "Logging",
    argument: "<integer>",
    description: "Level of verbose messages; 0 turns them off.",
  }),
  logInfo: option(boolean().default(true), {
    group: "Logging",
    argument: "<boolean>",
    description: "Write messages of level info.",
  }),
  logWarning: option(boolean().default(true), {
    group: "Logging",
    argument: "<boolean>",
    description: "Write messages of level warning.",
  }),
  logError: option(boolean().default(true), {
    group: "Logging",
    argument: "<boolean>",
    description: "Write messages of level error.",
  }),
  logFormat: option(choice(["default", "ISO8601"], "log-format", true).default("default"), {
    group: "Logging",
    argument: "<string>",
    description: "default: LMMDD hh:mm:ss.ssssss. ISO8601: YYYY-MM-DDThh:mm:ssZ L.",
  }),
  logFile: option(text().default(""), {
    group: "Logging",
    argument: "<string>",
    description: "File that the log is written to; empty = stderr.",
  }),

  modelStore: option(list(text()), {
    group: "Model Repository",
    argument: "<string>",
    repeated: true,
    description: "Another name of --model-repository.",
  }),
  modelRepository: option(list(text()), {
    group: "Model Repository",
    argument: "<string>",
    repeated: true,
    defaultText: "the `model-repo/` that comes with the emulator",
    description:
      "Folder of models; repeat it for several. A model name that occurs in more than one of them is served from none.",
  }),
  exitOnError: option(boolean().default(true), {
    group: "Model Repository",
    argument: "<boolean>",
    description: "Exit when something fails while the server starts, such as a model that does not load.",
  }),
  disableAutoCompleteConfig: option(boolean().default(false), {
    group: "Model Repository",
    argument: null,
    description: "Take config.pbtxt as it is and complete nothing from the model file.",
  }),
  strictReadiness: option(boolean().default(true), {
    group: "Model Repository",
    argument: "<boolean>",
    description: "Report the server as ready only while every model is available.",
  }),
  modelControlMode: option(choice(["none", "poll", "explicit"], "model-control-mode").default("none"), {
    group: "Model Repository",
    argument: "<string>",
    description:
      "none: all models are loaded at start and stay. poll: the repositories are looked at again and again, and changes are followed. explicit: models come and go by load and unload requests.",
  }),
  repositoryPollSecs: option(integer().default(15), {
    group: "Model Repository",
    argument: "<integer>",
    unit: "seconds",
    description: "Time between two looks at the repositories; only with --model-control-mode=poll.",
  }),
  loadModel: option(list(text()), {
    group: "Model Repository",
    argument: "<string>",
    repeated: true,
    description:
      "Model to load at start; only with --model-control-mode=explicit. `*`, as the only one, stands for all.",
  }),
  modelConfigName: option(text().min(1, "Error: empty argument for --model-config-name").optional(), {
    group: "Model Repository",
    argument: "<string>",
    defaultText: "config.pbtxt is read",
    description: "Read `configs/<name>.pbtxt` of a model in place of its config.pbtxt where it exists.",
  }),
  modelLoadThreadCount: option(integer().default(4), {
    group: "Model Repository",
    argument: "<integer>",
    description: "How many models are loaded at the same time.",
  }),
  modelLoadRetryCount: option(integer().default(0), {
    group: "Model Repository",
    argument: "<integer>",
    description: "How often a failed load of a version is tried again.",
  }),
  modelNamespacing: option(boolean().default(false), {
    group: "Model Repository",
    argument: "<boolean>",
    description: "Let models of one name stand in several repositories, each in a namespace of its own.",
  }),
  enablePeerAccess: option(boolean().default(true), {
    group: "Model Repository",
    argument: "<boolean>",
    description: "Direct copies between GPUs.",
    withoutEffect: "ONNX Runtime decides on copies between GPUs",
  }),

  allowHttp: option(boolean().default(true), {
    group: "HTTP",
    argument: "<boolean>",
    description: "Serve HTTP.",
  }),
  httpAddress: option(text().default("127.0.0.1"), {
    group: "HTTP",
    argument: "<string>",
    description: "Address that HTTP is bound to (tritonserver: 0.0.0.0).",
  }),
  httpPort: option(port().default(8000), {
    group: "HTTP",
    argument: "<integer>",
    description: "Port of HTTP; 0 = any free one.",
  }),
  reuseHttpPort: option(boolean().default(false), {
    group: "HTTP",
    argument: "<boolean>",
    description: "Let several servers that all say so share the HTTP port, where the system can do that.",
  }),
  httpHeaderForwardPattern: option(text().default(""), {
    group: "HTTP",
    argument: "<string>",
    description: "Regular expression; HTTP headers that match it become parameters of the inference request.",
  }),
  httpThreadCount: option(integer().default(8), {
    group: "HTTP",
    argument: "<integer>",
    description:
      "Threads that handle HTTP requests. Here they only count where `load-blocks-worker` is imitated (docs/faults.md).",
  }),
  httpRestrictedApi: option(restrictions("http-restricted-api", "api"), {
    group: "HTTP",
    argument: "<<string>:<string>=<string>>",
    repeated: true,
    description: `\`<apis>:<header>=<value>\`: HTTP requests of these APIs, separated by commas, must carry the header. APIs: ${restrictableApis.join(", ")}.`,
  }),

  allowGrpc: option(boolean().default(true), {
    group: "GRPC",
    argument: "<boolean>",
    description: "Serve gRPC.",
  }),
  grpcAddress: option(text().default("127.0.0.1"), {
    group: "GRPC",
    argument: "<string>",
    description: "Address that gRPC is bound to (tritonserver: 0.0.0.0).",
  }),
  grpcPort: option(port().default(8001), {
    group: "GRPC",
    argument: "<integer>",
    description: "Port of gRPC; 0 = any free one.",
  }),
  reuseGrpcPort: option(boolean().default(false), {
    group: "GRPC",
    argument: "<boolean>",
    description: "Let several servers that all say so share the gRPC port, where the system can do that.",
  }),
  grpcHeaderForwardPattern: option(text().default(""), {
    group: "GRPC",
    argument: "<string>",
    description:
      "Regular expression; gRPC metadata that match it become parameters of the inference request.",
  }),
  grpcInferAllocationPoolSize: option(integer().default(8), {
    group: "GRPC",
    argument: "<integer>",
    description: "Request and response objects that are kept for reuse.",
    withoutEffect: "objects are not pooled",
  }),
  grpcUseSsl: option(boolean().default(false), {
    group: "GRPC",
    argument: "<boolean>",
    description: "Serve gRPC over TLS.",
  }),
  grpcUseSslMutual: option(boolean().default(false), {
    group: "GRPC",
    argument: "<boolean>",
    description: "Serve gRPC over TLS and ask clients for a certificate; goes before --grpc-use-ssl.",
  }),
  grpcServerCert: option(text().default(""), {
    group: "GRPC",
    argument: "<string>",
    description: "PEM file of the server's certificate.",
  }),
  grpcServerKey: option(text().default(""), {
    group: "GRPC",
    argument: "<string>",
    description: "PEM file of the server's key.",
  }),
  grpcRootCert: option(text().default(""), {
    group: "GRPC",
    argument: "<string>",
    description: "PEM file of the authority that signed the clients' certificates.",
  }),
  grpcInferResponseCompressionLevel: option(
    choice(["none", "low", "medium", "high"], "grpc_infer_response_compression_level").default("none"),
    {
      group: "GRPC",
      argument: "<string>",
      description: "Compression of inference responses: none, low, medium or high.",
    },
  ),
  grpcKeepaliveTime: option(integer().default(7200000), {
    group: "GRPC",
    argument: "<integer>",
    unit: "milliseconds",
    description: "Time after which an idle connection is sent a ping.",
  }),
  grpcKeepaliveTimeout: option(integer().default(20000), {
    group: "GRPC",
    argument: "<integer>",
    unit: "milliseconds",
    description: "How long the answer to such a ping may take before the connection is closed.",
  }),
  grpcKeepalivePermitWithoutCalls: option(boolean().default(false), {
    group: "GRPC",
    argument: "<boolean>",
    description: "Send pings also while no call is in flight.",
  }),
  grpcHttp2MaxPingsWithoutData: option(integer().default(2), {
    group: "GRPC",
    argument: "<integer>",
    description: "Pings the server may send while it has no data to send; 0 = no limit.",
  }),
  grpcHttp2MinRecvPingIntervalWithoutData: option(integer().default(300000), {
    group: "GRPC",
    argument: "<integer>",
    unit: "milliseconds",
    description: "Least time between two pings of a client without data; a sooner one is a ping strike.",
  }),
  grpcHttp2MaxPingStrikes: option(integer().default(2), {
    group: "GRPC",
    argument: "<integer>",
    description: "Ping strikes that are borne before the connection is closed; 0 = any number.",
  }),
  grpcMaxConnectionAge: option(integer().optional(), {
    group: "GRPC",
    argument: "<integer>",
    unit: "milliseconds",
    defaultText: "no limit",
    description: "How long a connection may last.",
  }),
  grpcMaxConnectionAgeGrace: option(integer().optional(), {
    group: "GRPC",
    argument: "<integer>",
    unit: "milliseconds",
    defaultText: "no limit",
    description: "How long calls may go on after the connection's age was reached.",
  }),
  grpcRestrictedProtocol: option(restrictions("grpc-restricted-protocol", "protocol"), {
    group: "GRPC",
    argument: "<<string>:<string>=<string>>",
    repeated: true,
    description: `\`<protocols>:<key>=<value>\`: gRPC calls of these protocols must carry the metadata \`triton-grpc-protocol-<key>\`. Protocols: ${restrictableApis.join(", ")}.`,
  }),

  allowSagemaker: option(boolean().default(false), {
    group: "Sagemaker",
    argument: "<boolean>",
    description: "Serve the SageMaker container API, at the address of --http-address.",
  }),
  sagemakerPort: option(port().default(8080), {
    group: "Sagemaker",
    argument: "<integer>",
    description: "Port of the SageMaker container API; 0 = any free one.",
  }),
  sagemakerSafePortRange: option(pair("-").optional(), {
    group: "Sagemaker",
    argument: "<<integer>-<integer>>",
    defaultText: "no range",
    description:
      "`<first>-<last>`: ports allowed for endpoints other than SageMaker's. They are not checked against it, as the real server does not; here it only counts where `ports-run-out` is imitated (docs/faults.md).",
  }),
  sagemakerThreadCount: option(integer().default(8), {
    group: "Sagemaker",
    argument: "<integer>",
    description:
      "Threads that handle SageMaker requests. Here they only count where `load-blocks-worker` or `load-unload-race` is imitated (docs/faults.md).",
  }),

  allowVertexAi: option(boolean().default(false), {
    group: "Vertex",
    argument: "<boolean>",
    description: "Serve the Vertex AI endpoint.",
    withoutEffect: noVertex,
  }),
  vertexAiPort: option(port().default(8080), {
    group: "Vertex",
    argument: "<integer>",
    description: "Port of the Vertex AI endpoint.",
    withoutEffect: noVertex,
  }),
  vertexAiThreadCount: option(integer().default(8), {
    group: "Vertex",
    argument: "<integer>",
    description: "Threads that handle Vertex AI requests.",
    withoutEffect: noVertex,
  }),
  vertexAiDefaultModel: option(text().default(""), {
    group: "Vertex",
    argument: "<string>",
    description: "Model of requests to the Vertex AI endpoint that name none.",
    withoutEffect: noVertex,
  }),

  allowMetrics: option(boolean().default(true), {
    group: "Metrics",
    argument: "<boolean>",
    description: "Serve Prometheus metrics.",
  }),
  allowGpuMetrics: option(boolean().default(true), {
    group: "Metrics",
    argument: "<boolean>",
    description: "Include metrics of GPUs.",
  }),
  allowCpuMetrics: option(boolean().default(true), {
    group: "Metrics",
    argument: "<boolean>",
    description: "Include metrics of the CPU and the main memory.",
  }),
  metricsAddress: option(text().optional(), {
    group: "Metrics",
    argument: "<string>",
    defaultText: "as --http-address",
    description: "Address that the metrics are bound to.",
  }),
  metricsPort: option(port().default(8002), {
    group: "Metrics",
    argument: "<integer>",
    description: "Port of the metrics; 0 = any free one.",
  }),
  metricsIntervalMs: option(float().default(2000), {
    group: "Metrics",
    argument: "<float>",
    unit: "milliseconds",
    description: "Time between two readings of gauges such as the CPU's load.",
  }),
  metricsConfig: option(list(metricsSetting), {
    group: "Metrics",
    argument: "<<string>=<string>>",
    repeated: true,
    description:
      "`<setting>=<value>`: counter_latencies, summary_latencies (booleans), summary_quantiles (`<quantile>:<error>,...`). Others are ignored.",
  }),

  traceConfig: option(list(traceSetting), {
    group: "Tracing",
    argument: "<<string>,<string>=<string>>",
    repeated: true,
    description:
      "`<setting>=<value>` for level, rate, count and mode; `<mode>,<setting>=<value>` for a mode's own, such as `triton,file` and `triton,log-frequency`. Mode `opentelemetry` exports nothing.",
  }),

  backendDirectory: option(text().default("/opt/tritonserver/backends"), {
    group: "Backend",
    argument: "<string>",
    description: "Folder of backend libraries.",
    withoutEffect: "backends are part of the emulator",
  }),
  backendConfig: option(list(backendSetting), {
    group: "Backend",
    argument: "<<string>,<string>=<string>>",
    repeated: true,
    description: "`<backend>,<setting>=<value>` for one backend, `<setting>=<value>` for all.",
  }),

  repoagentDirectory: option(text().default("/opt/tritonserver/repoagents"), {
    group: "Repository Agent",
    argument: "<string>",
    description: "Folder of repository agent libraries.",
    withoutEffect:
      "none is ever found, and a model whose configuration names one is refused; `checksum`, which comes with the release, is passed over",
  }),

  cacheConfig: option(list(cacheSetting), {
    group: "Response Cache",
    argument: "<<string>,<string>=<string>>",
    repeated: true,
    description: "`<cache>,<setting>=<value>`, such as `local,size=1048576` (bytes).",
  }),
  cacheDirectory: option(text().default("/opt/tritonserver/caches"), {
    group: "Response Cache",
    argument: "<string>",
    description: "Folder of cache libraries; it is only named in an error here.",
  }),

  rateLimit: option(choice(["off", "execution_count"], "rate-limit").default("off"), {
    group: "Rate Limiter",
    argument: "<string>",
    description: "off: instances run as soon as they are free. execution_count: by priority and resources.",
    withoutEffect: "the rate limiter is not emulated yet",
  }),
  rateLimitResource: option(list(rateLimitResource), {
    group: "Rate Limiter",
    argument: "<<string>:<integer>:<integer>>",
    repeated: true,
    description: "`<resource>:<count>[:<device>]`: how much of a resource there is.",
    withoutEffect: "the rate limiter is not emulated yet",
  }),

  pinnedMemoryPoolByteSize: option(integer64().default(268435456), {
    group: "Memory/Device Management",
    argument: "<integer>",
    unit: "bytes",
    description: "Size of the pool of pinned host memory.",
    withoutEffect: noCuda,
  }),
  cudaMemoryPoolByteSize: option(list(pair(":")), {
    group: "Memory/Device Management",
    argument: "<<integer>:<integer>>",
    unit: "bytes",
    repeated: true,
    defaultText: "67108864 for each GPU",
    description: "`<gpu>:<bytes>`: size of a GPU's memory pool.",
    withoutEffect: noCuda,
  }),
  cudaVirtualAddressSize: option(list(pair(":")), {
    group: "Memory/Device Management",
    argument: "<<integer>:<integer>>",
    unit: "bytes",
    repeated: true,
    defaultText: "1073741824 for each GPU",
    description: "`<gpu>:<bytes>`: address space for an implicit state that grows.",
    withoutEffect: noCuda,
  }),
  minSupportedComputeCapability: option(float().default(6), {
    group: "Memory/Device Management",
    argument: "<float>",
    description: "GPUs of less compute capability are not used.",
    withoutEffect: "ONNX Runtime decides which GPUs it can use",
  }),
  bufferManagerThreadCount: option(integer().default(0), {
    group: "Memory/Device Management",
    argument: "<integer>",
    description: "Threads that copy tensors.",
    withoutEffect: "tensors are not copied by threads of their own",
  }),
  hostPolicy: option(list(hostPolicySetting), {
    group: "Memory/Device Management",
    argument: "<<string>,<string>=<string>>",
    repeated: true,
    description: "`<policy>,<setting>=<value>`: numa-node or cpu-cores of a host policy.",
    withoutEffect: "threads are not bound to cores or nodes",
  }),
  modelLoadGpuLimit: option(list(pair(":", "float")), {
    group: "Memory/Device Management",
    argument: "<<device_id>:<fraction>>",
    repeated: true,
    defaultText: "no limit",
    description:
      "`<gpu>:<fraction>`: a model is not loaded when the GPU is fuller than this with it. Only with --machine.",
  }),

  configFile: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "no file",
    description:
      "JSON file of options: an object whose keys are flags without the dashes. A flag goes before an environment variable, that before the file.",
  }),
  portsFile: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "no file",
    description:
      "File that the ports in use are written to once the server is ready, as JSON: http, grpc, sagemaker, metrics, emulator; null = not served.",
  }),
  workerThreads: option(
    integer()
      .refine((value) => value >= 1, { error: (issue) => `not 1 or more: ${String(issue.input)}` })
      .optional(),
    {
      group: "triton-local",
      argument: "<integer>",
      defaultText: "as many as there are cores",
      description: "Threads that run model instances.",
    },
  ),
  seed: option(
    integer()
      .refine((value) => value >= 0, { error: (issue) => `not 0 or more: ${String(issue.input)}` })
      .default(1),
    {
      group: "triton-local",
      argument: "<integer>",
      description:
        "Where all chance starts: drawn times of synthetic models, victims chosen at random, the instance or the variant that gets a request. Rules of --fault have seeds of their own.",
    },
  ),
  machine: option(
    parsed((value, refuse): Machine => {
      const machine = parseMachine(value);
      return machine.ok ? machine.value : refuse(machine.error.message);
    }).optional(),
    {
      group: "triton-local",
      argument: "<string>",
      defaultText: "none: memory is counted and never runs out",
      description:
        "Machine whose memory is emulated: an instance type such as `ml.g4dn.xlarge`, or the host memory of a container, such as `16GiB` or bytes.",
    },
  ),
  memoryProfile: option(list(text()), {
    group: "triton-local",
    argument: "<string>",
    repeated: true,
    defaultText: "those that come with triton-local",
    description:
      "YAML file of what a backend costs, in place of the one for that backend that comes with triton-local. Needs --machine.",
  }),
  fault: option(faults, {
    group: "triton-local",
    argument: "<rule>",
    repeated: true,
    defaultText: "none",
    description:
      "Something that is to go wrong, e.g. `operation=load,effect=out-of-memory,nth=2`; in the config file the same as an object. docs/faults.md has the words.",
  }),
  modelData: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "none: no endpoint is emulated",
    description:
      "Folder of model archives (`*.tar.gz`): serves them as a SageMaker multi-model endpoint. Invocations come in at --emulator-port; tritonserver starts empty, in mode explicit with namespaces, and gets its models from the endpoint.",
  }),
  modelCacheDir: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "a temporary folder, removed at the end",
    description:
      "Folder that archives are unpacked into, the disk of the instance. A container behind --container-url has to see it at the same path.",
  }),
  modelCacheSetting: option(choice(["enabled", "disabled"], "model-cache-setting").default("enabled"), {
    group: "triton-local",
    argument: "<string>",
    description:
      "`ModelCacheSetting` of the endpoint: with disabled, a model is unloaded and deleted after its last invocation.",
  }),
  containerUrl: option(
    parsed((value, refuse): URL => {
      const url = parseContainerUrl(value);
      return url.ok ? url.value : refuse(url.error.message);
    }).optional(),
    {
      group: "triton-local",
      argument: "<url>",
      defaultText: "tritonserver in this process",
      description:
        "Container API that the endpoint uses instead, e.g. `http://127.0.0.1:8080` of a real one.",
    },
  ),
  eviction: option(
    parsed((value, refuse): EvictionPresetName => {
      const name = evictionPresetNames.find((known) => known === value);
      return (
        name ?? refuse(`there is no preset '${value}': expected one of ${evictionPresetNames.join(", ")}`)
      );
    }).default("sagemaker"),
    {
      group: "triton-local",
      argument: "<preset>",
      description: "When the endpoint unloads which models; docs/eviction.md has the presets.",
    },
  ),
  evictionSetting: option(
    list(
      parsed((value, refuse): EvictionSetting => {
        const setting = parseEvictionSetting(value);
        return setting.ok ? setting.value : refuse(setting.error.message);
      }),
    ),
    {
      group: "triton-local",
      argument: "<name>=<value>",
      repeated: true,
      defaultText: "as the preset says",
      description:
        "A switch of the preset, e.g. `victims=lfu` or `highWater=0.9`; docs/eviction.md has the names.",
    },
  ),
  emulatorPort: option(port().optional(), {
    group: "triton-local",
    argument: "<integer>",
    defaultText: "4570 with --model-data or --state-dir, else not served",
    description: "Port of what is not tritonserver's: the services of AWS, and control under `/_emulator/`.",
  }),
  awsPort: option(port().optional(), {
    group: "triton-local",
    argument: "<integer>",
    defaultText: "--emulator-port",
    description:
      "Another name of --emulator-port, for who wants the services of AWS alone: without --model-repository and --model-data no tritonserver is started but those of endpoints.",
  }),
  stateDir: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "none: everything is forgotten at the end",
    description:
      "Folder, of this emulator alone, that keeps what was created in the services of AWS: endpoints that it has are started again.",
  }),
  s3Endpoint: option(
    parsed((value, refuse): URL => {
      const url = URL.canParse(value) ? new URL(value) : null;
      return url !== null && /^https?:$/.test(url.protocol) && url.search === "" && url.hash === ""
        ? url
        : refuse(`'${value}' is no address of a service, such as http://127.0.0.1:9000`);
    }).optional(),
    {
      group: "triton-local",
      argument: "<url>",
      defaultText: "S3 on --emulator-port",
      description:
        "A service that speaks S3, from which endpoints read model data in place of S3 here. Requests are signed with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION of the environment, or not at all without a key.",
    },
  ),
  instanceStartSeconds: option(float().default(0), {
    group: "triton-local",
    argument: "<float>",
    unit: "seconds",
    description:
      "How long an instance of an endpoint takes from its order to the start of its container, where AWS takes minutes.",
  }),
  awsAccessKeyId: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "none: signatures are not looked at",
    description:
      "Access key that requests to the services of AWS have to be signed with (Signature Version 4), with --aws-secret-access-key.",
  }),
  awsSecretAccessKey: option(text().optional(), {
    group: "triton-local",
    argument: "<string>",
    defaultText: "none",
    description: "Secret of --aws-access-key-id.",
  }),
  journal: option(text().optional(), {
    group: "triton-local",
    argument: "<file>",
    defaultText: "no file",
    description:
      "Writes the journal to this file, which is replaced: one JSON line for each event. docs/journal.md has them.",
  }),

  strictModelConfig: option(boolean().optional(), {
    group: "DEPRECATED",
    argument: "<boolean>",
    defaultText: "false",
    description: "true is --disable-auto-complete-config.",
    deprecation: () =>
      "Warning: '--strict-model-config' has been deprecated! Please use '--disable-auto-complete-config' instead.",
  }),
  responseCacheByteSize: option(integer64().optional(), {
    group: "DEPRECATED",
    argument: "<integer>",
    unit: "bytes",
    defaultText: "no cache",
    description: "--cache-config=local,size=<bytes>.",
    deprecation: (value) =>
      "Warning: '--response-cache-byte-size' has been deprecated! This will default to the 'local' cache implementation with the provided byte size for its config. Please use '--cache-config' instead. The equivalent --cache-config CLI args would be: " +
      `'--cache-config=local,size=${value}'`,
  }),
  traceFile: option(text().optional(), {
    group: "DEPRECATED",
    argument: "<string>",
    defaultText: "no file",
    description: "--trace-config=triton,file=<file>.",
    deprecation: traceDeprecation("trace-file", "triton,file=<filepath>"),
  }),
  traceLevel: option(list(traceLevel), {
    group: "DEPRECATED",
    argument: "<string>",
    repeated: true,
    defaultText: "OFF",
    description: "--trace-config=level=<level>.",
    deprecation: traceDeprecation("trace-level", "level=<OFF|TIMESTAMPS|TENSORS>"),
  }),
  traceRate: option(integer().optional(), {
    group: "DEPRECATED",
    argument: "<integer>",
    defaultText: "1000",
    description: "--trace-config=rate=<rate>.",
    deprecation: traceDeprecation("trace-rate", "rate=<rate value>"),
  }),
  traceCount: option(integer().optional(), {
    group: "DEPRECATED",
    argument: "<integer>",
    defaultText: "-1",
    description: "--trace-config=count=<count>.",
    deprecation: traceDeprecation("trace-count", "count=<count value>"),
  }),
  traceLogFrequency: option(integer().optional(), {
    group: "DEPRECATED",
    argument: "<integer>",
    defaultText: "0",
    description: "--trace-config=triton,log-frequency=<frequency>.",
    deprecation: traceDeprecation("trace-log-frequency", "triton,log-frequency=<log frequency value>"),
  }),
});

/** The options as given, before the deprecated ones are folded into those that replace them. */
export type Options = z.output<typeof configSchema>;

export type OptionKey = keyof typeof configSchema.shape;

/** An option as every reader of the schema sees it. */
export interface OptionEntry {
  readonly key: OptionKey;
  /** Without the dashes; also the key in the config file. */
  readonly flag: string;
  readonly environment: string;
  readonly schema: (typeof configSchema.shape)[OptionKey];
  readonly meta: OptionMeta;
}

const flagOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const keys = Object.keys(configSchema.shape) as OptionKey[];

export const optionEntries: readonly OptionEntry[] = keys.map((key) => {
  const schema = configSchema.shape[key];
  const meta = optionRegistry.get(schema);
  if (meta === undefined) throw new Error(`option ${key} is not described`);
  const flag = flagOf(key);
  return { key, flag, environment: `TRITON_LOCAL_${flag.toUpperCase().replaceAll("-", "_")}`, schema, meta };
});

/** Default for people; null = none. */
export const defaultTextOf = ({ schema, meta }: OptionEntry): string | null => {
  if (meta.defaultText !== undefined) return meta.defaultText;
  const value: unknown = schema.safeParse(undefined).data;
  if (value === undefined || value === "" || (Array.isArray(value) && value.length === 0)) return null;
  return String(value);
};
