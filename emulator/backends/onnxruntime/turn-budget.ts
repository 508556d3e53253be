/**
 * How long one turn of the event loop may be held, so that connections and timers are served between the turns however
 * much work is queued.
 */
export class TurnBudget {
  readonly #limitUs: number;
  #spentUs = 0;

  constructor(limitUs: number) {
    this.#limitUs = limitUs;
  }

  get left(): boolean {
    return this.#spentUs < this.#limitUs;
  }

  spend(us: number): void {
    if (this.#spentUs === 0) {
      setImmediate(() => {
        this.#spentUs = 0;
      });
    }
    // A clock that did not move still counts, so that the turn is known to have begun.
    this.#spentUs += Math.max(1, us);
  }
}
