import type { Clock } from "../../common/clock.ts";
import type { TritonError } from "../../common/status.ts";
import type { BackendModel } from "../backend.ts";
import { RequestValidator } from "../inference/request-validation.ts";
import type { ServableVersion } from "../inference-server.ts";
import type { Reservation } from "../memory/memory-account.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { ModelIdentifier } from "../model-identifier.ts";
import type { EnsembleMember } from "../scheduler/ensemble-member.ts";
import type { InstanceSlot } from "../scheduler/instance-slot.ts";
import type { Scheduler } from "../scheduler/scheduler.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import type { InferenceRequest } from "../tensor/inference-request.ts";
import type { Warmup } from "./warmup.ts";

/** An instance with what was reserved for it. `signature` tells instances apart for an in-place update. */
export interface LoadedInstance {
  readonly slot: InstanceSlot;
  readonly signature: string;
  /** Gets no requests, and is not warmed up. */
  readonly passive: boolean;
  readonly reservation: Reservation;
}

/** Those that serve. Where all are passive the real server dies of the first request; here they serve. */
const servingSlots = (instances: readonly LoadedInstance[]): InstanceSlot[] => {
  const active = instances.filter(({ passive }) => !passive);
  return (active.length > 0 ? active : instances).map(({ slot }) => slot);
};

/** One loaded copy of a model version: everything that serves a request, and what it holds. */
export class LoadedVersion implements ServableVersion, EnsembleMember {
  readonly identifier: ModelIdentifier;
  readonly modelName: string;
  readonly version: number;
  readonly versionText: string;
  readonly decoupled: boolean;
  readonly statistics: VersionStatistics;
  readonly scheduler: Scheduler;
  readonly backendModel: BackendModel;
  /** Run on every instance before it serves. */
  readonly warmup: Warmup | null;
  config: ModelConfig;
  instances: readonly LoadedInstance[];
  readonly #clock: Clock;
  readonly #validator: RequestValidator;
  readonly #labels: ReadonlyMap<string, readonly string[]>;
  readonly #reservation: Reservation;
  /** Ensemble requests that will yet use it. */
  #pins = 0;
  #whenUnpinned: (() => void) | null = null;

  constructor(parts: {
    readonly identifier: ModelIdentifier;
    readonly clock: Clock;
    readonly config: ModelConfig;
    readonly version: number;
    readonly statistics: VersionStatistics;
    readonly scheduler: Scheduler;
    readonly backendModel: BackendModel;
    readonly warmup: Warmup | null;
    readonly instances: readonly LoadedInstance[];
    readonly labels: ReadonlyMap<string, readonly string[]>;
    readonly reservation: Reservation;
  }) {
    this.#clock = parts.clock;
    this.identifier = parts.identifier;
    this.modelName = parts.identifier.name;
    this.version = parts.version;
    this.versionText = String(parts.version);
    this.config = parts.config;
    this.decoupled = parts.config.model_transaction_policy?.decoupled ?? false;
    this.statistics = parts.statistics;
    this.scheduler = parts.scheduler;
    this.backendModel = parts.backendModel;
    this.warmup = parts.warmup;
    this.instances = parts.instances;
    this.#validator = new RequestValidator(parts.config);
    this.#labels = parts.labels;
    this.#reservation = parts.reservation;
    this.scheduler.setInstances(servingSlots(parts.instances), () => {});
  }

  labels(output: string): readonly string[] | null {
    return this.#labels.get(output) ?? null;
  }

  infer(request: InferenceRequest): TritonError | null {
    const invalid = this.check(request);
    if (invalid === null) return this.enqueue(request);
    request.trace?.drop();
    return invalid;
  }

  check(request: InferenceRequest): TritonError | null {
    request.arrivedUs = this.#clock.now();
    return this.#validator.validate(request);
  }

  enqueue(request: InferenceRequest): TritonError | null {
    const { trace } = request;
    trace?.requestStart(this.modelName, this.versionText, request.id, request.arrivedUs);
    const refused = this.scheduler.enqueue(request);
    if (refused !== null) trace?.release();
    return refused;
  }

  pin(): void {
    this.#pins++;
  }

  unpin(): void {
    if (--this.#pins === 0) this.#whenUnpinned?.();
  }

  /** Changes the instances in place; calls back when those that are no longer listed are gone. */
  replaceInstances(config: ModelConfig, instances: readonly LoadedInstance[], done: () => void): void {
    const surplus = new Map(
      this.instances.filter((known) => !instances.includes(known)).map((known) => [known.slot, known]),
    );
    // Whatever else has changed, the version policy, is not shown (2.51.0).
    this.config = { ...this.config, instance_group: config.instance_group };
    const served = servingSlots(this.instances);
    this.instances = instances;
    let left = surplus.size;
    const gone = (slot: InstanceSlot): void => {
      const instance = surplus.get(slot);
      if (instance === undefined) return;
      releaseInstances([instance], () => {
        if (--left === 0) done();
      });
    };
    this.scheduler.setInstances(servingSlots(instances), gone);
    for (const slot of surplus.keys()) if (!served.includes(slot)) gone(slot);
    if (surplus.size === 0) done();
  }

  /** Waits for the last request, then gives everything back. New requests must no longer be sent here, but by ensemble requests that began before. */
  retire(done: () => void): void {
    this.#whenUnused(() => {
      releaseInstances(this.instances, () => {
        this.backendModel.finalize();
        this.#reservation.release();
        done();
      });
    });
  }

  #whenUnused(run: () => void): void {
    this.scheduler.whenIdle(() => {
      if (this.#pins === 0) run();
      else this.#whenUnpinned = () => this.#whenUnused(run);
    });
  }
}

/** Releases instances side by side; calls back when all are gone. None goes where one cannot. */
export const releaseInstances = (instances: readonly LoadedInstance[], done: () => void): void => {
  if (instances.some(({ slot }) => slot.instance.neverGoes === true)) return;
  let left = instances.length;
  if (left === 0) done();
  for (const { slot, reservation } of instances) {
    slot.instance.release(() => {
      reservation.release();
      if (--left === 0) done();
    });
  }
};
