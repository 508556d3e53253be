import type { VariantState } from "./endpoint.ts";

/** Instances that are in use, by type: what a service quota counts. */
export class InstanceCounts {
  readonly #ofEndpoints = new Map<string, ReadonlyMap<string, number>>();
  readonly #total = new Map<string, number>();

  of(instanceType: string): number {
    return this.#total.get(instanceType) ?? 0;
  }

  /** What an endpoint is to have now. */
  set(endpoint: string, variants: readonly VariantState[]): void {
    this.delete(endpoint);
    const counts = new Map<string, number>();
    for (const { input, desiredCount } of variants) {
      const type = input.InstanceType ?? "";
      counts.set(type, (counts.get(type) ?? 0) + desiredCount);
    }
    this.#ofEndpoints.set(endpoint, counts);
    this.#add(counts, 1);
  }

  delete(endpoint: string): void {
    this.#add(this.#ofEndpoints.get(endpoint) ?? new Map(), -1);
    this.#ofEndpoints.delete(endpoint);
  }

  #add(counts: ReadonlyMap<string, number>, sign: 1 | -1): void {
    for (const [type, count] of counts) this.#total.set(type, this.of(type) + sign * count);
  }
}
