interface Waiting {
  readonly keys: readonly string[];
  readonly run: () => void;
}

/** Lets what needs the same keys run one after the other, in the order of asking. All keys of one asking are taken at once. */
export class KeyLocks {
  readonly #held = new Set<string>();
  readonly #waiting: Waiting[] = [];
  #running = false;

  /** Calls `run` when it has the keys. @param first before all that wait already */
  acquire(keys: readonly string[], run: () => void, first = false): void {
    const waiting = { keys, run };
    if (first) this.#waiting.unshift(waiting);
    else this.#waiting.push(waiting);
    this.#runWaiting();
  }

  /** Takes more keys for somebody who has some; false = not all are free, and none was taken. */
  extend(keys: readonly string[]): boolean {
    if (keys.some((key) => this.#held.has(key))) return false;
    for (const key of keys) this.#held.add(key);
    return true;
  }

  isHeld(key: string): boolean {
    return this.#held.has(key);
  }

  release(keys: readonly string[]): void {
    for (const key of keys) this.#held.delete(key);
    this.#runWaiting();
  }

  #runWaiting(): void {
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#takeNext(); next !== null; next = this.#takeNext()) next.run();
    this.#running = false;
  }

  #takeNext(): Waiting | null {
    const wanted = new Set<string>();
    for (const [index, waiting] of this.#waiting.entries()) {
      if (!waiting.keys.some((key) => this.#held.has(key) || wanted.has(key))) {
        this.#waiting.splice(index, 1);
        for (const key of waiting.keys) this.#held.add(key);
        return waiting;
      }
      for (const key of waiting.keys) wanted.add(key);
    }
    return null;
  }
}
