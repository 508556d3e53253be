import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import type { TritonError } from "../../common/status.ts";
import { cacheKey } from "../response-cache/cache-key.ts";
import type { ResponseCache } from "../response-cache/response-cache.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import type { InferenceRequest, InferenceResponse } from "../tensor/inference-request.ts";
import type { InstanceSlot } from "./instance-slot.ts";
import type { Scheduler } from "./scheduler.ts";

export interface CachingParts {
  readonly cache: ResponseCache;
  readonly model: string;
  readonly version: string;
  readonly statistics: VersionStatistics;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Looks a request up in the response cache before it is queued (spec/triton-core.md 4.5; seen on 2.51.0). A hit is answered at
 * once, with a full queue too and before others that came earlier. What an instance or an ensemble answers is kept, a failure
 * of an instance as an answer without outputs; what the queue refuses and what fails in an ensemble is not.
 */
export class CachingScheduler implements Scheduler {
  readonly #inner: Scheduler;
  readonly #parts: CachingParts;
  #stopped = false;

  constructor(inner: Scheduler, parts: CachingParts) {
    this.#inner = inner;
    this.#parts = parts;
  }

  get inflight(): number {
    return this.#inner.inflight;
  }

  get waiting(): number {
    return this.#inner.waiting;
  }

  stop(): void {
    this.#stopped = true;
    this.#inner.stop();
  }

  whenIdle(run: () => void): void {
    this.#inner.whenIdle(run);
  }

  setInstances(slots: readonly InstanceSlot[], onUnused: (slot: InstanceSlot) => void): void {
    this.#inner.setInstances(slots, onUnused);
  }

  enqueue(request: InferenceRequest): TritonError | null {
    if (this.#stopped) return this.#inner.enqueue(request);
    const { cache, model, version, statistics, clock } = this.#parts;
    const queuedUs = clock.now();
    const key = cacheKey(model, version, request.inputs);
    const startUs = clock.now();
    const outputs = cache.lookup(key);
    const lookupUs = clock.now() - startUs;
    if (outputs === null) {
      request.onExecuted = (response) => {
        // The real server traces what it keeps a second time.
        request.trace?.backendOutputs(response.outputs);
        this.#keep(key, response, lookupUs);
        request.keptInCache = true;
      };
      return this.#inner.enqueue(request);
    }
    request.queuedUs = queuedUs;
    request.trace?.queueStart(queuedUs, request.inputs);
    request.trace?.backendOutputs(outputs);
    request.respond({ final: true, outputs });
    statistics.recordCacheHit(request.arrivedUs, startUs - queuedUs, lookupUs, clock.now());
    request.end(null);
    return null;
  }

  #keep(key: string, { outputs }: InferenceResponse, lookupUs: number): void {
    const { cache, statistics, clock, log } = this.#parts;
    const startUs = clock.now();
    const error = cache.insert(key, outputs);
    // The same request ran twice at once: neither told nor counted.
    if (error?.code === "ALREADY_EXISTS") return;
    if (error !== null) log.error(`Failed to insert key [${key}] into response cache: ${error.message}`);
    statistics.recordCacheMiss(lookupUs + clock.now() - startUs);
  }
}
