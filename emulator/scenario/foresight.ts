import type { Call } from "./observed.ts";

/** Knows when models are asked for, from the calls of another run. */
export class Foresight {
  /** By model, ascending. */
  readonly #times = new Map<string, number[]>();

  constructor(calls: readonly Call[]) {
    for (const { kind, model, atUs } of calls) {
      if (kind !== "invoke" || model === null) continue;
      const known = this.#times.get(model);
      if (known === undefined) this.#times.set(model, [atUs]);
      else known.push(atUs);
    }
  }

  /** The first time after now; null = never again. */
  nextUseUs(model: string, nowUs: number): number | null {
    const times = this.#times.get(model) ?? [];
    let [low, high] = [0, times.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle]! > nowUs) high = middle;
      else low = middle + 1;
    }
    return times[low] ?? null;
  }
}
