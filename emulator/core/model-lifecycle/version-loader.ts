import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import type { Random } from "../../common/random.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type { Backend, BackendModel, InstanceSpec, ModelContext } from "../backend.ts";
import type { InstanceChance } from "../instance-chance.ts";
import {
  type DeclaredMemory,
  gpusOfInstance,
  instanceLoadDemands,
  readDeclaredMemory,
  reservedDemands,
  versionDemands,
} from "../memory/declared-memory.ts";
import type { AllocationOwner, MemoryAccount, MemoryDemand, Reservation } from "../memory/memory-account.ts";
import { normaliseInstanceGroups } from "../model-config/instance-groups.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { batchInputTypeError, finishConfig } from "../model-config/prepare.ts";
import { identifierText, type ModelIdentifier } from "../model-identifier.ts";
import type { ResponseCache } from "../response-cache/response-cache.ts";
import { createScheduler, withResponseCache } from "../scheduler/create-scheduler.ts";
import { InstanceSlot } from "../scheduler/instance-slot.ts";
import { type InitialStates, readInitialStates } from "../scheduler/sequence-states.ts";
import type { MetricsRegistry } from "../statistics/metrics-registry.ts";
import { VersionStatistics } from "../statistics/version-statistics.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { loadEnsemble } from "./ensemble-loader.ts";
import { createInstanceProcess } from "./instance-process.ts";
import { type Labels, readLabels } from "./labels.ts";
import { type LoadedInstance, LoadedVersion, releaseInstances } from "./loaded-version.ts";
import { Warmup } from "./warmup.ts";

export interface LoaderDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly storage: Storage;
  readonly account: MemoryAccount;
  readonly metrics: MetricsRegistry;
  readonly backends: ReadonlyMap<string, Backend>;
  /** null = the server has none. */
  readonly responseCache: ResponseCache | null;
  /** The version that serves, for ensembles. @param version -1 = the latest */
  readonly findVersion: (identifier: ModelIdentifier, version: number) => Result<LoadedVersion>;
  readonly instanceChance: InstanceChance;
  readonly options: LoaderOptions;
}

export interface LoaderOptions {
  /** False with `--disable-auto-complete-config`. */
  readonly autoComplete: boolean;
  readonly gpuCount: number;
  /** `--model-load-gpu-limit`: share of a GPU's memory, by its number. */
  readonly modelLoadGpuLimit: ReadonlyMap<number, number>;
  /** `--backend-config`, by backend; "" = for every backend. */
  readonly backendConfig: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** Loads one version from files to a copy that serves: the steps of spec/triton-core.md 2.3 from the backend on. */
export class VersionLoader {
  readonly #dependencies: LoaderDependencies;

  constructor(dependencies: LoaderDependencies) {
    this.#dependencies = dependencies;
  }

  load(
    identifier: ModelIdentifier,
    config: ModelConfig,
    version: number,
    folder: ModelFolder,
    done: (result: Result<LoadedVersion>) => void,
  ): void {
    const { account, backends, log, options } = this.#dependencies;
    const { ensemble_scheduling: ensemble } = config;
    if (ensemble !== undefined) {
      loadEnsemble(identifier, config, ensemble, version, folder, this.#dependencies, done);
      return;
    }
    const backend = backends.get(config.backend);
    const missing = missingRuntime(config, version, folder, backend !== undefined);
    if (missing !== null) {
      done({ ok: false, error: missing });
      return;
    }
    if (backend === undefined) {
      done(
        fail(
          "INVALID_ARG",
          `unable to find backend library for backend '${config.backend}', try specifying runtime on the model configuration.`,
        ),
      );
      return;
    }
    const groups = normaliseInstanceGroups(config, { gpuCount: options.gpuCount });
    if (!groups.ok) {
      done(groups);
      return;
    }
    const declared = this.#declaredMemory(groups.value);
    if (!declared.ok) {
      done(declared);
      return;
    }
    const unreadable = batchInputTypeError(groups.value);
    if (unreadable !== null) {
      done({ ok: false, error: unreadable });
      return;
    }
    const context: ModelContext = {
      name: config.name,
      version,
      folder,
      config: groups.value,
      autoComplete: options.autoComplete,
      backendConfig: new Map([
        ...(options.backendConfig.get("") ?? []),
        ...(options.backendConfig.get(config.backend) ?? []),
      ]),
      log,
    };
    const { profile, statesLoad } = declared.value;
    const granted = account.reserve(
      { backend: profile ?? config.backend, model: identifierText(identifier), version },
      statesLoad ? versionDemands(declared.value, gpusOf(groups.value)) : backend.predictMemory(context),
    );
    if (!granted.ok) {
      done(granted);
      return;
    }
    const reservation = granted.value;
    const finish = (result: Result<LoadedVersion>): void => {
      if (!result.ok) reservation.release();
      done(result);
    };
    backend.initializeModel(context, (opened) => {
      if (!opened.ok) {
        finish(opened);
        return;
      }
      reservation.endStaging();
      this.#complete(identifier, context, opened.value, reservation, (result) => {
        if (!result.ok) opened.value.finalize();
        finish(result);
      });
    });
  }

