/** Lets one task run at a time, in the order of asking. */
export class Turns {
  readonly #waiting: ((leave: () => void) => void)[] = [];
  #isTaken = false;
  #isRunning = false;

  /** @param task calls `leave` when the next one may run */
  take(task: (leave: () => void) => void): void {
    this.#waiting.push(task);
    this.#run();
  }

  /** Before all that wait already. */
  takeFirst(task: (leave: () => void) => void): void {
    this.#waiting.unshift(task);
    this.#run();
  }

  get isIdle(): boolean {
    return !this.#isTaken && this.#waiting.length === 0;
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let task = this.#next(); task !== undefined; task = this.#next())
      task(() => {
        this.#isTaken = false;
        this.#run();
      });
    this.#isRunning = false;
  }

  #next(): ((leave: () => void) => void) | undefined {
    if (this.#isTaken) return undefined;
    const task = this.#waiting.shift();
    this.#isTaken = task !== undefined;
    return task;
  }
}

/** Turns of their own for everything that has a key. */
export class KeyTurns {
  readonly #turns = new Map<string, Turns>();

  take(key: string, task: (leave: () => void) => void): void {
    const turns = this.#turns.get(key) ?? new Turns();
    this.#turns.set(key, turns);
    turns.take((leave) =>
      task(() => {
        leave();
        if (turns.isIdle) this.#turns.delete(key);
      }),
    );
  }
}
