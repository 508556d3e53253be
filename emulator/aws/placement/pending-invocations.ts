import type { Clock, Timer } from "../../common/clock.ts";
import { type Linked, LinkedList } from "../../common/linked-list.ts";

/** Something that has to be over by a time. */
export interface Dated<T> extends Linked<T> {
  readonly deadlineUs: number;
}

/**
 * What is under way, in the order of its deadlines, which is the order of its arrival. One timer serves all: an invocation
 * costs neither a timer nor a search.
 */
export class PendingInvocations<T extends Dated<T>> {
  readonly #clock: Clock;
  readonly #expired: (item: T) => void;
  readonly #list = new LinkedList<T>();
  #timer: Timer | null = null;

  /** @param expired called once it is out of the list */
  constructor(clock: Clock, expired: (item: T) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  get size(): number {
    return this.#list.size;
  }

  get isEmpty(): boolean {
    return this.#list.size === 0;
  }

  /** @param item whose deadline is no earlier than that of any other */
  add(item: T): void {
    this.#list.add(item);
    if (this.#timer === null) this.#arm(item.deadlineUs);
  }

  remove(item: T): void {
    this.#list.remove(item);
  }

  /** Oldest first, as they are now. */
  all(): readonly T[] {
    return this.#list.all();
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
    for (let item = this.#list.first; item !== null; item = this.#list.first) {
      if (item.deadlineUs > this.#clock.now()) {
        if (this.#timer === null) this.#arm(item.deadlineUs);
        return;
      }
      this.remove(item);
      this.#expired(item);
    }
  }
}
