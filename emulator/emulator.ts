import { FaultyBackend } from "./backends/faulty/faulty-backend.ts";
import { outOfMemoryText } from "./backends/faulty/out-of-memory-text.ts";
import { SyntheticBackend } from "./backends/synthetic/synthetic-backend.ts";
import type { Clock } from "./common/clock.ts";
import { Random } from "./common/random.ts";
import type { AdjustableLog } from "./common/server-log.ts";
import { serviceStartError } from "./common/service-start-error.ts";
import { SystemClock } from "./common/system-clock.ts";
import type { Config } from "./config/load.ts";
import type { Backend } from "./core/backend.ts";
import { FaultPlan } from "./core/faults/fault-plan.ts";
import { type InferenceFaults, noFaults, withFaultHeader } from "./core/faults/fault-source.ts";
import { formatByteSize } from "./core/memory/byte-size.ts";
import { Ledger, type LedgerEvent, type PoolState } from "./core/memory/ledger.ts";
import type { Machine } from "./core/memory/machine.ts";
import { UnlimitedMemoryAccount } from "./core/memory/memory-account.ts";
import type { MemoryProfiles } from "./core/memory/profile.ts";
import { LogSettingsStore } from "./core/settings/log-settings.ts";
import { MetricsRegistry } from "./core/statistics/metrics-registry.ts";
import { TritonServer } from "./core/triton-server.ts";
import type { GrpcFrontend, GrpcFrontendOptions } from "./frontends/grpc/server.ts";
import type { HttpFrontend } from "./frontends/http/server.ts";
import { LatencySummaries } from "./frontends/metrics/latency-summaries.ts";
import { prometheusText } from "./frontends/metrics/prometheus-text.ts";
import { type MetricsFrontend, startMetricsFrontend } from "./frontends/metrics/server.ts";
import { SystemGauges } from "./frontends/metrics/system-gauges.ts";
import type { SageMakerFrontend } from "./frontends/sagemaker/server.ts";
import { DiskStorage } from "./storage/disk-storage.ts";
import { DiskTraceSink } from "./storage/disk-trace-sink.ts";

export interface EmulatorOptions {
  readonly config: Config;
  readonly log: AdjustableLog;
  /** Backends beside our own; one of the same name replaces ours. */
  readonly extraBackends?: readonly Backend[];
}

/** A model version as the start-up table shows it. */
export interface ModelSummary {
  readonly name: string;
  readonly version: string;
  /** `READY`, or why it is not. */
  readonly status: string;
  readonly executionProvider: string | null;
}

/** A port is null when its front end is off. */
export interface EmulatorPorts {
  readonly http: number | null;
  readonly grpc: number | null;
  readonly sagemaker: number | null;
  readonly metrics: number | null;
}

/** The emulated machine and its pools as they stood when the server was ready. */
export interface MemorySummary {
  readonly machine: Machine;
  readonly pools: readonly PoolState[];
}

