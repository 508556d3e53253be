import { FaultyBackend } from "../backends/faulty/faulty-backend.ts";
import { outOfMemoryText } from "../backends/faulty/out-of-memory-text.ts";
import type { OnnxRuntimeBackend } from "../backends/onnxruntime/onnxruntime-backend.ts";
import { SyntheticBackend } from "../backends/synthetic/synthetic-backend.ts";
import { Random } from "../common/random.ts";
import type { AdjustableLog } from "../common/server-log.ts";
import { ok, type Result } from "../common/status.ts";
import type { SystemClock } from "../common/system-clock.ts";
import type { Config } from "../config/load.ts";
import type { Backend } from "../core/backend.ts";
import type { FaultPlan } from "../core/faults/fault-plan.ts";
import { formatByteSize } from "../core/memory/byte-size.ts";
import { Ledger, type LedgerEvent } from "../core/memory/ledger.ts";
import type { Machine } from "../core/memory/machine.ts";
import { UnlimitedMemoryAccount } from "../core/memory/memory-account.ts";
import type { MemoryProfiles } from "../core/memory/profile.ts";
import type { ModelStateChange } from "../core/model-lifecycle/model-lifecycle.ts";
import { LogSettingsStore } from "../core/settings/log-settings.ts";
import { MetricsRegistry } from "../core/statistics/metrics-registry.ts";
import type { ModelMetrics, RequestLatencies } from "../core/statistics/model-metrics.ts";
import { TritonServer } from "../core/triton-server.ts";
import { DiskStorage } from "../storage/disk-storage.ts";
import { DiskTraceSink } from "../storage/disk-trace-sink.ts";

/** A tritonserver with what is its own; what comes after it in the same container has these anew. */
export interface TritonProcess {
  readonly server: TritonServer;
  /** Null without `--machine`. */
  readonly ledger: Ledger | null;
  readonly metrics: MetricsRegistry;
}

export interface TritonProcessOptions {
  readonly config: Config;
  readonly clock: SystemClock;
  readonly log: AdjustableLog;
  /** Beside our own; one of the same name replaces ours. */
  readonly extraBackends: readonly Backend[];
  /** Null = none will ever strike: then nothing is in the way of a request. */
  readonly faults: FaultPlan | null;
  readonly onLatencies: ((metrics: ModelMetrics, latencies: RequestLatencies) => void) | null;
  /** Tritonservers on other machines than the options name are made too. */
  readonly anyMachine: boolean;
}

/** Who is told of what happens in a tritonserver. */
export interface TritonListener {
  memory(event: LedgerEvent): void;
  modelState(change: ModelStateChange): void;
  /** It was killed. Absent = nobody could start it anew, so it lives on. */
  crash?(because: string): void;
}

/** Of an instance type: ml.g5.48xlarge. */
const MOST_GPUS = 8;

/** Makes tritonservers as the options say, one after the other, on the same backends and model files. */
export class TritonProcesses {
  readonly storage: DiskStorage;
  readonly #options: TritonProcessOptions;
  readonly #profiles: MemoryProfiles | null;
  readonly #onnxruntime: OnnxRuntimeBackend;
  readonly #backends: readonly Backend[];
  readonly #realGpuCount: number;

  private constructor(
    options: TritonProcessOptions,
    profiles: MemoryProfiles | null,
    onnxruntime: OnnxRuntimeBackend,
    realGpuCount: number,
  ) {
    const { config, clock, extraBackends } = options;
    this.#options = options;
    this.storage = new DiskStorage(clock);
    this.#profiles = profiles;
    this.#onnxruntime = onnxruntime;
    this.#realGpuCount = realGpuCount;
    const synthetic = new SyntheticBackend({ clock, random: new Random(config.seed) });
    this.#backends = [onnxruntime, synthetic, ...extraBackends];
  }

  /** Rejects with a TritonError when a memory profile cannot be used. */
  static async prepare(options: TritonProcessOptions): Promise<TritonProcesses> {
    const { config, clock, log, anyMachine } = options;
    const [{ OnnxRuntimeBackend }, { findGpus }] = await Promise.all([
      import("../backends/onnxruntime/onnxruntime-backend.ts"),
      import("../backends/onnxruntime/gpus.ts"),
    ]);
    // Without a machine only faults ask the profiles: for the words of a failure.
    const profiles =
      config.machine === undefined && options.faults === null && !anyMachine
        ? null
        : await profilesOf(config);
    const gpus = await findGpus(config.cudaVisibleDevices);
    log.info(`GPUs for ONNX Runtime: ${gpus.count} (${gpus.reason})`);
    const onnxruntime = new OnnxRuntimeBackend({
      clock,
      log,
      workerThreads: config.workerThreads,
      gpuCount: gpus.count,
      // Each server refuses what its own machine does not have.
      emulatedGpuCount: anyMachine ? MOST_GPUS : gpuCountOf(config.machine, gpus.count),
      ...(config.machine === undefined || profiles === null ? {} : weightsFactorsOf(profiles)),
    });
    return new TritonProcesses(options, profiles, onnxruntime, gpus.count);
  }

