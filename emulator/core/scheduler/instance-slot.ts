import type { Clock } from "../../common/clock.ts";
import type { ExecutionReport, ModelInstance } from "../backend.ts";
import type { FailureReason } from "../statistics/model-metrics.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import type { InferenceRequest, InferenceResponse } from "../tensor/inference-request.ts";

/** Called for each response of a batch; `index` is the place in the batch. */
export type BatchResponder = (index: number, response: InferenceResponse) => void;

/** One instance and its statistics: runs one batch at a time and counts what became of it. */
export class InstanceSlot {
  readonly name: string;
  readonly instance: ModelInstance;
  readonly #statistics: VersionStatistics;
  readonly #clock: Clock;
  #busy = false;
  #whenFree: (() => void) | null = null;

  constructor(name: string, instance: ModelInstance, statistics: VersionStatistics, clock: Clock) {
    this.name = name;
    this.instance = instance;
    this.#statistics = statistics;
    this.#clock = clock;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Calls back once when no batch runs; for an instance that is given no more work. */
  whenFree(run: () => void): void {
    if (this.#busy) this.#whenFree = run;
    else run();
  }

  /**
   * Runs a batch. `onFree` comes after the last response, when the instance can take the next batch. Statistics are
   * written after the answers are given away, as in the real server.
   * @param respond null = each request's own sink
   */
  run(batch: readonly InferenceRequest[], respond: BatchResponder | null, onFree: () => void): void {
    this.#busy = true;
    const failed = new Array<FailureReason | null>(batch.length).fill(null);
    this.instance.execute(batch, {
      respond: (index, response) => {
        if (response.error !== undefined && response.final) failed[index] = "BACKEND";
        batch[index]!.trace?.backendOutputs(response.outputs);
        batch[index]!.onExecuted?.(response);
        if (respond === null) batch[index]!.respond(response);
        else respond(index, response);
      },
      done: (report) => {
        this.#busy = false;
        this.#record(batch, failed, report);
        onFree();
        this.#whenFree?.();
      },
    });
  }

  #record(
    batch: readonly InferenceRequest[],
    failed: readonly (FailureReason | null)[],
    report: ExecutionReport,
  ): void {
    const now = this.#clock.now();
    const statistics = this.#statistics;
    let rows = 0;
    for (let i = 0; i < batch.length; i++) {
      const request = batch[i]!;
      rows += Math.max(1, request.batchSize);
      if (request.padding) continue;
      const reason = failed[i]!;
      if (reason === null)
        statistics.recordSuccess(request.batchSize, request.arrivedUs, request.queuedUs, now, report);
      else if (report.isUntold !== true) statistics.recordFailure(reason, request.arrivedUs, now);
      request.trace?.computed(report);
      request.end(reason === null ? report : null);
    }
    if (!report.success) return;
    statistics.metrics.recordExecution();
    statistics.recordExecution(rows, report, this.#clock.epochMs());
  }
}
