/**
 * Measured on 2.51.0: 24 callers that load and unload ended it with SIGSEGV or SIGABRT after 6,000 to 24,000 overlaps; 8 and 3
 * callers met 7,500 and 900 times, and it lived on.
 */
const FATAL_OVERLAPS = 16_000;

/**
 * The race of loads and unloads in the real server's container API, which ends it sooner or later (server#8571, fixed in 26.01).
 * Here it ends when each of them has met so many others that it would have, on average.
 */
export class LoadUnloadRace {
  readonly #threads: number;
  #running = 0;
  #overlaps = 0;

  /** @param threads `--sagemaker-thread-count`: more of them cannot meet */
  constructor(threads: number) {
    this.#threads = threads;
  }

  /** A load or an unload begins. @returns to be called when it is answered; null = the server ends over it */
  begin(): (() => void) | null {
    this.#overlaps += Math.min(this.#running, this.#threads - 1);
    if (this.#overlaps >= FATAL_OVERLAPS) return null;
    this.#running++;
    return () => {
      this.#running--;
    };
  }
}
