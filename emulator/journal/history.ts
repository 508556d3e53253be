import type { EventName, JournalEvent } from "./event.ts";

export type EventOf<Name extends EventName> = Extract<JournalEvent, { event: Name }>;

/** A request as the journal knows it. */
export interface RequestHistory {
  readonly id: string;
  readonly invocation: EventOf<"invocation">;
  /** Null = not answered yet. */
  answer: EventOf<"answer"> | null;
}

/** A time that a model spent in the memory of an instance. */
export interface Stay {
  readonly instance: string | undefined;
  readonly model: string;
  /** What brought it in; a state only where no platform is in front. */
  begin: EventOf<"load-answer" | "model-state">;
  /** Its process died: it looks ready still, and answers errors. */
  killed: EventOf<"killed"> | null;
  end: StayEnd | null;
}

export interface StayEnd {
  /** When it was gone; of an unload, its answer. */
  readonly atUs: number;
  /** `load`: somebody had to load it though it had not been seen to go. */
  readonly event: EventOf<"unload" | "load" | "container-died" | "reset" | "model-state">;
  /** The decision behind the unload; null = none. */
  readonly eviction: EventOf<"eviction"> | null;
}

/** A model on an instance. */
export interface Resident {
  readonly instance: string | undefined;
  readonly model: string;
}

interface ModelHistory extends Resident {
  readonly stays: Stay[];
  readonly requests: RequestHistory[];
  readonly failedLoads: EventOf<"load-answer">[];
  readonly bytes: EventOf<"bytes">[];
  lastEviction: EventOf<"eviction"> | null;
  /** Asked for and not answered. */
  unload: EventOf<"unload"> | null;
  /** Triton's own states are in the journal, so that it shows whether a load has really loaded. */
  hasStates: boolean;
}

/** The events of a journal, put together by request and by model. Made in one pass. */
export class History {
  readonly events: readonly JournalEvent[];
  /** Of the last event, or now. */
  readonly endUs: number;
  /** Lines are missing before the first event. */
  readonly isCut: boolean;
  /** A platform decides what is loaded and unloaded. */
  readonly hasPlatform: boolean;
  readonly #requests = new Map<string, RequestHistory>();
  /** The first event of what is no invocation: a load that somebody asked the container for himself. */
  readonly #operations = new Map<string, JournalEvent>();
  readonly #models = new Map<string, ModelHistory>();
  readonly #endpoints = new Map<string, EventOf<"endpoint-status">[]>();

  /** @param nowUs where time has gone on since the last event */
  constructor(events: readonly JournalEvent[], nowUs = 0) {
    this.events = events;
    this.endUs = Math.max(nowUs, events.at(-1)?.atUs ?? 0);
    const [run] = events;
    this.hasPlatform = run?.event !== "run" || run.policy !== null;
    this.isCut = events.some(({ event }) => event === "dropped");
    for (const event of events) this.#read(event);
  }

  /** Where an id was used more than once: the last. */
  request(id: string): RequestHistory | undefined {
    return this.#requests.get(id);
  }

  /** The first event of a request that is no invocation. */
  operation(id: string): JournalEvent | undefined {
    return this.#requests.has(id) ? undefined : this.#operations.get(id);
  }

