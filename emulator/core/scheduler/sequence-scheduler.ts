import type { Clock, Timer } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { TritonError } from "../../common/status.ts";
import type { ModelConfig, ModelSequenceBatching } from "../model-config/model-config.ts";
import type { VersionStatistics } from "../statistics/version-statistics.ts";
import { InferenceRequest, type InferenceResponse, type InputTensor } from "../tensor/inference-request.ts";
import type { InstanceSlot } from "./instance-slot.ts";
import type { Scheduler } from "./scheduler.ts";
import { SequenceControls } from "./sequence-controls.ts";
import type { InitialStates } from "./sequence-states.ts";

type SequenceKey = string;

/** One open sequence. Its requests run one at a time, in order, on one instance. */
interface Sequence {
  readonly key: SequenceKey;
  readonly waiting: InferenceRequest[];
  place: Place | null;
  running: boolean;
  /** Values of the implicit states after the last request. */
  states: InitialStates;
  /** States whose input and output no longer share their buffer. */
  readonly split: Set<string>;
  lastUs: number;
  /** Clock time after which it waits in the backlog no longer; Infinity = never. */
  expiresUs: number;
}

/** An instance and the sequences it holds; a hole is a free slot. */
interface Place {
  readonly slot: InstanceSlot;
  readonly sequences: (Sequence | null)[];
  timer: Timer | null;
  /** Set where the instance is to go: called when its last sequence has left. */
  whenEmpty: (() => void) | null;
}

const keyOf = (id: number | bigint | string): SequenceKey => (typeof id === "string" ? `s${id}` : `n${id}`);

/**
 * Sequence batching (spec/triton-core.md 4.2, seen on 2.51.0). `direct` gives every sequence a slot of its own in the
 * batch of one instance; `oldest` holds a number of candidate sequences and batches their oldest requests. A sequence
 * that finds no slot waits in a backlog, as long as the shortest timeout of its requests says; one that is silent for
 * too long loses its slot without notice.
 */
export class SequenceScheduler implements Scheduler {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #config: ModelConfig;
  readonly #batching: ModelSequenceBatching;
  readonly #statistics: VersionStatistics;
  readonly #controls: SequenceControls;
  readonly #initialStates: InitialStates;
  readonly #open = new Map<SequenceKey, Sequence>();
  readonly #backlog: Sequence[] = [];
  readonly #given = new WeakMap<InferenceRequest, number>();
  #lastGiven = 0;
  #places: Place[] = [];
  #inflight = 0;
  #stopped = false;
  #idleTimer: Timer | null = null;
  #backlogTimer: Timer | null = null;
  #whenIdle: (() => void)[] = [];

  constructor(
    config: ModelConfig,
    batching: ModelSequenceBatching,
    initialStates: InitialStates,
    statistics: VersionStatistics,
    clock: Clock,
    log: Log,
  ) {
    this.#config = config;
    this.#batching = batching;
    this.#initialStates = initialStates;
    this.#statistics = statistics;
    this.#clock = clock;
    this.#log = log;
    this.#controls = new SequenceControls(batching, config.max_batch_size > 0);
  }

  get inflight(): number {
    return this.#inflight;
  }

  get waiting(): number {
    return this.#statistics.metrics.pending;
  }

  stop(): void {
    this.#stopped = true;
  }

  whenIdle(run: () => void): void {
    if (this.#inflight === 0) this.#end(run);
    else this.#whenIdle.push(run);
  }

  setInstances(slots: readonly InstanceSlot[], onUnused: (slot: InstanceSlot) => void): void {
    const known = new Map(this.#places.map((place) => [place.slot, place]));
    const capacity =
      this.#batching.oldest?.max_candidate_sequences ?? Math.max(1, this.#config.max_batch_size);
    this.#places = slots.map(
      (slot) =>
        known.get(slot) ?? {
          slot,
          sequences: new Array<Sequence | null>(Math.max(1, capacity)).fill(null),
          timer: null,
          whenEmpty: null,
        },
    );
    this.#fillSlots();
    for (const [slot, place] of known) {
      if (slots.includes(slot)) continue;
      place.whenEmpty = () => onUnused(slot);
      this.#leaveWhenEmpty(place);
    }
  }

  #leaveWhenEmpty(place: Place): void {
    if (
      place.whenEmpty === null ||
      place.slot.busy ||
      place.sequences.some((sequence) => sequence !== null)
    ) {
      return;
    }
    const { whenEmpty } = place;
    place.whenEmpty = null;
    whenEmpty();
  }

