import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import type { Random } from "../../common/random.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import type { Backend, BackendModel, InstanceSpec, ModelContext } from "../backend.ts";
import type { AllocationOwner, MemoryAccount, Reservation } from "../memory/memory-account.ts";
import { normaliseInstanceGroups } from "../model-config/instance-groups.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import { finishConfig } from "../model-config/prepare.ts";
import { identifierText, type ModelIdentifier } from "../model-identifier.ts";
import { createScheduler } from "../scheduler/create-scheduler.ts";
import { InstanceSlot } from "../scheduler/instance-slot.ts";
import { type InitialStates, readInitialStates } from "../scheduler/sequence-states.ts";
import type { MetricsRegistry } from "../statistics/metrics-registry.ts";
import { VersionStatistics } from "../statistics/version-statistics.ts";
import type { ModelFolder, Storage } from "../storage.ts";
import { type LoadedInstance, LoadedVersion, releaseInstances } from "./loaded-version.ts";
import { readWarmupSamples, runWarmup, type WarmupSample } from "./warmup.ts";

export interface LoaderDependencies {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: Random;
  readonly storage: Storage;
  readonly account: MemoryAccount;
  readonly metrics: MetricsRegistry;
  readonly backends: ReadonlyMap<string, Backend>;
  readonly options: LoaderOptions;
}

export interface LoaderOptions {
  /** False with `--disable-auto-complete-config`. */
  readonly autoComplete: boolean;
  readonly gpuCount: number;
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
    const backend = backends.get(config.backend);
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
    const granted = account.reserve(
      { backend: config.backend, model: identifierText(identifier), version },
      backend.predictMemory(context),
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
      readWarmupSamples(config, context.folder, this.#dependencies, (samples) => {
        if (!samples.ok) {
          done(samples);
          return;
        }
        readInitialStates(config, context.folder, storage, (states) => {
          if (!states.ok) {
            done(states);
            return;
          }
          this.#populate(
            identifier,
            context,
            backendModel,
            config,
            labels.value,
            samples.value,
            states.value,
            reservation,
            done,
          );
        });
      });
    });
  }

  #populate(
    identifier: ModelIdentifier,
    context: ModelContext,
    backendModel: BackendModel,
    config: ModelConfig,
    labels: ReadonlyMap<string, readonly string[]>,
    samples: readonly WarmupSample[],
    states: InitialStates,
    reservation: Reservation,
    done: (result: Result<LoadedVersion>) => void,
  ): void {
    const { clock, log, metrics } = this.#dependencies;
    const statistics = new VersionStatistics(
      metrics.acquire(identifier, String(context.version), config.metric_tags),
    );
    const specs = instanceSpecs(config);
    this.#createInstances(
      identifier,
      config,
      context.version,
      backendModel,
      specs,
      statistics,
      samples,
      (made) => {
        if (!made.ok) {
          metrics.release(statistics.metrics);
          done(made);
          return;
        }
        const scheduler = createScheduler(config, states, statistics, clock, log);
        done(
          ok(
            new LoadedVersion({
              identifier,
              clock,
              config,
              version: context.version,
              statistics,
              scheduler,
              backendModel,
              warmup: samples,
              instances: made.value,
              labels,
              reservation,
            }),
          ),
        );
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

  /** Creates and warms up instances one after the other; on a failure those already made are released. */
  #createInstances(
    identifier: ModelIdentifier,
    config: ModelConfig,
    version: number,
    backendModel: BackendModel,
    planned: readonly PlannedInstance[],
    statistics: VersionStatistics,
    samples: readonly WarmupSample[],
    done: (result: Result<readonly LoadedInstance[]>) => void,
  ): void {
    const made: LoadedInstance[] = [];
    const next = (): void => {
      const plan = planned[made.length];
      if (plan === undefined) {
        done(ok(made));
        return;
      }
      this.#createInstance(identifier, config, version, backendModel, plan, statistics, samples, (result) => {
        if (result.ok) {
          made.push(result.value);
          next();
        } else {
          this.#dependencies.log.error(`ERROR: Failed to create instance: ${result.error.message}`);
          releaseInstances(made, () => done(result));
        }
      });
    };
    next();
  }

  #createInstance(
    identifier: ModelIdentifier,
    config: ModelConfig,
    version: number,
    backendModel: BackendModel,
    { spec, signature }: PlannedInstance,
    statistics: VersionStatistics,
    samples: readonly WarmupSample[],
    done: (result: Result<LoadedInstance>) => void,
  ): void {
    const { account, clock } = this.#dependencies;
    const owner: AllocationOwner = {
      backend: config.backend,
      model: identifierText(identifier),
      version,
      instance: spec.name,
    };
    const granted = account.reserve(owner, backendModel.predictInstanceMemory(config, spec));
    if (!granted.ok) {
      done(granted);
      return;
    }
    backendModel.createInstance(config, spec, (created) => {
      if (!created.ok) {
        granted.value.release();
        done(created);
        return;
      }
      granted.value.endStaging();
      const slot = new InstanceSlot(spec.name, created.value, statistics, clock);
      const instance: LoadedInstance = { slot, signature, reservation: granted.value };
      runWarmup(slot, samples, clock, (error) => {
        if (error === null) done(ok(instance));
        else releaseInstances([instance], () => done({ ok: false, error }));
      });
    });
  }
}

interface PlannedInstance {
  readonly spec: InstanceSpec;
  readonly signature: string;
}

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
      })),
    );
  });

/** The label files of all outputs: one label a line, by line number. */
const readLabels = (
  storage: Storage,
  config: ModelConfig,
  folder: ModelFolder,
  done: (result: Result<ReadonlyMap<string, readonly string[]>>) => void,
): void => {
  const labels = new Map<string, readonly string[]>();
  const outputs = config.output.filter((output) => output.label_filename !== "");
  const next = (index: number): void => {
    const output = outputs[index];
    if (output === undefined) {
      done(ok(labels));
      return;
    }
    storage.readFile(`${folder.path}/${output.label_filename}`, (read) => {
      if (!read.ok) {
        done(read);
        return;
      }
      labels.set(output.name, new TextDecoder().decode(read.value).split("\n"));
      next(index + 1);
    });
  };
  next(0);
};