  requestIds(): readonly string[] {
    return [...new Set([...this.#operations.keys(), ...this.#requests.keys()])];
  }

  modelNames(): readonly string[] {
    return [...new Set([...this.#models.values()].map(({ model }) => model))];
  }

  endpointNames(): readonly string[] {
    return [...this.#endpoints.keys()];
  }

  /** In all regions. */
  endpointStatuses(endpoint: string): readonly EventOf<"endpoint-status">[] {
    return this.#endpoints.get(endpoint) ?? [];
  }

  /** The last that was written before a time; undefined = none, or it is not known in which region. */
  endpointStatusAt(endpoint: string, atUs: number): EventOf<"endpoint-status"> | undefined {
    const statuses = this.endpointStatuses(endpoint);
    const [first] = statuses;
    return statuses.every(({ region }) => region === first?.region)
      ? statuses.findLast((status) => status.atUs <= atUs)
      : undefined;
  }

  /** The instances that a model was known on. */
  instancesOf(model: string): readonly Resident[] {
    return [...this.#models.values()].filter((known) => known.model === model);
  }

  staysOf(resident: Resident): readonly Stay[] {
    return this.#models.get(keyOf(resident))?.stays ?? [];
  }

  requestsOf(resident: Resident): readonly RequestHistory[] {
    return this.#models.get(keyOf(resident))?.requests ?? [];
  }

  failedLoadsOf(resident: Resident): readonly EventOf<"load-answer">[] {
    return this.#models.get(keyOf(resident))?.failedLoads ?? [];
  }

  bytesOf(resident: Resident): readonly EventOf<"bytes">[] {
    return this.#models.get(keyOf(resident))?.bytes ?? [];
  }

  /** The last stay that began before a time. */
  stayBefore(resident: Resident, atUs: number): Stay | undefined {
    return this.staysOf(resident).findLast(({ begin }) => begin.atUs < atUs);
  }

  /** Requests that are not answered at a time. @param residents a model, on all instances or one */
  inFlight(residents: readonly Resident[], atUs: number): number {
    return residents
      .flatMap((resident) => this.requestsOf(resident))
      .filter(({ invocation, answer }) => invocation.atUs <= atUs && (answer === null || answer.atUs >= atUs))
      .length;
  }

  /** For how long nobody has used it; `busy` = a request is in flight; null = nobody ever has. */
  idleUs(resident: Resident, atUs: number): number | "busy" | null {
    let lastUs: number | null = null;
    for (const { invocation, answer } of this.requestsOf(resident)) {
      if (invocation.atUs > atUs) break;
      if (answer === null || answer.atUs > atUs) return "busy";
      lastUs = Math.max(lastUs ?? 0, answer.atUs);
    }
    return lastUs === null ? null : atUs - lastUs;
  }

  #read(event: JournalEvent): void {
    const { model, instance, request } = event;
    // Who strikes knows no instance.
    const known = model === undefined || event.event === "fault" ? null : this.#modelOf({ instance, model });
    if (request !== undefined && !this.#operations.has(request)) this.#operations.set(request, event);
    switch (event.event) {
      case "invocation":
        if (request !== undefined) {
          const made = { id: request, invocation: event, answer: null };
          this.#requests.set(request, made);
          known?.requests.push(made);
        }
        return;
      case "answer": {
        const asked = this.#requests.get(request ?? "");
        if (asked !== undefined) asked.answer = event;
        return;
      }
      case "endpoint-status": {
        const { endpoint = "" } = event;
        const statuses = this.#endpoints.get(endpoint);
        if (statuses === undefined) this.#endpoints.set(endpoint, [event]);
        else statuses.push(event);
        return;
      }
      case "load":
        // The platform loads only what it has learned is not there; others may load what is.
        if (this.hasPlatform && known?.stays.at(-1)?.begin.event === "load-answer") {
          this.#leave(known, event);
        }
        return;
      case "load-answer":
        if (known === null) return;
        if (isLoaded(event.status)) this.#enter(known, event);
        else known.failedLoads.push(event);
        return;
      case "bytes":
        known?.bytes.push(event);
        return;
      case "eviction":
        for (const victim of event.victims) {
          this.#modelOf({ instance, model: victim.model }).lastEviction = event;
        }
        return;
      case "unload":
        if (known !== null) known.unload = event;
        return;
      case "unload-answer":
        if (known === null) return;
        if (isGone(event.status)) this.#leave(known, event);
        known.unload = null;
        known.lastEviction = null;
        return;
      case "killed": {
        const open = known?.stays.at(-1);
        if (open !== undefined && open.end === null) open.killed ??= event;
        return;
      }
      case "model-state":
        if (known === null) return;
        known.hasStates = true;
        if (event.state === "READY") this.#enter(known, event);
        else if (event.state === "UNAVAILABLE") this.#leave(known, event);
        return;
      case "container-died":
        for (const other of this.#models.values()) {
          if (other.instance === instance) this.#leave(other, event);
        }
        return;
      case "reset":
        if (event.scope !== "all" && event.scope !== "models") return;
        for (const other of this.#models.values()) this.#leave(other, event);
        return;
      default:
        return;
    }
  }

  #modelOf(resident: Resident): ModelHistory {
    const key = keyOf(resident);
    const known = this.#models.get(key) ?? {
      instance: resident.instance,
      model: resident.model,
      stays: [],
      requests: [],
      failedLoads: [],
      bytes: [],
      lastEviction: null,
      unload: null,
      hasStates: false,
    };
    this.#models.set(key, known);
    return known;
  }

  #enter(known: ModelHistory, begin: EventOf<"load-answer" | "model-state">): void {
    const open = known.stays.at(-1);
    const isOpen = open !== undefined && open.end === null;
    if (isOpen && open.killed === null) {
      // The container's answer says more than the state that came before it.
      if (open.begin.event === "model-state" && begin.event === "load-answer") open.begin = begin;
      return;
    }
    if (isOpen) {
      if (begin.event === "load-answer" && known.hasStates) return;
      if (begin.event === "model-state") open.end = { atUs: begin.atUs, event: begin, eviction: null };
    }
    known.stays.push({ instance: known.instance, model: known.model, begin, killed: null, end: null });
  }

  #leave(
    known: ModelHistory,
    event: EventOf<"load" | "unload-answer" | "container-died" | "reset" | "model-state">,
  ): void {
    const open = known.stays.at(-1);
    if (open === undefined || open.end !== null) return;
    const { atUs } = event;
    // Triton's state changes before the container answers.
    if (known.unload !== null && (event.event === "unload-answer" || event.event === "model-state")) {
      open.end = { atUs, event: known.unload, eviction: known.lastEviction };
    } else if (event.event !== "unload-answer") open.end = { atUs, event, eviction: null };
  }
}

/** 409: it was there already. */
const isLoaded = (status: number | null): boolean =>
  status !== null && ((status >= 200 && status < 300) || status === 409);

/** 404: it was not there any more. */
const isGone = (status: number | null): boolean =>
  status !== null && ((status >= 200 && status < 300) || status === 404);

const keyOf = ({ instance, model }: Resident): string => `${instance ?? ""}\n${model}`;
