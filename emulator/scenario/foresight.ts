import type { Call } from "./observed.ts";

/**
 * Knows what is asked for after now, from the invocations of another run. Told in places of the order in which they came,
 * not in time: callers that wait for their answers ask for the same, only sooner or later.
 */
export class Foresight {
  /** By model, ascending. */
  readonly #places = new Map<string, number[]>();

  constructor(calls: readonly Call[]) {
    for (const [place, { model }] of invocations(calls).entries()) {
      if (model === null) continue;
      const known = this.#places.get(model);
      if (known === undefined) this.#places.set(model, [place]);
      else known.push(place);
    }
  }

  /** Place of the next invocation of the model after the first `seen` of all; null = there is none. */
  nextUse(model: string, seen: number): number | null {
    const places = this.#places.get(model) ?? [];
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle]! >= seen) high = middle;
      else low = middle + 1;
    }
    return places[low] ?? null;
  }
}

const invocations = (calls: readonly Call[]): readonly Call[] =>
  calls.filter(({ kind }) => kind === "invoke");
