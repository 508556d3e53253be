import { Random } from "../../common/random.ts";

/** Every choice of the generator; one seed and one number make one request, whatever came before it. */
export class Chance {
  readonly #random: Random;

  constructor(seed: number, number: number) {
    // Neighbouring seeds must not make neighbouring numbers.
    const mixed = new Random((seed ^ Math.imul(number + 1, 0x9e3779b1)) >>> 0);
    this.#random = new Random(mixed.nextUint32());
  }

  /** 0 to limit - 1. */
  below(limit: number): number {
    return this.#random.nextUint32() % limit;
  }

  between(first: number, last: number): number {
    return first + this.below(last - first + 1);
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** By weight: what stands with 3 is picked three times as often as what stands with 1. */
  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T {
    let left = this.below(items.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, item] of items) {
      if (left < weight) return item;
      left -= weight;
    }
    throw new Error("nothing to pick from");
  }

  times<T>(count: number, make: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => make(index));
  }

  bytes(count: number): Buffer {
    return Buffer.from(this.times(count, () => this.below(256)));
  }
}