  /** What the model states of its memory, and whether that can be. */
  #declaredMemory(config: ModelConfig): Result<DeclaredMemory> {
    const { account, options } = this.#dependencies;
    const declared = readDeclaredMemory(config);
    if (!declared.ok) return declared;
    const { profile, weightsPer, takenIn, onlyGpu } = declared.value;
    const refuse = (parameter: string, text: string) =>
      fail("INVALID_ARG", `model '${config.name}': parameter 'memory.${parameter}' is ${text}`);
    if (profile !== null && account.profileNames?.includes(profile) === false) {
      return refuse(
        "profile",
        `'${profile}', but the memory profiles are ${account.profileNames.join(", ")}`,
      );
    }
    const costs = profile ?? config.backend;
    if (weightsPer === "device" && account.hasStubs(costs)) {
      return refuse(
        "weights_per",
        `'device', but each instance of '${costs}' is a stub with weights of its own: expected instance`,
      );
    }
    if (takenIn === "import" && !account.hasStubs(costs)) {
      return refuse("taken_in", `'import', but models of '${costs}' import nothing: expected initialize`);
    }
    if (onlyGpu !== null && !account.hasStubs(costs)) {
      return refuse("only_gpu", `'${onlyGpu}', but code of its own is what only Python models have`);
    }
    if (onlyGpu !== null && onlyGpu >= options.gpuCount) {
      return refuse("only_gpu", `'${onlyGpu}', but there are ${options.gpuCount} GPUs`);
    }
    return declared;
  }

  #complete(
    identifier: ModelIdentifier,
    context: ModelContext,
    backendModel: BackendModel,
    reservation: Reservation,
    done: (result: Result<LoadedVersion>) => void,
  ): void {
    const { options, storage } = this.#dependencies;
    const finished = finishConfig(context.config, backendModel.completedConfig, {
      gpuCount: options.gpuCount,
    });
    if (!finished.ok) {
      done(finished);
      return;
    }
    const config = finished.value;
    readLabels(storage, config, context.folder, (labels) => {
      if (!labels.ok) {
        done(labels);
        return;
      }
      this.#populate(identifier, context, backendModel, config, labels.value, reservation, done);
    });
  }

  #populate(
    identifier: ModelIdentifier,
    context: ModelContext,
    backendModel: BackendModel,
    config: ModelConfig,
    labels: Labels,
    reservation: Reservation,
    done: (result: Result<LoadedVersion>) => void,
  ): void {
    const { clock, instanceChance, log, metrics, responseCache, storage } = this.#dependencies;
    const version = String(context.version);
    const statistics = new VersionStatistics(
      metrics.acquire(identifier, version, config.metric_tags, config.response_cache?.enable),
    );
    const specs = instanceSpecs(config);
    const warmup = new Warmup(config, context.folder, this.#dependencies);
    const loadedWith = (instances: readonly LoadedInstance[], states: InitialStates): LoadedVersion =>
      new LoadedVersion({
        identifier,
        clock,
        config,
        version: context.version,
        statistics,
        scheduler: withResponseCache(
          createScheduler(config, states, statistics, clock, log, instanceChance),
          config,
          responseCache,
          { model: identifier.name, version, statistics, clock, log },
        ),
        backendModel,
        warmup,
        instances,
        labels,
        reservation,
      });
    const refuse = (failed: Result<never>): void => {
      metrics.release(statistics.metrics);
      done(failed);
    };
    this.#createInstances(
      identifier,
      config,
      context.version,
      backendModel,
      specs,
      statistics,
      warmup,
      (made) => {
        if (!made.ok) {
          refuse(made);
          return;
        }
        // What a scheduler is made of is looked at when the instances are there and warm.
        readInitialStates(config, context.folder, storage, (states) => {
          if (states.ok) done(ok(loadedWith(made.value, states.value)));
          else releaseInstances([...made.value], () => refuse(states));
        });
      },
    );
  }

  /**
   * Changes the instances of a serving version in place: those with an equal signature stay, missing ones are made
   * before surplus ones go (spec/triton-core.md 1.8).
   */
  updateInstances(loaded: LoadedVersion, prepared: ModelConfig, done: (result: Result<null>) => void): void {
    const finished = finishConfig(prepared, loaded.config, { gpuCount: this.#dependencies.options.gpuCount });
    if (!finished.ok) {
      done(finished);
      return;
    }
    const config = finished.value;
    const surplus = [...loaded.instances];
    const kept: LoadedInstance[] = [];
    const missing: PlannedInstance[] = [];
    for (const planned of instanceSpecs(config)) {
      const index = surplus.findIndex(({ signature }) => signature === planned.signature);
      if (index < 0) missing.push(planned);
      else kept.push(...surplus.splice(index, 1));
    }
    this.#createInstances(
      loaded.identifier,
      config,
      loaded.version,
      loaded.backendModel,
      missing,
      loaded.statistics,
      loaded.warmup,
      (made) => {
        if (!made.ok) {
          done(made);
          return;
        }
        loaded.replaceInstances(config, [...kept, ...made.value], () => done(ok(null)));
      },
    );
  }

  /**
   * Creates and warms up instances one after the other; on a failure those already made are released. The real server lets
   * those of a Python model load at the same time, which shows where memory is short (`Reservation`), and in which is first.
   */
  #createInstances(
    identifier: ModelIdentifier,
    config: ModelConfig,
    version: number,
    backendModel: BackendModel,
    planned: readonly PlannedInstance[],
    statistics: VersionStatistics,
    warmup: Warmup | null,
    done: (result: Result<readonly LoadedInstance[]>) => void,
  ): void {
    const left = [...planned];
    const made = new Map<PlannedInstance, LoadedInstance>();
    const next = (): void => {
      const names = left.map(({ spec }) => spec.name);
      const [plan] = left.splice(
        names.length > 1 ? this.#dependencies.instanceChance.loadsNext(names) : 0,
        1,
      );
      if (plan === undefined) {
        done(ok(planned.map((one) => made.get(one)!)));
        return;
      }
      const together = [...made.values()].map(({ reservation }) => reservation);
      const parts = { identifier, config, version, backendModel, plan, statistics, warmup, together };
      this.#createInstance(parts, (result) => {
        if (result.ok) {
          made.set(plan, result.value);
          next();
        } else {
          this.#dependencies.log.error(`ERROR: Failed to create instance: ${result.error.message}`);
          releaseInstances([...made.values()], () => done(result));
        }
      });
    };
    next();
  }

  #createInstance(
    { identifier, config, version, backendModel, plan, statistics, warmup, together }: InstanceParts,
    done: (result: Result<LoadedInstance>) => void,
  ): void {
    const { spec, signature, passive } = plan;
    const { account, clock } = this.#dependencies;
    const declared = this.#declaredMemory(config);
    if (!declared.ok) {
      done(declared);
      return;
    }
    const owner: AllocationOwner = {
      backend: declared.value.profile ?? config.backend,
      model: identifierText(identifier),
      version,
      instance: spec.name,
    };
    const demands = instanceDemands(declared.value, backendModel, config, spec);
    const granted = account.reserve(owner, demands, declared.value.gpuLimitBytes, together);
    if (!granted.ok) {
      done(granted);
      return;
    }
    const parts = { backendModel, config, spec, declared: declared.value, reservation: granted.value, clock };
    createInstanceProcess(parts, (created) => {
      if (!created.ok) {
        granted.value.release("failed load");
        done(created);
        return;
      }
      granted.value.endStaging();
      const slot = new InstanceSlot(spec.name, created.value, statistics, clock);
      const instance: LoadedInstance = { slot, signature, passive, reservation: granted.value };
      const finish = (failed: TritonError | null): void => {
        const error = failed ?? this.#refuseAboveGpuLimit(spec);
        if (error === null) done(ok(instance));
        else releaseInstances([instance], () => done({ ok: false, error }));
      };
      if (warmup === null || passive) finish(null);
      else warmup.run(slot, clock, finish);
    });
  }

  /** Looks when the instance has taken all it takes, at everything that the GPU holds (2.51.0: backend_model_instance.cc). */
  #refuseAboveGpuLimit({ name, kind, deviceId }: InstanceSpec): TritonError | null {
    const { account, options } = this.#dependencies;
    const limit = options.modelLoadGpuLimit.get(deviceId);
    const capacity = account.capacity(`gpu:${deviceId}`);
    if (kind !== "KIND_GPU" || limit === undefined || capacity === null) return null;
    if (account.used(`gpu:${deviceId}`) <= Math.floor(capacity * limit)) return null;
    return new TritonError(
      "UNAVAILABLE",
      `can not create model '${name}': memory limit set for GPU ${deviceId} has exceeded, model loading is rejected.`,
    );
  }
}

