import type { Clock } from "./common/clock.ts";
import type { AdjustableLog } from "./common/server-log.ts";
import { serviceStartError } from "./common/service-start-error.ts";
import { TritonError } from "./common/status.ts";
import { SystemClock } from "./common/system-clock.ts";
import type { EmulatorPort } from "./composition/emulator-port.ts";
import type { Hosting } from "./composition/hosting.ts";
import {
  type LocalTriton,
  type Surroundings,
  startContainer,
  startTriton,
} from "./composition/local-triton.ts";
import type { MultiModelEndpoint } from "./composition/multi-model-endpoint.ts";
import { resetModels } from "./composition/reset-models.ts";
import { metricsSetting, TritonProcesses } from "./composition/triton-process.ts";
import type { Config } from "./config/load.ts";
import type { Backend } from "./core/backend.ts";
import { FaultPlan } from "./core/faults/fault-plan.ts";
import { type FaultSource, noFaults, withFaultHeader } from "./core/faults/fault-source.ts";
import type { Ledger, PoolState } from "./core/memory/ledger.ts";
import type { Machine } from "./core/memory/machine.ts";
import type { TritonServer } from "./core/triton-server.ts";
import type { InstanceMemory } from "./frontends/control/target.ts";
import type { GrpcFrontend, GrpcFrontendOptions } from "./frontends/grpc/server.ts";
import type { HttpFrontend } from "./frontends/http/server.ts";
import { LatencySummaries } from "./frontends/metrics/latency-summaries.ts";
import { prometheusText } from "./frontends/metrics/prometheus-text.ts";
import { type MetricsFrontend, startMetricsFrontend } from "./frontends/metrics/server.ts";
import { SystemGauges } from "./frontends/metrics/system-gauges.ts";
import type { SageMakerFrontend } from "./frontends/sagemaker/server.ts";
import { type JournalWriter, noJournal } from "./journal/event.ts";
import { Journal } from "./journal/journal.ts";
import type { JournalFile } from "./storage/journal-file.ts";

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
  /** AWS's services, and `/_emulator/`. */
  readonly emulator: number | null;
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
  /** Settles where the real tritonserver would have died, with why; with an endpoint it is started anew instead. */
  readonly died: Promise<string>;
  /** Drains as tritonserver does on SIGTERM. @returns the exit code: 1 when the exit timeout passed first */
  stop(): Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Frontends {
  http: HttpFrontend | null;
  grpc: GrpcFrontend | null;
  sagemaker: SageMakerFrontend | null;
  metrics: MetricsFrontend | null;
  emulator: EmulatorPort | null;
}

/** What is served: tritonserver here, an endpoint, or an endpoint with its tritonserver here. */
interface Served {
  readonly triton: LocalTriton | null;
  readonly endpoint: MultiModelEndpoint | null;
}

/**
 * Puts a server together and starts it: models first, then the ports, which open only when the models are loaded.
 * Rejects with a TritonError when the server cannot be created, a memory profile cannot be used, the journal cannot be
 * written or the archives of an endpoint cannot be read, with a ServiceStartError when a port cannot be listened on.
 */
