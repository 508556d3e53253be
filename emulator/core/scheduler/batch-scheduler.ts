import type { Clock, Timer } from "../../common/clock.ts";
import { TritonError } from "../../common/status.ts";
import { type InstanceChance, inTheirOrder } from "../instance-chance.ts";
import type { ModelConfig } from "../model-config/model-config.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import type { InferenceRequest, InferenceResponse } from "../tensor/inference-request.ts";
import type { BatchResponder, InstanceSlot } from "./instance-slot.ts";
import { PolicyQueue } from "./policy-queue.ts";
import type { Scheduler } from "./scheduler.ts";

/** How often a waiting batcher of the real server looks at its queue when nothing else wakes it. */
const SWEEP_INTERVAL_US = 500_000;

/** A batch on its way to an instance. It grows until an instance takes it, unless it is closed. */
interface Payload {
  readonly requests: InferenceRequest[];
  rows: number;
  closed: boolean;
}

/**
 * Default and dynamic batching: one queue for all instances of a version (spec/triton-core.md 4.1, seen on 2.51.0).
 * Without `dynamic_batching` every request is an execution of its own, first come first served. With it, what waits
 * while no instance is free leaves together; a queue delay waits for more even when one is free.
 */
export class BatchScheduler implements Scheduler {
  readonly #clock: Clock;
  readonly #statistics: VersionStatistics;
  readonly #queue: PolicyQueue | null;
  readonly #maxBatchSize: number;
  readonly #preferred: ReadonlySet<number>;
  readonly #maxPreferred: number;
  readonly #delayUs: number;
  readonly #prefetch: boolean;
  readonly #equalShapeInputs: ReadonlySet<string> | null;
  readonly #ordered: ResponseOrder | null;
  readonly #chance: InstanceChance;
  #slots: readonly InstanceSlot[] = [];
  #free: InstanceSlot[] = [];
  /** Had no batch since they were loaded. */
  readonly #fresh = new Set<InstanceSlot>();
  readonly #payloads: Payload[] = [];
  #inflight = 0;
  #stopped = false;
  #formingDeferred = false;
  #dispatching = false;
  #timer: Timer | null = null;
  #whenIdle: (() => void)[] = [];

  constructor(
    config: ModelConfig,
    statistics: VersionStatistics,
    clock: Clock,
    chance: InstanceChance = inTheirOrder,
  ) {
    this.#clock = clock;
    this.#chance = chance;
    this.#statistics = statistics;
    this.#maxBatchSize = Math.max(1, config.max_batch_size);
    const batching = config.dynamic_batching;
    this.#queue = batching === undefined ? null : new PolicyQueue(batching);
    this.#preferred = new Set(batching?.preferred_batch_size ?? []);
    this.#maxPreferred = Math.max(0, ...this.#preferred);
    this.#delayUs = batching?.max_queue_delay_microseconds ?? 0;
    this.#prefetch = this.#queue?.allowsPrefetch ?? true;
    this.#equalShapeInputs = inputsThatMustAgree(config);
    this.#ordered = batching?.preserve_ordering === true ? new ResponseOrder() : null;
  }

  get inflight(): number {
    return this.#inflight;
  }

  /** Without dynamic batching every request is with the instances from the start (2.51.0). */
  get waiting(): number {
    return this.#queue === null ? 0 : this.#queue.size + (this.#growing()?.requests.length ?? 0);
  }

  setInstances(slots: readonly InstanceSlot[], onUnused: (slot: InstanceSlot) => void): void {
    const gone = this.#slots.filter((slot) => !slots.includes(slot));
    for (const slot of slots) if (!this.#slots.includes(slot)) this.#fresh.add(slot);
    for (const slot of gone) this.#fresh.delete(slot);
    this.#slots = slots;
    this.#free = slots.filter((slot) => !slot.busy);
    this.#dispatch();
    if (this.#queue !== null && this.#queue.size > 0) this.#form();
    for (const slot of gone) slot.whenFree(() => onUnused(slot));
  }

  stop(): void {
    this.#stopped = true;
  }

  whenIdle(run: () => void): void {
    if (this.#inflight === 0) run();
    else this.#whenIdle.push(run);
  }

  enqueue(request: InferenceRequest): TritonError | null {
    if (this.#stopped) {
      return new TritonError(
        "UNAVAILABLE",
        `${request.logPrefix}Server is stopping, scheduler for model has stopped accepting new inference requests`,
      );
    }
    const now = this.#clock.now();
    request.queuedUs = now;
    request.trace?.queueStart(now, request.inputs);
    if (this.#queue === null) {
      this.#accept(request);
      this.#payloads.push({ requests: [request], rows: Math.max(1, request.batchSize), closed: true });
      this.#dispatch();
      return null;
    }
    if (!this.#queue.push(request, now)) {
      return new TritonError("UNAVAILABLE", `${request.logPrefix}Exceeds maximum queue size`);
    }
    this.#accept(request);
    this.#deferForming();
    return null;
  }

  #accept(request: InferenceRequest): void {
    this.#inflight++;
    this.#statistics.metrics.pending++;
    this.#ordered?.expect(request);
  }

  /** Requests that arrive in one turn are looked at together. */
  #deferForming(): void {
    if (this.#formingDeferred) return;
    this.#formingDeferred = true;
    this.#clock.defer(() => {
      this.#formingDeferred = false;
      this.#form();
    });
  }

