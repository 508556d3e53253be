/** Beyond so many different values they are kept in steps of 1 %. As many as one datum of PutMetricData may carry. */
const MAX_DISTINCT = 150;

const STEP = Math.log(1.01);

/** What was measured within one span of time. The order in which values come does not matter, not even for the last digit. */
export class DataPoint {
  count = 0;
  minimum = Number.POSITIVE_INFINITY;
  maximum = Number.NEGATIVE_INFINITY;
  #sum = 0;
  /** What rounding took from `#sum`. */
  #lost = 0;
  #distribution: Map<number, number> | null = new Map();
  #inSteps = false;

  get sum(): number {
    return this.#sum + this.#lost;
  }

  /** Numbers that it holds, for a limit of memory. */
  get size(): number {
    return 8 + 2 * (this.#distribution?.size ?? 0);
  }

  add(value: number, count = 1): void {
    this.#total(count, value * count, value, value);
    this.#note(value, count);
  }

  /** What somebody has already summed up: without percentiles, unless all values are one. */
  addStatistics(count: number, sum: number, minimum: number, maximum: number): void {
    this.#total(count, sum, minimum, maximum);
    if (minimum === maximum) this.#note(minimum, count);
    else this.#distribution = null;
  }

  merge(other: DataPoint): void {
    if (other.count === 0) return;
    this.#total(other.count, other.#sum, other.minimum, other.maximum);
    this.#grow(other.#lost);
    if (other.#distribution === null) this.#distribution = null;
    else for (const [value, count] of other.#distribution) this.#note(value, count);
    if (other.#inSteps) this.#toSteps();
  }

  /**
   * The smallest value that so many percent of all do not exceed; null = only sums are known.
   * @param percent 0 to 100
   */
  percentile(percent: number): number | null {
    const distribution = this.#distribution;
    if (distribution === null || this.count === 0) return null;
    const rank = (percent / 100) * this.count;
    let seen = 0;
    for (const [value, count] of [...distribution].sort(([a], [b]) => a - b)) {
      seen += count;
      if (seen >= rank) return Math.min(this.maximum, Math.max(this.minimum, value));
    }
    return this.maximum;
  }

  #total(count: number, sum: number, minimum: number, maximum: number): void {
    this.count += count;
    this.#grow(sum);
    if (minimum < this.minimum) this.minimum = minimum;
    if (maximum > this.maximum) this.maximum = maximum;
  }

  /** Knuth's two-sum: what `#sum` cannot hold goes into `#lost`. */
  #grow(by: number): void {
    const sum = this.#sum + by;
    const added = sum - this.#sum;
    this.#lost += this.#sum - (sum - added) + (by - added);
    this.#sum = sum;
  }

  #note(value: number, count: number): void {
    const distribution = this.#distribution;
    if (distribution === null) return;
    const key = this.#inSteps ? stepOf(value) : value;
    distribution.set(key, (distribution.get(key) ?? 0) + count);
    if (distribution.size > MAX_DISTINCT && !this.#inSteps) this.#toSteps();
  }

  #toSteps(): void {
    if (this.#inSteps) return;
    this.#inSteps = true;
    const exact = this.#distribution;
    if (exact === null) return;
    this.#distribution = new Map();
    for (const [value, count] of exact) this.#note(value, count);
  }
}

const stepOf = (value: number): number =>
  value === 0 ? 0 : Math.sign(value) * Math.exp(Math.round(Math.log(Math.abs(value)) / STEP) * STEP);
