import type { Clock } from "../../common/clock.ts";
import type { TritonError } from "../../common/status.ts";
import type { ModelConfig, ModelEnsembling } from "../model-config/model-config.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import type { InferenceRequest } from "../tensor/inference-request.ts";
import type { FindMember } from "./ensemble-member.ts";
import { EnsemblePlan } from "./ensemble-plan.ts";
import { EnsembleRun } from "./ensemble-run.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * Serves the requests of an ensemble by requests to its members: every step as soon as its inputs are there
 * (spec/triton-core.md 4.3, seen on 2.51.0). It has no queue and no instances; its members have.
 */
export class EnsembleScheduler implements Scheduler {
  readonly #plan: EnsemblePlan;
  readonly #findMember: FindMember;
  readonly #decoupled: boolean;
  readonly #statistics: VersionStatistics;
  readonly #clock: Clock;
  #inflight = 0;
  #whenIdle: (() => void)[] = [];

  constructor(
    config: ModelConfig,
    scheduling: ModelEnsembling,
    findMember: FindMember,
    statistics: VersionStatistics,
    clock: Clock,
  ) {
    this.#plan = new EnsemblePlan(config, scheduling);
    this.#findMember = findMember;
    this.#decoupled = config.model_transaction_policy?.decoupled ?? false;
    this.#statistics = statistics;
    this.#clock = clock;
  }

  get inflight(): number {
    return this.#inflight;
  }

  get waiting(): number {
    return this.#inflight;
  }

  setInstances(): void {}

  /** It goes on accepting: its members refuse, also the later steps of what is under way (2.51.0). */
  stop(): void {}

  whenIdle(run: () => void): void {
    if (this.#inflight === 0) run();
    else this.#whenIdle.push(run);
  }

  /** What goes wrong in a step is answered, never returned. */
  enqueue(request: InferenceRequest): TritonError | null {
    request.queuedUs = this.#clock.now();
    request.trace?.queueStart(request.queuedUs, request.inputs);
    this.#inflight++;
    const parts = {
      plan: this.#plan,
      decoupled: this.#decoupled,
      findMember: this.#findMember,
      statistics: this.#statistics,
      clock: this.#clock,
    };
    new EnsembleRun(parts, request, () => this.#ended()).start();
    return null;
  }

  #ended(): void {
    this.#inflight--;
    if (this.#inflight > 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const run of waiting) run();
  }
}