/** A running server. */
export interface Emulator {
  readonly ports: EmulatorPorts;
  readonly models: readonly ModelSummary[];
  /** null without `--machine`. */
  readonly memory: MemorySummary | null;
  /** Drains as tritonserver does on SIGTERM. @returns the exit code: 1 when the exit timeout passed first */
  stop(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Frontends {
  http: HttpFrontend | null;
  grpc: GrpcFrontend | null;
  sagemaker: SageMakerFrontend | null;
  metrics: MetricsFrontend | null;
}

/**
 * Puts a server together and starts it: models first, then the ports, which open only when the models are loaded.
 * Rejects with a TritonError when the server cannot be created or a memory profile cannot be used, with a
 * ServiceStartError when a port cannot be listened on.
 */
export const createEmulator = async (options: EmulatorOptions): Promise<Emulator> => {
  const { config, log } = options;
  const clock = new SystemClock();
  if (config.trace.trace_mode === "opentelemetry") {
    log.warning("trace mode opentelemetry: requests are counted, but no span is exported");
  }
  const summaries = createSummaries(config, clock);
  const metrics = new MetricsRegistry({
    counting: metricsSetting(config, "counter_latencies") !== "false",
    onLatencies: summaries === null ? null : (owner, latencies) => summaries.record(owner, latencies),
  });
  const [{ OnnxRuntimeBackend }, { findGpus }] = await Promise.all([
    import("./backends/onnxruntime/onnxruntime-backend.ts"),
    import("./backends/onnxruntime/gpus.ts"),
  ]);
  const memory = await emulatedMemory(config, clock, log);
  const gpus = await findGpus(config.cudaVisibleDevices);
  log.info(`GPUs for ONNX Runtime: ${gpus.count} (${gpus.reason})`);
  // Models see the GPUs of the emulated machine; those that are not there run on the CPU.
  const gpuCount = memory === null ? gpus.count : gpuCountOf(memory.ledger.machine);
  const onnxruntime = new OnnxRuntimeBackend({
    clock,
    log,
    workerThreads: config.workerThreads,
    gpuCount: gpus.count,
    emulatedGpuCount: gpuCount,
    ...(memory === null ? {} : weightsFactorsOf(memory.profiles)),
  });
  const logSettings = new LogSettingsStore(
    {
      log_file: config.logFile,
      log_info: config.logInfo,
      log_warning: config.logWarning,
      log_error: config.logError,
      log_verbose_level: config.logVerbose,
      log_format: config.logFormat,
    },
    (settings) => log.apply(settings),
  );
  const storage = new DiskStorage();
  const backends = [
    onnxruntime,
    new SyntheticBackend({ clock, random: new Random(RANDOM_SEED) }),
    ...(options.extraBackends ?? []),
  ];
  const faults = plannedFaults(config, log);
  const server = new TritonServer(serverOptions(config, gpuCount), {
    clock,
    log,
    storage,
    account: memory?.ledger ?? new UnlimitedMemoryAccount(),
    metrics,
    logSettings,
    traceSink: new DiskTraceSink(log),
    backends: faults === null ? backends : await withFaults(backends, faults, memory, clock),
  });
  // The front ends are read while the models load.
  const frontendModules = Promise.all([
    import("./frontends/grpc/server.ts"),
    import("./frontends/http/server.ts"),
  ]);
  try {
    await new Promise<void>((resolve, reject) => {
      server.start((error) => (error === null ? resolve() : reject(error)));
    });
  } catch (error) {
    await onnxruntime.stop();
    throw error;
  }
  const gauges = new SystemGauges({
    intervalMs: config.metricsIntervalMs,
    cpuMetrics: config.allowCpuMetrics,
    pinnedPoolBytes: config.pinnedMemoryPoolByteSize,
    nowMs: () => clock.epochMs(),
  });
  const frontends: Frontends = { http: null, grpc: null, sagemaker: null, metrics: null };
  try {
    const started = { server, storage, clock, log, faults };
    await startFrontends(await frontendModules, frontends, started, config, () => {
      summaries?.keepOnly(metrics.models());
      return prometheusText(metrics, gauges, summaries);
    });
  } catch (error) {
    await closeFrontends(frontends);
    await onnxruntime.stop();
    throw error;
  }
  let stopping: Promise<number> | null = null;
  const stop = (): Promise<number> => {
    stopping ??= (async () => {
      let left = config.exitTimeoutSecs;
      for (const frontend of [frontends.http, frontends.sagemaker]) {
        if (frontend !== null) left = await frontend.drain(left);
      }
      const clean = await new Promise<boolean>((resolve) => server.stop(left, resolve));
      await closeFrontends(frontends);
      await onnxruntime.stop();
      return clean ? 0 : 1;
    })();
    return stopping;
  };
  return {
    ports: {
      http: frontends.http?.port ?? null,
      grpc: frontends.grpc?.port ?? null,
      sagemaker: frontends.sagemaker?.port ?? null,
      metrics: frontends.metrics?.port ?? null,
    },
    models: summarise(server),
    memory: memory === null ? null : { machine: memory.ledger.machine, pools: memory.ledger.pools() },
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
};

/** What front ends work on. */
interface StartedServer {
  readonly server: TritonServer;
  readonly storage: DiskStorage;
  readonly clock: SystemClock;
  readonly log: AdjustableLog;
  /** null = none strikes. */
  readonly faults: FaultPlan | null;
}

/** null where none is asked for: then nothing is in the way of a request. */
const plannedFaults = ({ fault }: Config, log: AdjustableLog): FaultPlan | null => {
  if (fault.rules.length === 0 && fault.imitations.length === 0) return null;
  return new FaultPlan(fault, ({ fault: name, point: { operation, model } }) => {
    log.warning(`fault ${name} strikes ${operation}${model === null ? "" : ` of ${model}`}`);
  });
};

/** The same backends, each with the faults before it. */
const withFaults = async (
  backends: readonly Backend[],
  faults: InferenceFaults,
  memory: EmulatedMemory | null,
  clock: Clock,
): Promise<readonly Backend[]> => {
  const profiles = memory?.profiles ?? (await readProfiles([]));
  const text = outOfMemoryText(profiles, memory?.ledger ?? null);
  return backends.map((backend) => new FaultyBackend(backend, { clock, faults, outOfMemoryText: text }));
};

interface EmulatedMemory {
  readonly ledger: Ledger;
  readonly profiles: MemoryProfiles;
}

/** @param paths of files in place of those that come with the emulator */
const readProfiles = async (paths: readonly string[]): Promise<MemoryProfiles> => {
  const { readMemoryProfiles } = await import("./storage/memory-profiles.ts");
  const profiles = readMemoryProfiles(paths);
  if (!profiles.ok) throw profiles.error;
  return profiles.value;
};

/** null without `--machine`. */
const emulatedMemory = async (
  { machine, memoryProfile }: Config,
  clock: SystemClock,
  log: AdjustableLog,
): Promise<EmulatedMemory | null> => {
  if (machine === undefined) return null;
  const profiles = await readProfiles(memoryProfile);
  const ledger = Ledger.start({
    machine,
    profiles,
    clock,
    random: new Random(RANDOM_SEED),
    listener: (event) => logMemory(event, log),
  });
  if (!ledger.ok) throw ledger.error;
  return { ledger: ledger.value, profiles };
};

const gpuCountOf = ({ pools }: Machine): number => pools.filter(({ pool }) => pool.startsWith("gpu:")).length;

const weightsFactorsOf = ({ backends }: MemoryProfiles) => {
  const weights = backends.get("onnxruntime")?.weights;
  if (weights === undefined || weights === null) return {};
  return {
    weightsFactors: {
      inline: weights.inline_factor.value,
      inlineWithoutArena: weights.inline_without_arena_factor.value,
      external: weights.external_factor.value,
    },
  };
};

/** Bytes taken and given back are not logged; what the real server's machine would do to it is. */
const logMemory = (event: LedgerEvent, log: AdjustableLog): void => {
  if (event.type === "killed") {
    const asked = `${formatByteSize(event.askedBytes)} for ${event.newcomer.model}, ${formatByteSize(event.freeBytes)} free`;
    log.error(
      `memory: the kernel kills ${event.process} (${formatByteSize(event.residentBytes)} resident): ${event.rule}; ${asked}`,
    );
  } else if (event.type === "freeze-risk") {
    log.warning(
      `memory: ${formatByteSize(event.freeBytes)} of the host left after ${event.owner.model}: the real server may stand still`,
    );
  } else if (event.type === "refused") {
    const asked = `${formatByteSize(event.askedBytes)} of ${event.pool}, ${formatByteSize(event.freeBytes)} free`;
    log.error(`memory: ${event.owner.model} is refused ${asked}`);
  }
};

const startFrontends = async (
  [{ startGrpcFrontend }, { startHttpFrontend }]: readonly [
    typeof import("./frontends/grpc/server.ts"),
    typeof import("./frontends/http/server.ts"),
  ],
  frontends: Frontends,
  { server, storage, clock, log, faults }: StartedServer,
  config: Config,
  metricsText: () => string,
): Promise<void> => {
  if (config.allowGrpc) {
    frontends.grpc = await startGrpcFrontend(server, grpcOptions(config, faults !== null), log).catch(
      (cause: unknown) => {
        throw serviceStartError("GRPC", config.grpcAddress, config.grpcPort, cause);
      },
    );
  }
  if (config.allowHttp) {
    frontends.http = await startHttpFrontend(
      server,
      {
        address: config.httpAddress,
        port: config.httpPort,
        reusePort: config.reuseHttpPort,
        restrictedApis: config.httpRestrictedApi.flatMap(({ apis, header, value }) =>
          apis.map((category) => ({ category, header, value })),
        ),
        headerForwardPattern: forwardPattern(config.httpHeaderForwardPattern, faults !== null),
        faults,
      },
      log,
    ).catch((cause: unknown) => {
      throw serviceStartError("HTTP", config.httpAddress, config.httpPort, cause);
    });
  }
  if (config.allowSagemaker) {
    const [{ ContainerApi }, { startSageMakerFrontend }] = await Promise.all([
      import("./frontends/sagemaker/container-api.ts"),
      import("./frontends/sagemaker/server.ts"),
    ]);
    const { pingMode, defaultModelName } = config.sagemakerEnvironment;
    const api = new ContainerApi(
      { pingMode, defaultModel: defaultModelName },
      { server, storage, clock, log, faults: faults ?? noFaults, onCrash: () => {} },
    );
    frontends.sagemaker = await startSageMakerFrontend(
      { address: config.httpAddress, port: config.sagemakerPort },
      api,
      log,
    ).catch((cause: unknown) => {
      throw serviceStartError("Sagemaker", config.httpAddress, config.sagemakerPort, cause);
    });
  }
  if (config.allowMetrics) {
    frontends.metrics = await startMetricsFrontend(
      { address: config.metricsAddress, port: config.metricsPort },
      metricsText,
      log,
    ).catch((cause: unknown) => {
      throw serviceStartError("Metrics", config.metricsAddress, config.metricsPort, cause);
    });
  }
};

const grpcOptions = (config: Config, faultHeader: boolean): GrpcFrontendOptions => ({
  address: config.grpcAddress,
  port: config.grpcPort,
  reusePort: config.reuseGrpcPort,
  keepalive: {
    timeMs: config.grpcKeepaliveTime,
    timeoutMs: config.grpcKeepaliveTimeout,
    permitWithoutCalls: config.grpcKeepalivePermitWithoutCalls,
    maxPingsWithoutData: config.grpcHttp2MaxPingsWithoutData,
    minRecvPingIntervalMs: config.grpcHttp2MinRecvPingIntervalWithoutData,
    maxPingStrikes: config.grpcHttp2MaxPingStrikes,
    maxConnectionAgeMs: config.grpcMaxConnectionAge ?? 0,
    maxConnectionAgeGraceMs: config.grpcMaxConnectionAgeGrace ?? 0,
  },
  inferResponseCompressionLevel: config.grpcInferResponseCompressionLevel,
  restrictedProtocols: new Map(
    config.grpcRestrictedProtocol.flatMap(({ apis, header, value }) =>
      apis.map((category) => [category, { key: header, value }] as const),
    ),
  ),
  headerForwardPattern: forwardPattern(config.grpcHeaderForwardPattern, faultHeader),
  ssl:
    config.grpcUseSsl || config.grpcUseSslMutual
      ? {
          serverCert: config.grpcServerCert,
          serverKey: config.grpcServerKey,
          rootCert: config.grpcRootCert === "" ? null : config.grpcRootCert,
          mutual: config.grpcUseSslMutual,
        }
      : null,
});

const forwardPattern = (pattern: string, faultHeader: boolean): RegExp | null => {
  const asked = pattern === "" ? null : new RegExp(pattern, "i");
  return faultHeader ? withFaultHeader(asked) : asked;
};

const closeFrontends = async ({ http, grpc, sagemaker, metrics }: Frontends): Promise<void> => {
  await Promise.all([http?.close(), grpc?.close(), sagemaker?.close(), metrics?.close()]);
};

/** The last value given for a `--metrics-config` setting. */
const metricsSetting = (config: Config, name: string): string | undefined =>
  config.metricsConfig.findLast(({ setting }) => setting === name)?.value;

const RANDOM_SEED = 1;

const DEFAULT_QUANTILES = "0.5:0.05,0.9:0.01,0.95:0.001,0.99:0.001,0.999:0.001";

const createSummaries = (config: Config, clock: SystemClock): LatencySummaries | null => {
  if (metricsSetting(config, "summary_latencies") !== "true") return null;
  const quantiles = (metricsSetting(config, "summary_quantiles") ?? DEFAULT_QUANTILES)
    .split(",")
    .map((pair) => Number(pair.split(":", 1)[0]))
    .filter((quantile) => quantile >= 0 && quantile <= 1);
  return new LatencySummaries(quantiles, () => clock.epochMs());
};

const serverOptions = (config: Config, gpuCount: number) => {
  const backendConfig = new Map<string, Map<string, string>>();
  for (const { name, setting, value } of config.backendConfig) {
    const settings = backendConfig.get(name ?? "") ?? new Map<string, string>();
    settings.set(setting, value);
    backendConfig.set(name ?? "", settings);
  }
  return {
    id: config.id,
    modelRepositories: config.modelRepository,
    modelControlMode: config.modelControlMode,
    repositoryPollSecs: config.repositoryPollSecs,
    startupModels: config.loadModel,
    modelConfigName: config.modelConfigName ?? null,
    autoCompleteConfig: !config.disableAutoCompleteConfig,
    strictReadiness: config.strictReadiness,
    exitOnError: config.exitOnError,
    modelLoadThreadCount: config.modelLoadThreadCount,
    modelLoadRetryCount: config.modelLoadRetryCount,
    modelNamespacing: config.modelNamespacing,
    backendConfig,
    gpuCount,
    trace: config.trace,
    randomSeed: RANDOM_SEED,
  };
};

const summarise = (server: TritonServer): readonly ModelSummary[] =>
  server.modelStates().map(({ model, version, state, reason, executionProvider }) => ({
    name: model,
    version: String(version),
    status: state === "READY" ? "READY" : `${state}: ${reason}`,
    executionProvider,
  }));