  /**
   * A tritonserver that is not started yet. Error: it does not fit on the machine.
   * @param config default: that of the options
   */
  create(listener: TritonListener, config: Config = this.#options.config): Result<TritonProcess> {
    const { clock, log, onLatencies } = this.#options;
    const ledger = this.#startLedger(listener, config);
    if (!ledger.ok) return ledger;
    const metrics = new MetricsRegistry({
      counting: metricsSetting(config, "counter_latencies") !== "false",
      onLatencies,
    });
    const gpuCount = gpuCountOf(config.machine, this.#realGpuCount);
    const { seed } = this.#options.config;
    const server = new TritonServer(serverOptions(config, gpuCount, seed), {
      clock,
      log,
      storage: this.storage,
      account: ledger.value ?? new UnlimitedMemoryAccount(),
      metrics,
      logSettings: new LogSettingsStore(
        {
          log_file: config.logFile,
          log_info: config.logInfo,
          log_warning: config.logWarning,
          log_error: config.logError,
          log_verbose_level: config.logVerbose,
          log_format: config.logFormat,
        },
        (settings) => log.apply(settings),
      ),
      traceSink: new DiskTraceSink(log),
      backends: this.#backendsFor(ledger.value),
      onModelState: (change) => listener.modelState(change),
    });
    return ok({ server, ledger: ledger.value, metrics });
  }

  /** Ends what the backends run in. */
  async stop(): Promise<void> {
    await this.#onnxruntime.stop();
  }

  #startLedger(listener: TritonListener, config: Config): Result<Ledger | null> {
    const { clock, log } = this.#options;
    if (config.machine === undefined || this.#profiles === null) return ok(null);
    return Ledger.start({
      machine: config.machine,
      profiles: this.#profiles,
      clock,
      random: new Random(this.#options.config.seed),
      listener: (event) => {
        logMemory(event, log);
        listener.memory(event);
      },
      ...(listener.crash === undefined
        ? {}
        : { onServerKilled: () => listener.crash?.("tritonserver was killed") }),
    });
  }

  #backendsFor(ledger: Ledger | null): readonly Backend[] {
    const { clock, faults } = this.#options;
    if (faults === null) return this.#backends;
    const text = outOfMemoryText(this.#profiles, ledger);
    return this.#backends.map(
      (backend) => new FaultyBackend(backend, { clock, faults, outOfMemoryText: text }),
    );
  }
}

const profilesOf = async ({ memoryProfile }: Config): Promise<MemoryProfiles> => {
  const { readMemoryProfiles } = await import("../storage/memory-profiles.ts");
  const profiles = readMemoryProfiles(memoryProfile);
  if (!profiles.ok) throw profiles.error;
  return profiles.value;
};

/** Models see the GPUs of the emulated machine, else those that are there; what is not there runs on the CPU. */
const gpuCountOf = (machine: Machine | undefined, realCount: number): number =>
  machine === undefined ? realCount : machine.pools.filter(({ pool }) => pool.startsWith("gpu:")).length;

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
    const asked = `${formatByteSize(event.askedBytes)} for ${event.newcomer.model ?? "tritonserver"}, ${formatByteSize(event.freeBytes)} free`;
    log.error(
      `memory: the kernel kills ${event.process} (${formatByteSize(event.residentBytes)} resident): ${event.rule}; ${asked}`,
    );
  } else if (event.type === "freeze-risk") {
    log.warning(
      `memory: ${formatByteSize(event.freeBytes)} of the host left after ${event.owner.model ?? "tritonserver"}: the real server may stand still`,
    );
  } else if (event.type === "refused") {
    const asked = `${formatByteSize(event.askedBytes)} of ${event.pool}, ${formatByteSize(event.freeBytes)} free`;
    log.error(`memory: ${event.owner.model} is refused ${asked}`);
  }
};

/** The last value given for a `--metrics-config` setting. */
export const metricsSetting = (config: Config, name: string): string | undefined =>
  config.metricsConfig.findLast(({ setting }) => setting === name)?.value;

const serverOptions = (config: Config, gpuCount: number, randomSeed: number) => {
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
    repoAgentDirectory: config.repoagentDirectory,
    strictReadiness: config.strictReadiness,
    exitOnError: config.exitOnError,
    modelLoadThreadCount: config.modelLoadThreadCount,
    modelLoadRetryCount: config.modelLoadRetryCount,
    modelNamespacing: config.modelNamespacing,
    backendConfig,
    gpuCount,
    modelLoadGpuLimit: new Map(config.modelLoadGpuLimit),
    responseCacheByteSize: config.responseCacheByteSize,
    trace: config.trace,
    randomSeed,
  };
};