  enqueue(request: InferenceRequest): TritonError | null {
    const { name } = this.#config;
    const given = this.#givenId(request);
    const id = given ?? request.sequenceId;
    request.queuedUs = this.#clock.now();
    // The real server shows no inputs here (2.51.0).
    request.trace?.queueStart(request.queuedUs, noInputs);
    if (request.batchSize > 1) {
      return invalid(
        `inference request to model '${name}' must specify batch-size 1 due to requirements of sequence batcher`,
      );
    }
    if (id === "" || id === 0 || id === 0n) {
      return invalid(
        `inference request to model '${name}' must specify a non-zero or non-empty correlation ID`,
      );
    }
    const key = keyOf(id);
    let sequence = this.#open.get(key);
    if (sequence === undefined) {
      if (!request.sequenceStart && given === undefined) {
        return invalid(
          `inference request for sequence ${id} to model '${name}' must specify the START flag on the first request of the sequence`,
        );
      }
      if (this.#stopped) {
        return new TritonError(
          "UNAVAILABLE",
          "Server is stopping, scheduler for model has stopped accepting new inference requests",
        );
      }
      sequence = {
        key,
        waiting: [],
        place: null,
        running: false,
        states: this.#initialStates,
        split: new Set(),
        lastUs: 0,
        expiresUs: Number.POSITIVE_INFINITY,
      };
      this.#open.set(key, sequence);
      this.#backlog.push(sequence);
    } else if (request.sequenceStart) {
      this.#log.warning(
        `sequence ${id} for model '${name}' has a conflict. The previous sequence did not end before this sequence start. Previous sequence will be terminated early.`,
      );
    }
    sequence.lastUs = request.queuedUs;
    sequence.waiting.push(request);
    this.#inflight++;
    this.#statistics.metrics.pending++;
    // After the end of a sequence its id is free again, although the sequence itself still runs.
    if (this.#isLast(request)) this.#open.delete(key);
    this.#watchIdle();
    this.#fillSlots();
    if (sequence.place !== null) this.#consider(sequence.place);
    else if (request.timeoutUs > 0) {
      sequence.expiresUs = Math.min(sequence.expiresUs, request.queuedUs + request.timeoutUs);
      this.#watchBacklog();
    }
    return null;
  }

  /** Where sequences are iterative, a request that names none gets one of its own, counted from 1 (2.51.0). */
  #givenId(request: InferenceRequest): number | undefined {
    const { sequenceId: id } = request;
    if (!this.#batching.iterative_sequence || (id !== "" && id !== 0 && id !== 0n)) return undefined;
    this.#given.set(request, ++this.#lastGiven);
    return this.#lastGiven;
  }

