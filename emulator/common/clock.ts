/** A pending timer. Cancelling one that has run, or twice, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The only source of time for the core. Times are microseconds; fractions carry the nanoseconds of statistics. */
export interface Clock {
  /** Microseconds since an arbitrary start; never goes back. */
  now(): number;
  /** Milliseconds since 1970, for what the wire reports as a date. */
  epochMs(): number;
  /** Runs `run` after `delayUs` microseconds; equal deadlines run in the order they were set. */
  setTimer(delayUs: number, run: () => void): Timer;
  /** Runs `run` when the current turn's work has been gathered: requests that arrive together may batch together. */
  defer(run: () => void): void;
  /**
   * Work begins that takes the machine's time and not this clock's, such as reading a file: whoever moves the clock waits for
   * it. @returns to be called at its end
   */
  hold(): () => void;
}
