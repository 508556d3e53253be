/** Lets tasks run side by side, and holds the next ones back while somebody looks at a server that has nothing to do. */
export class Gate {
  #running = 0;
  #closed: PromiseWithResolvers<void> | null = null;
  #empty: (() => void) | null = null;

  async run(task: () => Promise<void>): Promise<void> {
    while (this.#closed !== null) await this.#closed.promise;
    this.#running++;
    try {
      await task();
    } finally {
      if (--this.#running === 0) this.#empty?.();
    }
  }

  /** Runs `look` while no task does. */
  async whileClosed(look: () => Promise<void>): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#closed = closed;
    await new Promise<void>((resolve) => {
      this.#empty = resolve;
      if (this.#running === 0) resolve();
    });
    this.#empty = null;
    try {
      await look();
    } finally {
      this.#closed = null;
      closed.resolve();
    }
  }
}