  /** An iterative sequence ends with a request that its backend does not schedule again, which none of ours does. */
  #isLast(request: InferenceRequest): boolean {
    return request.sequenceEnd || this.#batching.iterative_sequence;
  }

  /** Gives free slots to the sequences that wait longest. */
  #fillSlots(): void {
    while (this.#backlog.length > 0) {
      const place = this.#emptiest();
      if (place === null) break;
      const sequence = this.#backlog.shift()!;
      place.sequences[place.sequences.indexOf(null)] = sequence;
      sequence.place = place;
      sequence.lastUs = this.#clock.now();
      this.#consider(place);
    }
    if (this.#backlogTimer !== null) this.#watchBacklog();
  }

  /** Looks again when the first sequence of the backlog has waited too long. */
  #watchBacklog(): void {
    this.#backlogTimer?.cancel();
    this.#backlogTimer = null;
    let nextUs = Number.POSITIVE_INFINITY;
    for (const { expiresUs } of this.#backlog) nextUs = Math.min(nextUs, expiresUs);
    if (nextUs === Number.POSITIVE_INFINITY) return;
    this.#backlogTimer = this.#clock.setTimer(Math.max(0, nextUs - this.#clock.now()), () => {
      this.#rejectExpired();
      this.#watchBacklog();
    });
  }

  /** All requests of a sequence that expires are refused, those without a timeout too (2.51.0). */
  #rejectExpired(): void {
    const nowUs = this.#clock.now();
    for (const sequence of this.#backlog.filter(({ expiresUs }) => expiresUs <= nowUs)) {
      this.#backlog.splice(this.#backlog.indexOf(sequence), 1);
      if (this.#open.get(sequence.key) === sequence) this.#open.delete(sequence.key);
      for (const request of sequence.waiting) this.#reject(request, nowUs);
    }
    this.#answerIdle();
  }

  #reject(request: InferenceRequest, nowUs: number): void {
    this.#statistics.metrics.pending--;
    this.#inflight--;
    this.#statistics.recordFailure("REJECTED", request.arrivedUs, nowUs);
    const error = new TritonError("UNAVAILABLE", "timeout of the corresponding sequence has been expired");
    request.respond({ final: true, error, outputs: [] });
    request.end(null);
  }

  #emptiest(): Place | null {
    let best: Place | null = null;
    let bestFree = 0;
    for (const place of this.#places) {
      const free = place.sequences.filter((sequence) => sequence === null).length;
      if (free > bestFree) {
        best = place;
        bestFree = free;
      }
    }
    return best;
  }

  /** Runs a batch on an instance if it is free, something waits, and no delay says otherwise. */
  #consider(place: Place): void {
    if (place.slot.busy) return;
    const ready = place.sequences.filter(
      (sequence): sequence is Sequence =>
        sequence !== null && sequence.waiting.length > 0 && !sequence.running,
    );
    if (ready.length === 0) return;
    place.timer?.cancel();
    const wait = this.#delay(place, ready);
    if (wait > 0) place.timer = this.#clock.setTimer(wait, () => this.#runNow(place));
    else this.#clock.defer(() => this.#runNow(place));
  }

  /** Microseconds to wait for more requests; 0 = go. */
  #delay(place: Place, ready: readonly Sequence[]): number {
    const { direct, oldest } = this.#batching;
    const delayUs = oldest?.max_queue_delay_microseconds ?? direct?.max_queue_delay_microseconds ?? 0;
    if (delayUs === 0) return 0;
    if (oldest !== undefined) {
      const enough = Math.min(this.#batchLimit(), ...oldest.preferred_batch_size);
      if (ready.length >= enough) return 0;
    } else if (ready.length / place.sequences.length >= (direct?.minimum_slot_utilization ?? 0)) return 0;
    const oldestUs = Math.min(...ready.map((sequence) => sequence.waiting[0]!.queuedUs));
    return Math.max(0, delayUs - (this.#clock.now() - oldestUs));
  }

  #batchLimit(): number {
    return Math.max(1, this.#config.max_batch_size);
  }

  #runNow(place: Place): void {
    if (place.slot.busy) return;
    place.timer?.cancel();
    const chosen = this.#batching.oldest === undefined ? this.#directRows(place) : this.#oldestRows(place);
    if (chosen.length === 0) return;
    const batch: InferenceRequest[] = [];
    const owners: (Sequence | null)[] = [];
    for (const sequence of chosen) {
      owners.push(sequence);
      if (sequence === null) batch.push(this.#padding(batch, chosen));
      else batch.push(this.#prepare(sequence));
    }
    place.slot.run(
      batch,
      (index, response) => this.#respond(batch[index]!, owners[index]!, response),
      () => this.#finish(place, batch, owners),
    );
  }

  /** Slots up to the last one that has something; a slot without is kept by a padding row, where rows can be. */
  #directRows(place: Place): (Sequence | null)[] {
    const rows: (Sequence | null)[] = [];
    let last = 0;
    let first: InferenceRequest | null = null;
    for (const sequence of place.sequences) {
      const next = sequence?.waiting[0];
      const fits = next !== undefined && (first === null || sameShapes(first, next));
      if (fits) first ??= next;
      rows.push(fits ? sequence : null);
      if (fits) last = rows.length;
    }
    return rows.slice(0, last);
  }

  #oldestRows(place: Place): Sequence[] {
    const ready = place.sequences.filter(
      (sequence): sequence is Sequence => sequence !== null && sequence.waiting.length > 0,
    );
    ready.sort((a, b) => a.waiting[0]!.queuedUs - b.waiting[0]!.queuedUs);
    const first = ready[0]?.waiting[0];
    if (first === undefined) return [];
    return ready.filter(({ waiting }) => sameShapes(first, waiting[0]!)).slice(0, this.#batchLimit());
  }

  /** Takes a sequence's next request and adds its controls and states. */
  #prepare(sequence: Sequence): InferenceRequest {
    const request = sequence.waiting.shift()!;
    this.#statistics.metrics.pending--;
    sequence.running = true;
    if (request.sequenceStart) {
      sequence.states = this.#initialStates;
      sequence.split.clear();
    }
    request.inputs = [
      ...request.inputs,
      ...this.#controls.tensorsOf(request, this.#given.get(request)),
      ...sequence.states.values(),
    ];
    return request;
  }

  /** Inputs like those of a real row, all zero; the answer goes nowhere and nothing is counted. */
  #padding(before: readonly InferenceRequest[], chosen: readonly (Sequence | null)[]): InferenceRequest {
    const owner = chosen.find((sequence) => sequence !== null)!;
    const model = before[0] ?? owner.waiting[0]!;
    const states = owner.waiting[0]?.sequenceStart === true ? this.#initialStates : owner.states;
    const own = new Set(this.#config.input.map((input) => input.name));
    const zeros: InputTensor[] = model.inputs
      .filter((input) => own.has(input.name))
      .map((input) => ({ ...input, data: new Uint8Array(input.data.length) }));
    const request = new InferenceRequest({
      inputs: [
        ...zeros,
        ...this.#controls.paddingTensors(),
        ...[...states.values()].map((state) => this.#emptyLike(state)),
      ],
      respond: () => {},
    });
    request.batchSize = model.batchSize;
    request.padding = true;
    return request;
  }

  /** A state whose rows fit beside those of another: free dimensions are as long as its. */
  #emptyLike(state: InputTensor): InputTensor {
    const initial = this.#initialStates.get(state.name);
    if (initial !== undefined && state.datatype === "BYTES") return initial;
    return { ...state, data: new Uint8Array(state.data.length) };
  }

  #respond(request: InferenceRequest, sequence: Sequence | null, response: InferenceResponse): void {
    if (sequence === null) return;
    if (this.#batching.state.length === 0) {
      request.respond(response);
      return;
    }
    const next = new Map(sequence.states);
    for (const state of this.#batching.state) {
      const { input_name, output_name, use_same_buffer_for_input_output: isOneBuffer } = state;
      const before = next.get(input_name);
      const output = response.outputs.find(({ name }) => name === output_name);
      if (output === undefined || before === undefined || sequence.split.has(input_name)) continue;
      // What does not fit into the buffer of both gets one of its own, which no input is read from any more (2.51.0).
      const fits = output.datatype === "BYTES" || output.data.length === before.data.length;
      if (isOneBuffer && !fits) sequence.split.add(input_name);
      else next.set(input_name, { ...output, name: input_name });
    }
    sequence.states = next;
    if (response.error !== undefined) {
      request.respond({ ...response, outputs: [] });
      return;
    }
    // A state is answered only where the configuration lists it among the outputs and the client wants it.
    const wanted = request.requestedOutputs;
    const shown = new Set(
      this.#config.output
        .map(({ name }) => name)
        .filter((name) => wanted.length === 0 || wanted.includes(name)),
    );
    request.respond({ ...response, outputs: response.outputs.filter(({ name }) => shown.has(name)) });
  }

  #finish(place: Place, batch: readonly InferenceRequest[], owners: readonly (Sequence | null)[]): void {
    for (const [index, sequence] of owners.entries()) {
      if (sequence === null) continue;
      sequence.running = false;
      sequence.lastUs = this.#clock.now();
      this.#inflight--;
      if (this.#isLast(batch[index]!)) this.#release(sequence);
    }
    this.#fillSlots();
    this.#consider(place);
    this.#leaveWhenEmpty(place);
    this.#answerIdle();
  }

  #answerIdle(): void {
    if (this.#inflight > 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const run of waiting) this.#end(run);
  }

  #release(sequence: Sequence): void {
    const { place } = sequence;
    if (place === null) return;
    const index = place.sequences.indexOf(sequence);
    if (index >= 0) place.sequences[index] = null;
    sequence.place = null;
  }

  /** Looks again when the sequence that is silent for the longest time could lose its slot. */
  #watchIdle(): void {
    if (this.#idleTimer !== null || this.#open.size === 0) return;
    const limit = this.#batching.max_sequence_idle_microseconds;
    const now = this.#clock.now();
    let nextUs = Number.POSITIVE_INFINITY;
    for (const sequence of this.#open.values()) {
      nextUs = Math.min(nextUs, (isSilent(sequence) ? sequence.lastUs : now) + limit);
    }
    this.#idleTimer = this.#clock.setTimer(nextUs - now, () => {
      this.#idleTimer = null;
      this.#releaseSilent();
      this.#watchIdle();
    });
  }

  #releaseSilent(): void {
    const sinceUs = this.#clock.now() - this.#batching.max_sequence_idle_microseconds;
    for (const sequence of [...this.#open.values()]) {
      if (!isSilent(sequence) || sequence.lastUs > sinceUs) continue;
      const place = sequence.place!;
      this.#open.delete(sequence.key);
      this.#release(sequence);
      this.#leaveWhenEmpty(place);
    }
    this.#fillSlots();
  }

  #end(run: () => void): void {
    this.#idleTimer?.cancel();
    run();
  }
}

const noInputs: readonly InputTensor[] = [];

const invalid = (message: string): TritonError => new TritonError("INVALID_ARG", message);

/** Holds a slot and does nothing with it. */
const isSilent = (sequence: Sequence): boolean =>
  sequence.place !== null && !sequence.running && sequence.waiting.length === 0;

const sameShapes = (a: InferenceRequest, b: InferenceRequest): boolean =>
  a.inputs.length === b.inputs.length &&
  a.inputs.every((input) => {
    const other = b.inputs.find(({ name }) => name === input.name);
    return other !== undefined && input.shape.every((dim, index) => dim === other.shape[index]);
  });