export const createEmulator = async (options: EmulatorOptions): Promise<Emulator> => {
  const { config, log } = options;
  const clock = new SystemClock();
  if (config.trace.trace_mode === "opentelemetry") {
    log.warning("trace mode opentelemetry: requests are counted, but no span is exported");
  }
  const summaries = createSummaries(config, clock);
  const journal =
    config.emulatorPort === null && config.journal === undefined ? null : newJournal(config, clock);
  const journalFile = journal === null ? null : await openJournalFile(config, journal, log);
  const faults = plannedFaults(config, log, journal ?? noJournal);
  const death = Promise.withResolvers<string>();
  const around: Surroundings = {
    config,
    clock,
    log,
    journal: journal ?? noJournal,
    faults,
  };
  // The front ends are read while the models load.
  const frontendModules = config.ownTriton
    ? Promise.all([import("./frontends/grpc/server.ts"), import("./frontends/http/server.ts")])
    : null;
  const containerUrl = config.endpoint?.containerUrl ?? config.aws?.containerUrl ?? null;
  const processes =
    containerUrl === null
      ? await TritonProcesses.prepare({
          config,
          clock,
          log,
          extraBackends: options.extraBackends ?? [],
          faults,
          onLatencies: summaries === null ? null : (owner, latencies) => summaries.record(owner, latencies),
          anyMachine: config.aws !== null,
        })
      : null;
  const frontends: Frontends = { http: null, grpc: null, sagemaker: null, metrics: null, emulator: null };
  let served: Served | null = null;
  let hosting: Hosting | null = null;
  try {
    served = await serveModels(around, processes, death.resolve);
    const { triton, endpoint } = served;
    if (config.aws !== null && journal !== null) {
      const { startHosting } = await import("./composition/hosting.ts");
      hosting = await startHosting(config.aws, around, journal, processes);
    }
    const hosted = hosting;
    if (triton !== null && frontendModules !== null)
      await startFrontends(await frontendModules, frontends, triton, around, summaries);
    if (hosted !== null && config.emulatorPort !== null && journal !== null && faults !== null) {
      const [{ startEmulatorPort }, { createAwsServices }] = await Promise.all([
        import("./composition/emulator-port.ts"),
        import("./composition/aws-services.ts"),
      ]);
      const process = triton?.process();
      const atStart = process === undefined ? [] : loadedModels(process.server);
      frontends.emulator = await startEmulatorPort(
        { address: config.httpAddress, port: config.emulatorPort },
        {
          journal,
          faults,
          clock,
          aws: {
            services: createAwsServices({
              endpoints: hosted.controlPlane,
              modelData: endpoint,
              observer: hosted.observer,
              objects: hosted.objects,
              others: hosted.services,
              journal,
              faults,
              clock,
              log,
              seed: config.seed,
            }),
            credentials: config.awsCredentials,
          },
          isReady: () => endpoint?.healthy ?? triton?.server.isReady() ?? true,
          resetModels: async () => {
            await hosted.controlPlane.reset();
            if (endpoint !== null) await endpoint.reset();
            else if (process !== undefined && config.modelControlMode === "explicit") {
              await resetModels(process.server, atStart);
            }
          },
          resetMetrics: () => {
            hosted.resetMetrics();
            triton?.process().metrics.reset();
          },
          memory: () => [
            ...memoryOf(endpoint?.instance ?? null, triton?.process().ledger ?? null),
            ...hosted.controlPlane
              .instances()
              .flatMap((instance) => memoryOf(instance.agent.instance, instance.memory())),
          ],
        },
        log,
      ).catch((cause: unknown) => {
        throw serviceStartError("Emulator", config.httpAddress, config.emulatorPort ?? 0, cause);
      });
    }
  } catch (error) {
    await closeFrontends(frontends);
    await hosting?.stop();
    await served?.endpoint?.stop();
    await processes?.stop();
    journalFile?.close();
    throw error;
  }
  const { triton, endpoint } = served;
  let stopping: Promise<number> | null = null;
  const stop = (): Promise<number> => {
    stopping ??= (async () => {
      let left = config.exitTimeoutSecs;
      for (const frontend of [frontends.emulator, frontends.http]) {
        if (frontend !== null) left = await frontend.drain(left);
      }
      await hosting?.stop();
      await endpoint?.stop();
      const server = triton?.process().server;
      const clean =
        server === undefined || (await new Promise<boolean>((resolve) => server.stop(left, resolve)));
      // The container API answers until now, as seen on 2.51.0; what it has just been told is to reach its caller.
      if (clean) await frontends.sagemaker?.drain(1);
      await closeFrontends(frontends);
      await processes?.stop();
      journalFile?.close();
      return clean ? 0 : 1;
    })();
    return stopping;
  };
  const process = triton?.process();
  const ledger = process?.ledger ?? null;
  return {
    ports: {
      http: frontends.http?.port ?? null,
      grpc: frontends.grpc?.port ?? null,
      sagemaker: frontends.sagemaker?.port ?? null,
      metrics: frontends.metrics?.port ?? null,
      emulator: frontends.emulator?.port ?? null,
    },
    models: process === undefined ? [] : summarise(process.server),
    memory: ledger === null ? null : { machine: ledger.machine, pools: ledger.pools() },
    died: death.promise,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
};

/** Keeps nothing where nobody can ask for it. */
const newJournal = (
  { machine, memoryProfile, endpoint, emulatorPort, seed }: Config,
  clock: Clock,
): Journal =>
  new Journal({
    clock,
    ...(emulatorPort === null ? { limit: 0 } : {}),
    run: {
      seed,
      machine: machine?.name ?? null,
      profile: memoryProfile.length === 0 ? "triton-local" : memoryProfile.join(", "),
      policy: endpoint?.evictionPreset ?? null,
      scenario: null,
    },
  });

/** Null where none is asked for. Rejects with a TritonError when it cannot be written. */
const openJournalFile = async (
  { journal: path }: Config,
  journal: Journal,
  log: AdjustableLog,
): Promise<JournalFile | null> => {
  if (path === undefined) return null;
  const { JournalFile } = await import("./storage/journal-file.ts");
  try {
    return new JournalFile(path, journal, log);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new TritonError("INVALID_ARG", `cannot write the journal: ${why}`);
  }
};

/** Null where none is asked for and nobody can add one. */
const plannedFaults = (
  { fault, emulatorPort }: Config,
  log: AdjustableLog,
  journal: JournalWriter,
): FaultPlan | null => {
  if (fault.rules.length === 0 && fault.imitations.length === 0 && emulatorPort === null) return null;
  return new FaultPlan(fault, ({ fault: name, point: { operation, model } }) => {
    log.warning(`fault ${name} strikes ${operation}${model === null ? "" : ` of ${model}`}`);
    journal.write({ event: "fault", fault: name, operation, ...(model === null ? {} : { model }) });
  });
};

/** Empty without a ledger. */
const memoryOf = (instance: string | null, ledger: Ledger | null): readonly InstanceMemory[] =>
  ledger === null ? [] : [{ instance, ledger }];

const serveModels = async (
  around: Surroundings,
  processes: TritonProcesses | null,
  onDeath: (because: string) => void,
): Promise<Served> => {
  const { config, clock, journal, faults } = around;
  const { endpoint: asked } = config;
  if (asked === null) {
    return {
      triton: processes === null || !config.ownTriton ? null : await startTriton(around, processes, onDeath),
      endpoint: null,
    };
  }
  const [{ INSTANCE, openEndpoint }, { HttpContainer }] = await Promise.all([
    import("./composition/multi-model-endpoint.ts"),
    import("./aws/containers/http-container.ts"),
  ]);
  const triton = processes === null ? null : await startContainer(around, processes, INSTANCE);
  const endpoint = await openEndpoint({
    endpoint: asked,
    container:
      triton?.container ??
      new HttpContainer({ url: new URL(asked.containerUrl ?? ""), clock, journal, instance: INSTANCE }),
    machine: config.machine ?? null,
    clock,
    journal,
    faults: faults ?? noFaults,
    seed: config.seed,
  });
  return { triton, endpoint };
};

/** Names of the models that are ready. */
const loadedModels = (server: TritonServer): readonly string[] => [
  ...new Set(server.modelStates().flatMap(({ name, state }) => (state === "READY" ? [name] : []))),
];

const startFrontends = async (
  [{ startGrpcFrontend }, { startHttpFrontend }]: readonly [
    typeof import("./frontends/grpc/server.ts"),
    typeof import("./frontends/http/server.ts"),
  ],
  frontends: Frontends,
  { server, process, container }: LocalTriton,
  { config, clock, log, faults }: Surroundings,
  summaries: LatencySummaries | null,
): Promise<void> => {
  if (config.allowGrpc) {
    frontends.grpc = await startGrpcFrontend(server, grpcOptions(config, faults), log).catch(
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
        threads: config.httpThreadCount,
      },
      log,
    ).catch((cause: unknown) => {
      throw serviceStartError("HTTP", config.httpAddress, config.httpPort, cause);
    });
  }
  if (config.allowSagemaker && container !== null) {
    const { startSageMakerFrontend } = await import("./frontends/sagemaker/server.ts");
    frontends.sagemaker = await startSageMakerFrontend(
      { address: config.httpAddress, port: config.sagemakerPort },
      container,
      log,
    ).catch((cause: unknown) => {
      throw serviceStartError("Sagemaker", config.httpAddress, config.sagemakerPort, cause);
    });
  }
  if (config.allowMetrics) {
    const gauges = new SystemGauges({
      intervalMs: config.metricsIntervalMs,
      cpuMetrics: config.allowCpuMetrics,
      pinnedPoolBytes: config.pinnedMemoryPoolByteSize,
      nowMs: () => clock.epochMs(),
    });
    const metricsText = (): string => {
      const { metrics, server } = process();
      summaries?.keepOnly(metrics.models());
      return prometheusText(metrics, gauges, summaries, server.responseCacheStatistics());
    };
    frontends.metrics = await startMetricsFrontend(
      { address: config.metricsAddress, port: config.metricsPort },
      metricsText,
      log,
    ).catch((cause: unknown) => {
      throw serviceStartError("Metrics", config.metricsAddress, config.metricsPort, cause);
    });
  }
};