/** Where the release has its backends. */
const backendDirectory = "/opt/tritonserver/backends";

/** What the real server says of a `runtime` that is not the library of the backend; ours has no others (2.51.0). */
const missingRuntime = (
  { name, backend, runtime }: ModelConfig,
  version: number,
  { path }: ModelFolder,
  isKnown: boolean,
): TritonError | null => {
  const own = `${backendDirectory}/${backend}`;
  if (runtime === "" || (isKnown && runtime === `libtriton_${backend}.so`)) return null;
  if (runtime === "model.py") {
    return fail(
      "INVALID_ARG",
      `unable to find Python backend based backend library 'model.py' for model '${name}', searched: '${own}/model.py'`,
    ).error;
  }
  return fail(
    "INVALID_ARG",
    `unable to find backend library '${runtime}' for model '${name}', searched: '${path}/${version}' '${path}' '${own}' `,
  ).error;
};

interface PlannedInstance {
  readonly spec: InstanceSpec;
  readonly signature: string;
  readonly passive: boolean;
}

interface InstanceParts {
  readonly identifier: ModelIdentifier;
  readonly config: ModelConfig;
  readonly version: number;
  readonly backendModel: BackendModel;
  readonly plan: PlannedInstance;
  readonly statistics: VersionStatistics;
  readonly warmup: Warmup | null;
  /** Of the instances that are loaded with it. */
  readonly together: readonly Reservation[];
}

