/**
 * Decides which runs may block the main thread. A run may, if runs of the same shapes were seen to be very short; the
 * first runs of any shapes go to a worker, which reports how long they took. Models whose time follows from the values
 * of their inputs never get here (`runTimeFollowsShapes`).
 */
export class InlineLane {
  /** Best time seen for each set of shapes, in microseconds; Infinity = never run. */
  readonly #times = new Map<string, ShapeTimes>();
  #last: ShapeTimes | null = null;
  #bestOfRow = Number.POSITIVE_INFINITY;
  #row = 0;
  #open = true;

  /** False once inline runs turned out slow: then for good. */
  get open(): boolean {
    return this.#open;
  }

  /** @param byteLength of all inputs together */
  admits(shapes: readonly (readonly number[])[], byteLength: number): boolean {
    if (!this.#open || byteLength > MAX_INPUT_BYTES) return false;
    const times = this.#find(shapes);
    return times !== null && times.runs >= RUNS_BEFORE_INLINE && times.best < INLINE_LIMIT_US;
  }

  /** A run in a worker took `us` microseconds. */
  learn(shapes: readonly (readonly number[])[], us: number): void {
    if (!this.#open) return;
    let times = this.#find(shapes);
    if (times === null) {
      if (this.#times.size >= MAX_SHAPES) return;
      times = { shapes: shapes.map((shape) => [...shape]), runs: 0, best: Number.POSITIVE_INFINITY };
      this.#times.set(keyOf(shapes), times);
    }
    times.runs++;
    times.best = Math.min(times.best, us);
  }

  /**
   * An inline run took `us` microseconds. A slow model is slow every time, the machine interrupts only now and then: so
   * the best of some runs in a row decides.
   */
  observe(us: number): void {
    this.#bestOfRow = Math.min(this.#bestOfRow, us);
    if (++this.#row < ROW) return;
    if (this.#bestOfRow > SLOW_US) this.#open = false;
    this.#row = 0;
    this.#bestOfRow = Number.POSITIVE_INFINITY;
  }

  #find(shapes: readonly (readonly number[])[]): ShapeTimes | null {
    if (this.#last !== null && sameShapes(this.#last.shapes, shapes)) return this.#last;
    const found = this.#times.get(keyOf(shapes)) ?? null;
    if (found !== null) this.#last = found;
    return found;
  }
}

interface ShapeTimes {
  readonly shapes: readonly (readonly number[])[];
  runs: number;
  best: number;
}

const MAX_INPUT_BYTES = 65536;
const INLINE_LIMIT_US = 100;
const RUNS_BEFORE_INLINE = 2;
const SLOW_US = 500;
const ROW = 8;
/** Shape sets remembered; a model with more dynamic shapes than this runs the others in workers. */
const MAX_SHAPES = 256;

const keyOf = (shapes: readonly (readonly number[])[]): string =>
  shapes.map((shape) => shape.join(",")).join(";");

const sameShapes = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    const left = a[i]!;
    const right = b[i]!;
    if (left.length !== right.length) return false;
    for (let j = 0; j < left.length; j++) {
      if (left[j] !== right[j]) return false;
    }
  }
  return true;
};