const grpcOptions = (config: Config, faults: FaultSource | null): GrpcFrontendOptions => ({
  faults,
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
  headerForwardPattern: forwardPattern(config.grpcHeaderForwardPattern, faults !== null),
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

const closeFrontends = async (frontends: Frontends): Promise<void> => {
  await Promise.all(
    Object.values(frontends).map((frontend: Frontends[keyof Frontends]) => frontend?.close()),
  );
};

const DEFAULT_QUANTILES = "0.5:0.05,0.9:0.01,0.95:0.001,0.99:0.001,0.999:0.001";

const createSummaries = (config: Config, clock: SystemClock): LatencySummaries | null => {
  if (metricsSetting(config, "summary_latencies") !== "true") return null;
  const quantiles = (metricsSetting(config, "summary_quantiles") ?? DEFAULT_QUANTILES)
    .split(",")
    .map((pair) => Number(pair.split(":", 1)[0]))
    .filter((quantile) => quantile >= 0 && quantile <= 1);
  return new LatencySummaries(quantiles, () => clock.epochMs());
};

const summarise = (server: TritonServer): readonly ModelSummary[] =>
  server.modelStates().map(({ model, version, state, reason, executionProvider }) => ({
    name: model,
    version: String(version),
    status: state === "READY" ? "READY" : `${state}: ${reason}`,
    executionProvider,
  }));
