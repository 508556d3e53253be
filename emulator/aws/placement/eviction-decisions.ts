import type { Clock } from "../../common/clock.ts";
import type { JournalWriter, PoolReading } from "../../journal/event.ts";
import { estimates } from "./eviction/estimates.ts";
import type { EvictionSettings } from "./eviction/presets.ts";
import {
  type Bytes,
  type Measure,
  type MemoryReading,
  measuredPools,
  newPolicyMemory,
  type PolicyMemory,
  type ResidentModel,
} from "./eviction/resident-model.ts";
import { selectVictims } from "./eviction/select-victims.ts";
import { type Firing, type Occasion, type TriggerName, triggers } from "./eviction/triggers.ts";
import type { MemorySampler } from "./memory-sampler.ts";

export interface EvictionDecisionsOptions {
  readonly instance: string;
  readonly settings: EvictionSettings;
  readonly sampler: MemorySampler;
  readonly clock: Clock;
  readonly seed: number;
  readonly journal: JournalWriter;
}

export type NamedFiring = Firing & { readonly trigger: TriggerName };

/** A model as an estimate sees it. */
export interface EstimatedModel {
  readonly artifactBytes: number;
  readonly profileBytes: Bytes | null;
  readonly lastLoadBytes: Bytes | null;
}

/** What a decision goes by where memory cannot be read: nothing is ever full. */
const unknownReading: MemoryReading = {
  used: { host: 0, gpu: 0, disk: 0 },
  capacity: {
    host: Number.POSITIVE_INFINITY,
    gpu: Number.POSITIVE_INFINITY,
    disk: Number.POSITIVE_INFINITY,
  },
};

/** The pure functions of eviction/ with what they need to know of an instance, and the journal's line of each decision. */
export class EvictionDecisions {
  readonly #options: EvictionDecisionsOptions;
  #memory: PolicyMemory;
  /** Capacity of all GPUs; null = not read yet. */
  #gpu: number | null = null;

  constructor(options: EvictionDecisionsOptions) {
    this.#options = options;
    this.#memory = newPolicyMemory(options.seed);
  }

  /** See `ResidentModel.inflationAtLastUse`. */
  get inflation(): number {
    return this.#memory.inflation;
  }

  /** The first trigger that fires. @param residents as far as a trigger for this occasion looks at them */
  fire(occasion: Occasion, residents: readonly ResidentModel[]): NamedFiring | null {
    const { settings, sampler } = this.#options;
    const reading = sampler.sample()?.reading ?? unknownReading;
    for (const trigger of settings.triggers) {
      const firing = triggers[trigger]({ occasion, residents, reading }, settings);
      if (firing !== null) return { ...firing, trigger };
    }
    return null;
  }

  /** What a model is expected to take: the estimate for the host, and for the GPUs where there are any. */
  estimate({ artifactBytes, profileBytes, lastLoadBytes }: EstimatedModel): Bytes {
    const { settings } = this.#options;
    const bytes = (pool: "host" | "gpu"): number =>
      estimates[settings.estimate]({
        artifactBytes,
        profileBytes: profileBytes?.[pool] ?? null,
        lastLoadBytes: lastLoadBytes?.[pool] ?? null,
      });
    return { host: bytes("host"), gpu: this.#hasGpu() ? bytes("gpu") : 0, disk: 0 };
  }

  /** A machine does not change, so it is looked at until it could be read. */
  #hasGpu(): boolean {
    this.#gpu ??= this.#options.sampler.sample()?.reading.capacity.gpu ?? null;
    return this.#gpu !== null && this.#gpu > 0;
  }

  /**
   * Who goes, in this order.
   * @param newcomer for whom room is made, and its estimate
   * @param request that caused it
   */
  choose(
    firing: NamedFiring,
    residents: readonly ResidentModel[],
    newcomer: { readonly model: string; readonly need: Bytes },
    request: string,
  ): readonly ResidentModel[] {
    const { instance, settings, sampler, clock, journal } = this.#options;
    const nowUs = clock.now();
    const sample = sampler.sample();
    const { need } = newcomer;
    const { victims, enough, memory } = selectVictims(
      settings,
      {
        nowUs,
        residents,
        reading: sample?.reading ?? unknownReading,
        need,
        leastVictims: firing.action === "make-room" ? firing.leastVictims : 0,
      },
      this.#memory,
    );
    this.#memory = memory;
    journal.write({
      instance,
      model: newcomer.model,
      request,
      event: "eviction",
      trigger: firing.trigger,
      because: firing.because,
      rule: `${settings.victims}, ${settings.howMany}`,
      reading: sample === null ? [] : poolsOf(sample.reading),
      readingAgeUs: sample?.ageUs ?? 0,
      needHostBytes: need.host,
      needGpuBytes: need.gpu,
      victims: victims.map(({ name, bytes, lastUseUs, uses }) => ({
        model: name,
        hostBytes: bytes.host,
        gpuBytes: bytes.gpu,
        idleUs: nowUs - lastUseUs,
        uses,
      })),
      enough,
      ...(firing.trigger === "high-utilisation" || settings.howMany === "until-estimate-fits"
        ? { highWater: settings.highWater, measured: measuredPoolNames(settings.measure) }
        : {}),
    });
    return victims;
  }
}

const measuredPoolNames = (measure: Measure): readonly PoolReading["pool"][] =>
  measuredPools(measure).map((pool) => (pool === "gpu" ? "gpu:0" : pool));

/** All GPUs of an instance count as one here. */
const poolsOf = ({ used, capacity }: MemoryReading): readonly PoolReading[] => [
  { pool: "host", used: used.host, capacity: capacity.host },
  ...(capacity.gpu > 0 ? [{ pool: "gpu:0" as const, used: used.gpu, capacity: capacity.gpu }] : []),
];