  /** Moves waiting requests into payloads as far as the rules allow, and sets a timer for what must wait. */
  #form(): void {
    const queue = this.#queue!;
    // One moment for all: what expires while this goes on is for the timer.
    const nowUs = this.#clock.now();
    queue.rejectExpired(nowUs, (request) =>
      this.#refuse(request, "REJECTED", new TritonError("UNAVAILABLE", "Request timeout expired")),
    );
    // A cancel is only seen when requests are chosen, not by the looks in between (2.51.0).
    if (this.#hasRoom()) {
      queue.dropCancelled((request) => this.#refuse(request, "CANCELED", new TritonError("CANCELLED", "")));
    }
    let waitUs = SWEEP_INTERVAL_US;
    while (queue.size > 0 && this.#hasRoom()) {
      const wait = this.#formOne(queue, nowUs);
      if (wait > 0) {
        waitUs = Math.min(waitUs, wait);
        break;
      }
      this.#dispatch();
    }
    this.#timer?.cancel();
    this.#timer = queue.size > 0 ? this.#clock.setTimer(waitUs, () => this.#form()) : null;
  }

  /** The payload that may still grow: the last one, while no instance has taken it. */
  #growing(): Payload | null {
    const last = this.#payloads.at(-1);
    return last !== undefined && !last.closed ? last : null;
  }

  #hasRoom(): boolean {
    if (this.#slots.length === 0) return false;
    if (!this.#prefetch) return this.#free.length > 0 && this.#payloads.length === 0;
    return this.#growing() !== null || this.#payloads.length < 2 * this.#slots.length;
  }

  /** Decides on one payload. Answers 0 when requests were moved, else the microseconds to wait for more. */
  #formOne(queue: PolicyQueue, nowUs: number): number {
    const growing = this.#growing();
    const base = growing?.rows ?? 0;
    let pending = 0;
    let count = 0;
    let bestRows = 0;
    let bestCount = 0;
    let complete = false;
    let oldestUs = Number.POSITIVE_INFINITY;
    const first = growing?.requests[0];
    let model: InferenceRequest | undefined = first;
    for (const request of queue) {
      const rows = Math.max(1, request.batchSize);
      if (base + count > 0) {
        if (base + pending + rows > this.#maxPreferred && bestRows === 0 && pending > 0) {
          bestRows = pending;
          bestCount = count;
        }
        if (base + pending + rows > this.#maxBatchSize || !this.#compatible(model!, request)) {
          complete = true;
          break;
        }
      }
      model ??= request;
      pending += rows;
      count++;
      oldestUs = Math.min(oldestUs, request.queuedUs);
      if (this.#preferred.has(base + pending)) {
        bestRows = pending;
        bestCount = count;
      }
    }
    if (count === 0) {
      growing!.closed = true;
      return 0;
    }
    const ageUs = nowUs - oldestUs;
    const overdue = this.#delayUs > 0 && ageUs >= this.#delayUs;
    if (bestRows > 0 && !overdue) {
      this.#move(queue, bestCount, this.#delayUs === 0 || base + bestRows >= this.#maxPreferred);
      return 0;
    }
    if (complete || base + pending >= this.#maxPreferred) {
      this.#move(queue, count, true);
      return 0;
    }
    // A batch that is formed and not of a preferred size takes what comes without a delay of its own.
    const joins = growing !== null && !this.#preferred.has(base);
    if (overdue || joins || this.#delayUs === 0) {
      this.#move(queue, count, false);
      return 0;
    }
    return Math.min(this.#delayUs - ageUs, queue.nextExpiryUs() - nowUs);
  }

  #move(queue: PolicyQueue, count: number, closed: boolean): void {
    let payload = this.#growing();
    if (payload === null) {
      payload = { requests: [], rows: 0, closed: false };
      this.#payloads.push(payload);
    }
    for (const request of queue.take(count)) {
      payload.requests.push(request);
      payload.rows += Math.max(1, request.batchSize);
    }
    payload.closed = closed || payload.rows >= this.#maxBatchSize;
  }

  /** Requests of one batch have the same optional inputs and, where a dimension is variable and not ragged, equal shapes. */
  #compatible(a: InferenceRequest, b: InferenceRequest): boolean {
    const names = this.#equalShapeInputs;
    if (names === null) return true;
    if (a.inputs.length !== b.inputs.length) return false;
    for (const input of a.inputs) {
      const other = b.inputs.find((candidate) => candidate.name === input.name);
      if (other === undefined) return false;
      if (!names.has(input.name)) continue;
      for (let i = 1; i < input.shape.length; i++) if (input.shape[i] !== other.shape[i]) return false;
    }
    return true;
  }

  /** A batch that ends before `run` returns comes back here; the loop that is under way then goes on. */
  #dispatch(): void {
    if (this.#dispatching) return;
    this.#dispatching = true;
    while (this.#free.length > 0 && this.#payloads.length > 0) {
      const slot = this.#fresh.size === 0 ? this.#free.shift()! : this.#takeFree();
      const payload = this.#payloads.shift()!;
      this.#statistics.metrics.pending -= payload.requests.length;
      slot.run(payload.requests, this.#ordered?.responder(payload.requests) ?? null, () => {
        if (this.#slots.includes(slot)) this.#free.push(slot);
        this.#inflight -= payload.requests.length;
        this.#dispatch();
        if (this.#queue !== null && this.#queue.size > 0) this.#form();
        if (this.#inflight === 0) this.#idle();
      });
    }
    this.#dispatching = false;
  }

  /** The one that waits longest; chance decides among those that wait since their load. */
  #takeFree(): InstanceSlot {
    const served = this.#free.findIndex((slot) => !this.#fresh.has(slot));
    const racing = served < 0 ? this.#free : this.#free.slice(0, served);
    const index = racing.length > 1 ? this.#chance.servesNext(racing.map(({ name }) => name)) : 0;
    const [slot] = this.#free.splice(index, 1);
    if (slot === undefined) throw new Error("no instance is free");
    this.#fresh.delete(slot);
    return slot;
  }

  #refuse(request: InferenceRequest, reason: "REJECTED" | "CANCELED", error: TritonError): void {
    const metrics = this.#statistics.metrics;
    metrics.pending--;
    this.#inflight--;
    this.#statistics.recordFailure(reason, request.arrivedUs, this.#clock.now());
    const response: InferenceResponse = { final: true, error, outputs: [] };
    if (this.#ordered === null) request.respond(response);
    else this.#ordered.responder([request])(0, response);
    request.end(null);
    if (this.#inflight === 0) this.#idle();
  }

  #idle(): void {
    const waiting = this.#whenIdle;
    if (waiting.length === 0) return;
    this.#whenIdle = [];
    for (const run of waiting) run();
  }
}

/** Null when any two requests may run together: no variable dimension, nothing optional. */
const inputsThatMustAgree = (config: ModelConfig): ReadonlySet<string> | null => {
  const variable = config.input.filter(
    (input) => !input.allow_ragged_batch && input.dims.some((dim) => dim < 0),
  );
  if (variable.length === 0 && !config.input.some((input) => input.optional)) return null;
  return new Set(variable.map((input) => input.name));
};

/** `preserve_ordering`: holds responses back until those of all earlier requests are out. */
class ResponseOrder {
  readonly #pending = new Map<InferenceRequest, InferenceResponse[]>();

  expect(request: InferenceRequest): void {
    this.#pending.set(request, []);
  }

  responder(batch: readonly InferenceRequest[]): BatchResponder {
    return (index, response) => {
      this.#pending.get(batch[index]!)!.push(response);
      this.#flush();
    };
  }

  /** A Map keeps the order of arrival: its first entry is the oldest request still open. */
  #flush(): void {
    for (const [request, responses] of this.#pending) {
      let finished = false;
      for (const response of responses.splice(0)) {
        request.respond(response);
        finished = response.final;
      }
      if (!finished) return;
      this.#pending.delete(request);
    }
  }
}
