import type { Clock, Timer } from "./clock.ts";

interface Entry {
  /** On this clock, microseconds. */
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  handle: NodeJS.Timeout | undefined;
}

/** Node rings at once for what is further away. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** So long after what a move set off it is looked, in real time, for what follows from that. */
const SETTLING_MS = 50;
/** Turns without work after which nothing more is expected. */
const QUIET_TURNS = 4;

/**
 * The machine's clock, which can be moved ahead, never back: time is the machine's and all moves. Timers do not keep the
 * process alive.
 */
export class SystemClock implements Clock {
  /** All moves, in whole milliseconds: both ways to read the clock agree. */
  #movedMs = 0;
  #order = 0;
  readonly #entries = new Set<Entry>();
  /** Work under way, oldest first; each has a number. */
  readonly #held = new Set<number>();
  #holds = 0;
  /** The last move; the next one begins after it. */
  #moves: Promise<void> = Promise.resolve();

  now(): number {
    return performance.now() * 1000 + this.#movedMs * 1000;
  }

  epochMs(): number {
    return this.machineEpochMs() + this.#movedMs;
  }

  /** What the machine says, whatever the moves. */
  machineEpochMs(): number {
    return Date.now();
  }

  setTimer(delayUs: number, run: () => void): Timer {
    const at = this.now() + Math.max(0, delayUs);
    const entry: Entry = { at, order: this.#order++, run, handle: undefined };
    this.#arm(entry, delayUs);
    this.#entries.add(entry);
    return {
      cancel: () => {
        if (this.#entries.delete(entry)) clearTimeout(entry.handle);
      },
    };
  }

  defer(run: () => void): void {
    setImmediate(run);
  }

  hold(): () => void {
    const number = this.#holds++;
    this.#held.add(number);
    return () => {
      this.#held.delete(number);
    };
  }

  /**
   * Moves to `now + byUs`, running every timer due on the way at its time and in order, those they set included. Before each
   * step it waits, in real time, for the work that is under way. Resolves when the time has come, and what it set off has
   * settled. Moves asked for meanwhile follow one after the other.
   */
  advance(byUs: number): Promise<void> {
    this.#moves = this.#moves.then(() => this.#advance(byUs));
    return this.#moves;
  }

  async #advance(byUs: number): Promise<void> {
    const endUs = this.now() + byUs;
    try {
      for (;;) {
        await this.#settle();
        const next = this.#next();
        if (next === null || next.at > endUs) break;
        this.#moveTo(next.at);
        this.#runDue();
      }
      this.#moveTo(endUs);
      await this.#settle();
    } finally {
      // What is still to come was set for a time that is now nearer.
      for (const entry of this.#entries) {
        clearTimeout(entry.handle);
        this.#arm(entry, entry.at - this.now());
      }
    }
  }

  /**
   * Until nothing is held for a few turns. Who calls without a pause does not hold time up: once all that was under way at
   * first has ended, there is a limit.
   */
  async #settle(): Promise<void> {
    const before = this.#holds;
    const limitMs = performance.now() + SETTLING_MS;
    for (let quiet = 0; quiet < QUIET_TURNS; ) {
      await (this.#held.size === 0 ? turn() : moment());
      this.#runDue();
      quiet = this.#held.size === 0 ? quiet + 1 : 0;
      const [oldest = before] = this.#held;
      if (oldest >= before && performance.now() > limitMs) return;
    }
  }

  #runDue(): void {
    const nowUs = this.now();
    for (let next = this.#next(); next !== null && next.at <= nowUs; next = this.#next()) {
      clearTimeout(next.handle);
      this.#fire(next);
    }
  }

  #next(): Entry | null {
    let first: Entry | null = null;
    for (const entry of this.#entries)
      if (first === null || entry.at < first.at || (entry.at === first.at && entry.order < first.order))
        first = entry;
    return first;
  }

  #fire(entry: Entry): void {
    if (this.#entries.delete(entry)) entry.run();
  }

  #moveTo(us: number): void {
    this.#movedMs += Math.max(0, Math.ceil((us - this.now()) / 1000));
  }

  #arm(entry: Entry, delayUs: number): void {
    const delayMs = Math.max(0, delayUs) / 1000;
    const ring =
      delayMs > LONGEST_DELAY_MS ? () => this.#arm(entry, entry.at - this.now()) : () => this.#fire(entry);
    entry.handle = setTimeout(ring, Math.min(delayMs, LONGEST_DELAY_MS)).unref();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));