/** What the model states goes before what its backend expects. */
const instanceDemands = (
  declared: DeclaredMemory,
  backendModel: BackendModel,
  config: ModelConfig,
  spec: InstanceSpec,
): readonly MemoryDemand[] => {
  const gpus = gpusOfInstance(declared, spec);
  return [
    ...(declared.statesLoad
      ? instanceLoadDemands(declared, gpus)
      : backendModel.predictInstanceMemory(config, spec)),
    ...reservedDemands(declared, config.max_batch_size, gpus),
  ];
};

const gpusOf = (config: ModelConfig): readonly number[] =>
  [...new Set(config.instance_group.flatMap(({ gpus }) => gpus))].sort((a, b) => a - b);

/** Name and count of a group are not part of an instance's signature, everything else is. */
const instanceSpecs = (config: ModelConfig): PlannedInstance[] =>
  config.instance_group.flatMap((group) => {
    const { name, kind, count, gpus, ...rest } = group;
    const devices = kind === "KIND_GPU" ? gpus : [0];
    let index = 0;
    return devices.flatMap((deviceId) =>
      Array.from({ length: count }, () => ({
        spec: { name: `${name}_${index++}`, kind: kind === "KIND_AUTO" ? "KIND_CPU" : kind, deviceId },
        signature: JSON.stringify([kind, deviceId, rest]),
        passive: rest.passive,
      })),
    );
  });
