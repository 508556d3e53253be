import type { ModelDynamicBatching, ModelQueuePolicy } from "../model-config/model-config.ts";
import type { InferenceRequest } from "../tensor/inference-request.ts";

interface Level {
  readonly policy: ModelQueuePolicy;
  readonly waiting: Waiting[];
  /** Timed out with action DELAY: served after everything else of the level. */
  readonly delayed: Waiting[];
}

interface Waiting {
  readonly request: InferenceRequest;
  /** Clock time in microseconds after which the request has waited too long; Infinity = never. */
  readonly expiresUs: number;
}

const noPolicy: ModelQueuePolicy = {
  timeout_action: "REJECT",
  default_timeout_microseconds: 0,
  allow_timeout_override: false,
  max_queue_size: 0,
};

/** The queue of a dynamic batcher: priority levels, each with a timeout and size policy (spec/triton-core.md 4.1). */
export class PolicyQueue {
  readonly #levels: readonly Level[];
  readonly #defaultLevel: number;
  #size = 0;

  constructor(batching: ModelDynamicBatching) {
    const count = Math.max(1, batching.priority_levels);
    const policyOf = (priority: number) =>
      batching.priority_queue_policy.get(String(priority)) ?? batching.default_queue_policy ?? noPolicy;
    this.#levels = Array.from({ length: count }, (_, index) => ({
      policy: policyOf(index + 1),
      waiting: [],
      delayed: [],
    }));
    // Without levels nobody has checked it, and all wait in one queue (2.51.0).
    this.#defaultLevel = Math.min(count, Math.max(1, batching.default_priority_level));
  }

  get size(): number {
    return this.#size;
  }

  /** Batches may be formed ahead of a free instance only where nothing depends on a request's place in the queue. */
  get allowsPrefetch(): boolean {
    return (
      this.#levels.length === 1 &&
      this.#levels.every(
        ({ policy }) =>
          policy.default_timeout_microseconds === 0 &&
          !policy.allow_timeout_override &&
          policy.max_queue_size === 0,
      )
    );
  }

  /** False when the request's level is full. */
  push(request: InferenceRequest, nowUs: number): boolean {
    const priority = request.priority;
    const level =
      this.#levels[(priority < 1 || priority > this.#levels.length ? this.#defaultLevel : priority) - 1]!;
    const { policy } = level;
    if (policy.max_queue_size > 0 && level.waiting.length + level.delayed.length >= policy.max_queue_size) {
      return false;
    }
    let timeoutUs = policy.default_timeout_microseconds;
    // A request's own timeout can only shorten a default that is there.
    if (policy.allow_timeout_override && request.timeoutUs > 0 && request.timeoutUs < timeoutUs) {
      timeoutUs = request.timeoutUs;
    }
    level.waiting.push({
      request,
      expiresUs: timeoutUs === 0 ? Number.POSITIVE_INFINITY : nowUs + timeoutUs,
    });
    this.#size++;
    return true;
  }

  /** Takes out what has waited too long (action REJECT), or puts it behind the others of its level (DELAY). */
  rejectExpired(nowUs: number, onExpired: (request: InferenceRequest) => void): void {
    for (const level of this.#levels) {
      for (const entry of extract(level.waiting, ({ expiresUs }) => expiresUs <= nowUs)) {
        if (level.policy.timeout_action === "DELAY") level.delayed.push(entry);
        else {
          this.#size--;
          onExpired(entry.request);
        }
      }
    }
  }

  /** Clock time at which the next waiting request expires; Infinity = none does. */
  nextExpiryUs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { waiting } of this.#levels) {
      for (const { expiresUs } of waiting) next = Math.min(next, expiresUs);
    }
    return next;
  }

  dropCancelled(onCancelled: (request: InferenceRequest) => void): void {
    for (const { waiting, delayed } of this.#levels) {
      for (const list of [waiting, delayed]) {
        for (const { request } of extract(list, (entry) => entry.request.cancelled)) {
          this.#size--;
          onCancelled(request);
        }
      }
    }
  }

  /** Waiting requests in the order in which they are served. */
  *[Symbol.iterator](): Iterator<InferenceRequest> {
    for (const level of this.#levels) {
      for (const { request } of level.waiting) yield request;
      for (const { request } of level.delayed) yield request;
    }
  }

  /** Removes the first `count` requests in serving order and returns them. */
  take(count: number): InferenceRequest[] {
    const taken: InferenceRequest[] = [];
    for (const level of this.#levels) {
      for (const list of [level.waiting, level.delayed]) {
        if (taken.length === count) break;
        for (const { request } of list.splice(0, count - taken.length)) taken.push(request);
      }
    }
    this.#size -= taken.length;
    return taken;
  }
}

/** Removes the entries that match and returns them; both keep their order. */
const extract = (list: Waiting[], matches: (entry: Waiting) => boolean): Waiting[] => {
  const taken: Waiting[] = [];
  let kept = 0;
  for (const entry of list) {
    if (matches(entry)) taken.push(entry);
    else list[kept++] = entry;
  }
  list.length = kept;
  return taken;
};
