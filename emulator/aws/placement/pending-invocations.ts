import type { Clock, Timer } from "../../common/clock.ts";

/** Something that has to be over by a time. It is in one list at most. */
export interface Dated<T> {
  readonly deadlineUs: number;
  earlier: T | null;
  later: T | null;
}

/**
 * What is under way, in the order of its deadlines, which is the order of its arrival. One timer serves all: an invocation
 * costs neither a timer nor a search.
 */
export class PendingInvocations<T extends Dated<T>> {
  readonly #clock: Clock;
  readonly #expired: (item: T) => void;
  #first: T | null = null;
  #last: T | null = null;
  #size = 0;
  #timer: Timer | null = null;

  /** @param expired called once it is out of the list */
  constructor(clock: Clock, expired: (item: T) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  get size(): number {
    return this.#size;
  }

  get isEmpty(): boolean {
    return this.#first === null;
  }

  /** @param item whose deadline is no earlier than that of any other */
  add(item: T): void {
    item.earlier = this.#last;
    if (this.#last === null) this.#first = item;
    else this.#last.later = item;
    this.#last = item;
    this.#size++;
    if (this.#timer === null) this.#arm(item.deadlineUs);
  }

  remove(item: T): void {
    this.#size--;
    if (item.earlier === null) this.#first = item.later;
    else item.earlier.later = item.later;
    if (item.later === null) this.#last = item.earlier;
    else item.later.earlier = item.earlier;
    item.earlier = null;
    item.later = null;
  }

  /** Oldest first, as they are now. */
  all(): readonly T[] {
    const items: T[] = [];
    for (let item = this.#first; item !== null; item = item.later) items.push(item);
    return items;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** The timer stays when its item leaves: at most one of them finds nothing to do per period. */
  #arm(atUs: number): void {
    this.#timer = this.#clock.setTimer(Math.max(0, atUs - this.#clock.now()), () => {
      this.#timer = null;
      this.#expire();
    });
  }

  #expire(): void {
    for (let item = this.#first; item !== null; item = this.#first) {
      if (item.deadlineUs > this.#clock.now()) {
        if (this.#timer === null) this.#arm(item.deadlineUs);
        return;
      }
      this.remove(item);
      this.#expired(item);
    }
  }
}
