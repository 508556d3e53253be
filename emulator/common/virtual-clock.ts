import type { Clock, Timer } from "./clock.ts";

/** So many cancelled timers may stay in any case. */
const FEW = 64;

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  /** `run` is over when it is out of the heap. */
  state: "set" | "cancelled" | "over";
}

/** A clock that moves only when told to. Equal deadlines run in the order they were set. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #epochMs: number;
  #heap: Entry[] = [];
  /** How many in the heap are. */
  #cancelled = 0;

  /** @param epochMs what `epochMs()` answers at time 0 */
  constructor(epochMs = 0) {
    this.#epochMs = epochMs;
  }

  now(): number {
    return this.#now;
  }

  epochMs(): number {
    return this.#epochMs + Math.floor(this.#now / 1000);
  }

  setTimer(delayUs: number, run: () => void): Timer {
    const entry: Entry = {
      at: this.#now + Math.max(0, delayUs),
      order: this.#order++,
      run,
      state: "set",
    };
    this.#push(entry);
    return {
      cancel: () => {
        if (entry.state !== "set") return;
        entry.state = "cancelled";
        this.#cancelled++;
        if (this.#cancelled > FEW && this.#cancelled > this.#heap.length / 2) this.#dropCancelled();
      },
    };
  }

  defer(run: () => void): void {
    this.setTimer(0, run);
  }

  /** What is simulated takes no other time than this clock's. */
  hold(): () => void {
    return () => {};
  }

  /** Moves to `now + byUs`, running every timer due on the way, those they set included. */
  advance(byUs: number): void {
    const end = this.#now + byUs;
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0])
      this.#runNext();
    this.#now = end;
  }

  /** Runs what is due now, without moving time. */
  settle(): void {
    this.advance(0);
  }

  /** Runs timers until none is left; the time is then that of the last one. */
  runAll(): void {
    while (this.#heap.length > 0) this.#runNext();
  }

  #runNext(): void {
    const entry = this.#pop();
    if (entry.state === "cancelled") {
      this.#cancelled--;
      return;
    }
    entry.state = "over";
    this.#now = Math.max(this.#now, entry.at);
    entry.run();
  }

  /** Limits that were met are many and far ahead: they would slow every other timer, and keep what they were for. */
  #dropCancelled(): void {
    const left = this.#heap.filter(({ state }) => state === "set");
    // What is sorted is a heap.
    this.#heap = left.sort((a, b) => (before(a, b) ? -1 : 1));
    this.#cancelled = 0;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return top;
  }
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
