import type { Clock } from "../common/clock.ts";
import type { EventBody, EventSubject, JournalEvent, JournalWriter } from "./event.ts";
import { eventText } from "./event-text.ts";

/** About 40 MB of events. */
const DEFAULT_LIMIT = 100_000;

/** What the first line says; its date comes from the clock. */
export type RunDescription = Omit<Extract<EventBody, { event: "run" }>, "event" | "epochMs">;

export interface JournalOptions {
  readonly clock: Clock;
  readonly run: RunDescription;
  /** Events that are kept; the oldest go first. 0 = none: then it only tells its listeners. Default 100,000. */
  readonly limit?: number;
}

/** Which events: those that meet all that is said. */
export interface JournalQuery {
  /** Events about it, evictions that chose it, and kills for its sake. */
  readonly model?: string;
  readonly request?: string;
  readonly instance?: string;
  /** Not before this time of the clock. */
  readonly sinceUs?: number;
}

/** The one record of what happened. Everything that tells, draws or asserts reads it; nothing is recorded twice. */
export class Journal implements JournalWriter {
  /** The first line; it is never dropped. */
  readonly run: JournalEvent;
  readonly #clock: Clock;
  readonly #limit: number;
  /** A ring: number n lies at `n % limit`. */
  #ring: JournalEvent[] = [];
  #end = 0;
  #start = 0;
  #dropped = 0;
  readonly #listeners = new Set<(event: JournalEvent) => void>();

  constructor(options: JournalOptions) {
    this.#clock = options.clock;
    this.#limit = options.limit ?? DEFAULT_LIMIT;
    this.run = this.#timed({ event: "run", ...options.run, epochMs: options.clock.epochMs() });
  }

  get enabled(): boolean {
    return this.#limit > 0 || this.#listeners.size > 0;
  }

  write(event: EventSubject & EventBody): void {
    if (!this.enabled) return;
    const timed = this.#timed(event);
    if (this.#limit > 0) this.#keep(timed);
    for (const listener of this.#listeners) listener(timed);
  }

  /** Calls it with each event from now on, in this turn. @returns what ends it */
  listen(listener: (event: JournalEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The number that the next event will have; the first event after `run` has 0. */
  get end(): number {
    return this.#end;
  }

  /** The number of the oldest event that is kept. */
  get start(): number {
    return this.#start;
  }

  /** How many events were dropped for the limit's sake. */
  get dropped(): number {
    return this.#dropped;
  }

  /** By number; undefined = dropped, cleared, or still to come. */
  at(number: number): JournalEvent | undefined {
    return number < this.#start || number >= this.#end ? undefined : this.#ring[number % this.#limit];
  }

  /** `run`, then what was dropped where something was, then the events asked for, oldest first. */
  events(query: JournalQuery = {}): readonly JournalEvent[] {
    const found: JournalEvent[] = [this.run];
    if (this.#dropped > 0) {
      found.push({
        event: "dropped",
        count: this.#dropped,
        atUs: this.at(this.#start)?.atUs ?? this.run.atUs,
      });
    }
    for (let number = this.#start; number < this.#end; number++) {
      const event = this.#ring[number % this.#limit]!;
      if (matches(event, query)) found.push(event);
    }
    return found;
  }

  /** The same as JSON lines: what `readJournal` reads. */
  text(query: JournalQuery = {}): string {
    return this.events(query)
      .map((event) => `${eventText(event)}\n`)
      .join("");
  }

  /** Forgets all events but `run`. Numbers go on. */
  clear(): void {
    this.#ring = [];
    this.#start = this.#end;
    this.#dropped = 0;
  }

  #timed(event: EventSubject & EventBody): JournalEvent {
    return { ...event, atUs: Math.round(this.#clock.now()) };
  }

  #keep(event: JournalEvent): void {
    this.#ring[this.#end % this.#limit] = event;
    this.#end++;
    if (this.#end - this.#start > this.#limit) {
      this.#start++;
      this.#dropped++;
    }
  }
}

export const matches = (event: JournalEvent, query: JournalQuery): boolean =>
  (query.sinceUs === undefined || event.atUs >= query.sinceUs) &&
  (query.request === undefined || event.request === query.request) &&
  (query.instance === undefined || event.instance === query.instance) &&
  (query.model === undefined || isAbout(event, query.model));

const isAbout = (event: JournalEvent, model: string): boolean =>
  event.model === model ||
  (event.event === "eviction" && event.victims.some((victim) => victim.model === model)) ||
  (event.event === "killed" && event.newcomer === model);
