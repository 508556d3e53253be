import type { Clock, Timer } from "../common/clock.ts";
import type { Log } from "../common/log.ts";
import { Random } from "../common/random.ts";
import { fail, ok, type Result, TritonError } from "../common/status.ts";
import type { Backend } from "./backend.ts";
import type {
  InferenceServer,
  LoadParameter,
  ModelMetadata,
  RepositoryIndexRow,
  RequestedVersion,
  ServableVersion,
  ServerMetadata,
  TensorMetadata,
} from "./inference-server.ts";
import { type InstanceChance, inTheirOrder } from "./instance-chance.ts";
import type { MemoryAccount } from "./memory/memory-account.ts";
import type { ConfigDataType } from "./model-config/model-config.ts";
import { identifierText } from "./model-identifier.ts";
import { LoadedVersion } from "./model-lifecycle/loaded-version.ts";
import { ModelLifecycle, type ModelStateChange, type VersionRow } from "./model-lifecycle/model-lifecycle.ts";
import { VersionLoader } from "./model-lifecycle/version-loader.ts";
import { type ModelControlMode, ModelRepository } from "./model-repository/model-repository.ts";
import type { RepositoryRegistry } from "./repository-registry.ts";
import { ResponseCache, type ResponseCacheStatistics } from "./response-cache/response-cache.ts";
import type { LogSettings, LogSettingsStore, LogSettingsUpdate } from "./settings/log-settings.ts";
import type { TraceSettings, TraceSettingsUpdate } from "./settings/trace-settings.ts";
import type { MetricsRegistry } from "./statistics/metrics-registry.ts";
import type { ModelStatistics } from "./statistics/model-statistics.ts";
import type { Storage } from "./storage.ts";
import { dataTypeOfConfig } from "./tensor/data-type.ts";
import type { InferenceRequest } from "./tensor/inference-request.ts";
import type { Tracer } from "./trace/trace.ts";
import type { TraceSink } from "./trace/trace-file.ts";
import { TraceManager } from "./trace/trace-manager.ts";

/** The server's options, named as tritonserver's flags. */
export interface TritonServerOptions {
  readonly id: string;
  readonly modelRepositories: readonly string[];
  readonly modelControlMode: ModelControlMode;
  readonly repositoryPollSecs: number;
  /** `--load-model`; `*` alone = all. */
  readonly startupModels: readonly string[];
  readonly modelConfigName: string | null;
  readonly autoCompleteConfig: boolean;
  /** `--repoagent-directory`; absent = where the release has them. */
  readonly repoAgentDirectory?: string;
  readonly strictReadiness: boolean;
  readonly exitOnError: boolean;
  readonly modelLoadThreadCount: number;
  /** More tries for a version that fails to load. */
  readonly modelLoadRetryCount: number;
  readonly modelNamespacing: boolean;
  readonly backendConfig: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly gpuCount: number;
  /** Share of a GPU's memory above which no instance is made on it, by its number. */
  readonly modelLoadGpuLimit: ReadonlyMap<number, number>;
  /** Of the `local` response cache; null = there is none. */
  readonly responseCacheByteSize: number | null;
  readonly trace: TraceSettings;
  readonly randomSeed: number;
}

export interface TritonServerDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly storage: Storage;
  readonly account: MemoryAccount;
  readonly metrics: MetricsRegistry;
  readonly logSettings: LogSettingsStore;
  readonly traceSink: TraceSink;
  readonly backends: readonly Backend[];
  /** Called whenever a version has come into another state. */
  readonly onModelState?: (change: ModelStateChange) => void;
  /** Default: instances are loaded and serve in their order. */
  readonly instanceChance?: InstanceChance;
}

/** Version of the release we answer like. */
export const TRITON_VERSION = "2.51.0";

/** In the order of the wire; the same in every release from 23.03 on. */
const extensions: readonly string[] = [
  "classification",
  "sequence",
  "model_repository",
  "model_repository(unload_dependents)",
  "schedule_policy",
  "model_configuration",
  "system_shared_memory",
  "cuda_shared_memory",
  "binary_tensor_data",
  "parameters",
  "statistics",
  "trace",
  "logging",
];

const SECOND_US = 1_000_000;

