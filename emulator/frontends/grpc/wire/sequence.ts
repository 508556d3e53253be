/** Runs tasks one after the other, each until it calls `done`; a task that is done before it returns costs no turn. */
export class Sequence {
  readonly #waiting: ((done: () => void) => void)[] = [];
  #busy = false;

  run(task: (done: () => void) => void): void {
    this.#waiting.push(task);
    this.#next();
  }

  #next(): void {
    while (!this.#busy) {
      const task = this.#waiting.shift();
      if (task === undefined) return;
      this.#busy = true;
      task(() => {
        this.#busy = false;
        this.#next();
      });
    }
  }
}
