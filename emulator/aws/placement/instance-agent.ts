import type { Clock } from "../../common/clock.ts";
import type { FaultSource } from "../../core/faults/fault-source.ts";
import type { JournalWriter } from "../../journal/event.ts";
import type { ArtifactStore } from "../artifacts/artifact-store.ts";
import type { Container } from "./container.ts";
import type { EvictionSettings } from "./eviction/presets.ts";
import type { Bytes, MemoryReading, ResidentModel } from "./eviction/resident-model.ts";
import {
  type EndpointIdentity,
  fromPlatform,
  localEndpoint,
  type PlatformAnswer,
} from "./platform-answer.ts";

/** What an instance's platform can see of its memory. */
export interface MemoryGauge {
  /** Null = nothing can be read; then nothing is evicted because of a reading. `disk` of a reading is not looked at. */
  read(): MemoryReading | null;
}

/** A call of InvokeEndpoint. */
export interface Invocation {
  readonly requestId: string;
  readonly targetModel: string;
  /** Those that reach the container, name and value in turn. */
  readonly headers: readonly string[];
  readonly body: Uint8Array;
}

export interface AgentOptions {
  /** Its name in the journal. */
  readonly instance: string;
  readonly container: Container;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly gauge: MemoryGauge;
  readonly disk: { readonly capacityBytes: number };
  readonly settings: EvictionSettings;
  /** `ModelCacheSetting`: false = Disabled. */
  readonly cacheEnabled: boolean;
  readonly seed: number;
  readonly journal: JournalWriter;
  readonly faults: FaultSource;
  readonly endpoint?: EndpointIdentity;
  /** Models that are never evicted, by TargetModel. */
  readonly pinned?: ReadonlySet<string>;
  /** What the memory profile predicts for a model, for the estimate `profile`. */
  readonly profileBytes?: (targetModel: string) => Bytes | null;
  /** When a model will be used next, for `belady`; null = never again. */
  readonly nextUseUs?: (targetModel: string) => number | null;
}

/** The platform on one instance: brings models into the container, keeps it alive, decides who goes when memory is short. */
export class InstanceAgent {
  readonly instance: string;
  readonly #endpoint: EndpointIdentity;

  constructor(options: AgentOptions) {
    this.instance = options.instance;
    this.#endpoint = options.endpoint ?? localEndpoint;
  }

  /** Begins to ping. */
  start(): void {}

  /** Ends pings and timers; what waits is answered with an error. */
  stop(): void {}

  /** Whether the container passes its pings. */
  get healthy(): boolean {
    return true;
  }

  /** Answers each call once, in this turn or later. */
  invoke(call: Invocation, answered: (answer: PlatformAnswer) => void): void {
    answered({
      ...fromPlatform({
        type: "ServiceUnavailable",
        message: `${this.#endpoint.name} cannot serve ${call.targetModel}`,
      }),
      cacheHit: false,
      times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
    });
  }

  /** Models in memory, those on their way in or out among them (busy). Costs a pass over them. */
  residents(): readonly ResidentModel[] {
    return [];
  }
}