/** The inference server itself, without any wire. */
export class TritonServer implements InferenceServer, RepositoryRegistry {
  readonly #options: TritonServerOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lifecycle: ModelLifecycle;
  readonly #repository: ModelRepository;
  readonly #logSettings: LogSettingsStore;
  readonly #trace: TraceManager;
  readonly #responseCache: ResponseCache | null;
  #state: "INITIALIZING" | "READY" | "EXITING" = "INITIALIZING";
  #pollTimer: Timer | null = null;

  constructor(options: TritonServerOptions, dependencies: TritonServerDependencies) {
    const { clock, log, metrics, storage } = dependencies;
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#logSettings = dependencies.logSettings;
    this.#trace = new TraceManager(options.trace, dependencies.traceSink, clock);
    const { responseCacheByteSize } = options;
    this.#responseCache =
      responseCacheByteSize === null
        ? null
        : new ResponseCache(responseCacheByteSize, dependencies.account, clock);
    const loader = new VersionLoader({
      clock,
      log,
      random: new Random(options.randomSeed),
      storage,
      account: dependencies.account,
      metrics,
      backends: new Map(dependencies.backends.map((backend) => [backend.name, backend])),
      responseCache: this.#responseCache,
      findVersion: (identifier, version) => this.#lifecycle.find(identifier, version),
      instanceChance: dependencies.instanceChance ?? inTheirOrder,
      options: {
        autoComplete: options.autoCompleteConfig,
        gpuCount: options.gpuCount,
        modelLoadGpuLimit: options.modelLoadGpuLimit,
        backendConfig: options.backendConfig,
      },
    });
    this.#lifecycle = new ModelLifecycle(
      loader,
      metrics,
      log,
      { loadThreadCount: options.modelLoadThreadCount, loadRetryCount: options.modelLoadRetryCount },
      dependencies.onModelState ?? (() => {}),
    );
    this.#repository = new ModelRepository(storage, this.#lifecycle, clock, log, {
      roots: options.modelRepositories,
      controlMode: options.modelControlMode,
      configName: options.modelConfigName,
      autoComplete: options.autoCompleteConfig,
      repoAgentDirectory: options.repoAgentDirectory,
      namespacing: options.modelNamespacing,
    });
  }

  /** Loads what the control mode asks for. An error means that the process should end: text as after `creating server: `. */
  start(done: (error: TritonError | null) => void): void {
    const finish = (error: TritonError | null): void => {
      if (error !== null && this.#options.exitOnError) {
        done(error);
        return;
      }
      if (this.#state === "EXITING") return;
      this.#state = "READY";
      if (this.#options.modelControlMode === "poll") this.#schedulePoll();
      done(null);
    };
    const { modelControlMode, startupModels } = this.#options;
    if (modelControlMode !== "explicit" || (startupModels.length === 1 && startupModels[0] === "*")) {
      // A root that is not there ends the server whatever `--exit-on-error` says.
      this.#repository.listModels((listed) => {
        if (!listed.ok) done(listed.error);
        else {
          this.#repository.poll((error) => finish(error === null ? null : notAllLoaded()));
        }
      });
      return;
    }
    if (startupModels.length === 0) {
      this.#repository.listModels((listed) => (listed.ok ? finish(null) : done(listed.error)));
      return;
    }
    // A model that could not even be read is not told by its own text.
    this.#repository.loadAll(startupModels, (error) =>
      finish(error?.code === "INTERNAL" ? notAllLoaded() : error),
    );
  }

  /**
   * Ends serving: refuses new requests, waits for those that are queued and for loads, unloads everything. Says each second what it
   * waits for; like the real server it counts a request as in flight only while no instance has taken it.
   * @param timeoutSecs what earlier phases left of `--exit-timeout-secs`
   * @param done false = the time passed first
   */
  stop(timeoutSecs: number, done: (clean: boolean) => void): void {
    this.#state = "EXITING";
    this.#pollTimer?.cancel();
    this.#log.info("Waiting for in-flight requests to complete.");
    this.#lifecycle.stopSchedulers();
    this.#repository.close();
    this.#waitForQueues(timeoutSecs, done);
  }

  #waitForQueues(left: number, done: (clean: boolean) => void): void {
    const queued = this.#lifecycle.queued();
    this.#log.info(`Timeout ${left}: Found ${queued.length} model versions that have in-flight inferences`);
    for (const { model, version, count } of queued) {
      this.#log.info(`Model '${model}' (version ${version}) has ${count} in-flight inferences`);
    }
    const loading = queued.length > 0 ? null : this.#repository.inOperation();
    if (loading !== null) {
      this.#log.warning(
        `a related model '${loading}' to a load/unload request is currently loading or unloading`,
      );
    }
    if (queued.length > 0 || loading !== null) {
      if (left > 0) this.#clock.setTimer(SECOND_US, () => this.#waitForQueues(left - 1, done));
      else {
        this.#repository.stop();
        this.#trace.close();
        done(false);
      }
      return;
    }
    this.#log.info("All models are stopped, unloading models");
    this.#repository.stop();
    this.#waitForUnload(left, done);
  }

  #waitForUnload(timeoutSecs: number, done: (clean: boolean) => void): void {
    let left = timeoutSecs;
    let timer: Timer | null = null;
    let ended = false;
    const end = (clean: boolean): void => {
      if (ended) return;
      ended = true;
      timer?.cancel();
      this.#trace.close();
      done(clean);
    };
    const say = (): void => {
      const live = this.#lifecycle.liveCopies;
      this.#log.info(`Timeout ${left}: Found ${live} live models and 0 in-flight non-inference requests`);
    };
    const look = (): void => {
      say();
      if (left <= 0) {
        end(this.#lifecycle.liveCopies === 0);
        return;
      }
      left--;
      timer = this.#clock.setTimer(SECOND_US, look);
    };
    this.#lifecycle.whenEmpty(() => {
      if (ended) return;
      say();
      end(true);
    });
    if (!ended) look();
  }

  get tracer(): Tracer {
    return this.#trace;
  }

  isLive(): boolean {
    return this.#state !== "INITIALIZING";
  }

  isReady(): boolean {
    if (this.#state !== "READY") return false;
    return !this.#options.strictReadiness || this.#lifecycle.allReady();
  }

  metadata(): ServerMetadata {
    return { name: this.#options.id, version: TRITON_VERSION, extensions };
  }

  isModelReady(model: string, version: RequestedVersion): boolean {
    return this.#state === "READY" && this.#find(model, version).ok;
  }

  findVersion(model: string, version: RequestedVersion): Result<ServableVersion> {
    return this.#find(model, version);
  }

  #find(model: string, version: RequestedVersion): Result<LoadedVersion> {
    const identifier = this.#repository.identify(model);
    return identifier.ok ? this.#lifecycle.find(identifier.value, version) : identifier;
  }

  #servingOf(model: string): LoadedVersion[] {
    const identifier = this.#repository.identify(model);
    return identifier.ok ? this.#lifecycle.servingOf(identifier.value) : [];
  }

  modelMetadata(model: string, version: RequestedVersion): Result<ModelMetadata> {
    const found = this.#find(model, version);
    if (!found.ok) return found;
    const { config, versionText } = found.value;
    const tensor = (io: {
      readonly name: string;
      readonly data_type: ConfigDataType;
      readonly dims: readonly number[];
    }): TensorMetadata => ({
      name: io.name,
      datatype: dataTypeOfConfig(io.data_type),
      shape: config.max_batch_size > 0 ? [-1, ...io.dims] : io.dims,
    });
    return ok({
      name: model,
      versions: version === -1 ? this.#servingOf(model).map((serving) => serving.versionText) : [versionText],
      platform: config.platform === "" ? config.backend : config.platform,
      inputs: config.input.map(tensor),
      outputs: config.output.map(tensor),
    });
  }

  statistics(model: string | null, version: RequestedVersion): Result<readonly ModelStatistics[]> {
    if (model === null) return this.#allStatistics();
    const versions = this.#servingOf(model);
    if (versions.length === 0) return fail("INVALID_ARG", `requested model '${model}' is not available`);
    const wanted = version === -1 ? versions : versions.filter((loaded) => loaded.version === version);
    if (wanted.length === 0) {
      return fail("INVALID_ARG", `requested model version is not available for model '${model}'`);
    }
    return ok(wanted.map(readStatistics));
  }

  /** Like the real server, looks each model up by the text of its identifier: no name with namespacing, so it fails. */
  #allStatistics(): Result<readonly ModelStatistics[]> {
    const all: ModelStatistics[] = [];
    for (const { identifier, version } of this.#lifecycle.serving()) {
      const found = this.#find(identifierText(identifier), version);
      if (!found.ok) return found;
      all.push(readStatistics(found.value));
    }
    return ok(all);
  }

  repositoryIndex(readyOnly: boolean, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void {
    this.#repository.index(readyOnly, done);
  }

  repositoryIndexOf(model: string, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void {
    this.#repository.indexOf(model, done);
  }

  loadModel(
    model: string,
    parameters: readonly LoadParameter[],
    done: (error: TritonError | null) => void,
  ): void {
    const refused = this.#refuseControl();
    if (refused !== null) done(refused);
    else this.#repository.load(model, parameters, done);
  }

  unloadModel(model: string, unloadDependents: boolean, done: (error: TritonError | null) => void): void {
    const refused = this.#refuseControl();
    if (refused !== null) done(refused);
    else this.#repository.unload(model, unloadDependents, done);
  }

  registerRepository(
    path: string,
    served: ReadonlyMap<string, string>,
    done: (error: TritonError | null) => void,
  ): void {
    const refused = this.#refuseRegistration("registration");
    if (refused !== null) done(refused);
    else this.#repository.register(path, served, done);
  }

  unregisterRepository(path: string): TritonError | null {
    return this.#refuseRegistration("unregistration") ?? this.#repository.unregister(path);
  }

  #refuseRegistration(what: string): TritonError | null {
    if (this.#options.modelControlMode === "explicit") return null;
    return new TritonError(
      "UNSUPPORTED",
      `repository ${what} is not allowed if model control mode is not EXPLICIT`,
    );
  }

  infer(version: ServableVersion, request: InferenceRequest): TritonError | null {
    if (!(version instanceof LoadedVersion))
      throw new Error("infer: the version did not come from findVersion");
    return version.infer(request);
  }

  /** For a reset; the real server keeps what is in its response cache until others need the room. */
  clearResponseCache(): void {
    this.#responseCache?.clear();
  }

  /** null = the server has no response cache. */
  responseCacheStatistics(): ResponseCacheStatistics | null {
    return this.#responseCache?.read() ?? null;
  }

  traceSettings(model: string | null): Result<TraceSettings> {
    return this.#unknownToTrace(model) ?? ok(this.#trace.read(model));
  }

  updateTraceSettings(model: string | null, update: TraceSettingsUpdate): Result<TraceSettings> {
    return this.#unknownToTrace(model) ?? this.#trace.update(model, update);
  }

  logSettings(): LogSettings {
    return this.#logSettings.current;
  }

  updateLogSettings(update: LogSettingsUpdate): Result<LogSettings> {
    return this.#logSettings.update(update);
  }

  /** What loaded and what did not; `model` is the text of the identifier. */
  modelStates(): (VersionRow & {
    readonly name: string;
    readonly model: string;
    readonly executionProvider: string | null;
  })[] {
    return this.#lifecycle.models().flatMap((identifier) =>
      (this.#lifecycle.rows(identifier) ?? []).map((row) => {
        const loaded = this.#lifecycle.servingOf(identifier).find(({ version }) => version === row.version);
        const executionProvider = loaded?.instances[0]?.slot.instance.executionProvider ?? null;
        return { ...row, name: identifier.name, model: identifierText(identifier), executionProvider };
      }),
    );
  }

  #unknownToTrace(model: string | null): Result<TraceSettings> | null {
    if (model === null || this.#servingOf(model).length > 0) return null;
    return fail("INVALID_ARG", `Request for unknown model : ${model}`);
  }

  #refuseControl(): TritonError | null {
    if (this.#state === "EXITING") return new TritonError("UNAVAILABLE", "Server exiting");
    if (this.#options.modelControlMode === "explicit") return null;
    return new TritonError(
      "UNAVAILABLE",
      "explicit model load / unload is not allowed if polling is enabled",
    );
  }

  #schedulePoll(): void {
    const { repositoryPollSecs } = this.#options;
    if (repositoryPollSecs <= 0) return;
    this.#pollTimer = this.#clock.setTimer(repositoryPollSecs * SECOND_US, () => {
      this.#repository.poll((error) => {
        if (error !== null) this.#log.error(error.message);
        if (this.#state === "READY") this.#schedulePoll();
      });
    });
  }
}

const notAllLoaded = (): TritonError => new TritonError("INTERNAL", "failed to load all models");

const readStatistics = (loaded: LoadedVersion): ModelStatistics =>
  loaded.statistics.read(loaded.modelName, loaded.versionText);
