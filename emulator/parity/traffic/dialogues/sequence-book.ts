/** A sequence that is not over. */
interface Open {
  readonly key: string;
  /** Requests that wait for it to get a slot. */
  waiting: number;
  ended: boolean;
  hasSlot: boolean;
}

/** What becomes of a request, as far as a generator must know it. */
export interface Outcome {
  /** It waits for a slot that another sequence has. */
  readonly held: boolean;
  /** How many requests wait afterwards, for slots too. */
  readonly left: number;
}

/** Which sequences have slots and which wait for one, so that no dialogue waits for ever. */
export class SequenceBook {
  readonly #capacity: number;
  readonly #open = new Map<string, Open>();
  readonly #backlog: Open[] = [];
  #used = 0;

  /** @param capacity sequences that all instances hold together */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Whether a new sequence would get a slot at once. */
  get hasRoom(): boolean {
    return this.#used < this.#capacity;
  }

  get waiting(): number {
    return this.#backlog.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  isOpen(key: string): boolean {
    return this.#open.has(key);
  }

  hasSlot(key: string): boolean {
    return this.#open.get(key)?.hasSlot === true;
  }

  /** Sequences that have a slot, in the order in which they began. */
  keysWithSlot(): string[] {
    return [...this.#open.values()].filter(({ hasSlot }) => hasSlot).map(({ key }) => key);
  }

  /** Whether a request would wait for a slot. */
  waits(key: string, start: boolean): boolean {
    const sequence = this.#open.get(key);
    return sequence === undefined ? start && !this.hasRoom : !sequence.hasSlot;
  }

  /** @param expires where it waits, its timeout is over before the next step, for all of its sequence */
  record(key: string, start: boolean, end: boolean, expires = false): Outcome {
    let sequence = this.#open.get(key);
    if (sequence === undefined) {
      if (!start) return { held: false, left: this.waiting };
      sequence = { key, waiting: 0, ended: false, hasSlot: false };
      this.#open.set(key, sequence);
      this.#backlog.push(sequence);
      this.#fill();
    }
    const held = !sequence.hasSlot;
    if (held) sequence.waiting++;
    if (end) {
      this.#open.delete(key);
      sequence.ended = true;
      if (!held) this.#used--;
    }
    if (held && expires) {
      this.#backlog.splice(this.#backlog.indexOf(sequence), 1);
      if (this.#open.get(key) === sequence) this.#open.delete(key);
    }
    this.#fill();
    return { held, left: this.waiting };
  }

  /** All were silent for too long. */
  forget(): void {
    this.#open.clear();
    this.#used = 0;
  }

  #fill(): void {
    while (this.hasRoom) {
      const next = this.#backlog.shift();
      if (next === undefined) return;
      next.hasSlot = true;
      if (!next.ended) this.#used++;
    }
  }
}
