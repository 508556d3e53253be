import { describe, expect, test } from "vitest";
import {
  newPolicyMemory,
  type ResidentModel,
} from "../../../../../emulator/aws/placement/eviction/resident-model.ts";
import {
  type VictimPolicyName,
  victimPolicies,
} from "../../../../../emulator/aws/placement/eviction/victim-policies.ts";
import {
  drawTrace,
  hitRatio,
  hostBytes,
  replay,
  resident,
  zipfShares,
} from "../../../../support/eviction-trace.ts";

const first = (name: VictimPolicyName, ...candidates: readonly ResidentModel[]): string =>
  victimPolicies[name](candidates, newPolicyMemory(1)).victim.name;

/** Each row: the policy, and what makes `out` go before `kept`. */
describe("victim policies: what each prefers", () => {
  test.each<[VictimPolicyName, Partial<ResidentModel>, Partial<ResidentModel>]>([
    ["lru", { lastUseUs: 5, uses: 9 }, { lastUseUs: 6, uses: 1 }],
    ["lfu", { uses: 2, lastUseUs: 9 }, { uses: 3, lastUseUs: 1 }],
    ["fifo", { loadOrder: 1, lastUseUs: 9 }, { loadOrder: 2, lastUseUs: 1 }],
    ["size", { bytes: hostBytes(11), lastUseUs: 9 }, { bytes: hostBytes(10), lastUseUs: 1 }],
    ["size", { bytes: { host: 6, gpu: 6, disk: 0 } }, { bytes: { host: 11, gpu: 0, disk: 0 } }],
    ["landlord", { bytes: hostBytes(200), loadUs: 1000 }, { bytes: hostBytes(100), loadUs: 1000 }],
    ["landlord", { loadUs: 999, uses: 50 }, { loadUs: 1000 }],
    ["landlord", { inflationAtLastUse: 1 }, { inflationAtLastUse: 2 }],
    ["greedy-dual-size-frequency", { loadUs: 1000, uses: 1 }, { loadUs: 999, uses: 2 }],
    ["sieve", { uses: 1, lastUseUs: 9, loadOrder: 2 }, { uses: 2, loadOrder: 1 }],
    ["belady", { nextUseUs: null, lastUseUs: 9 }, { nextUseUs: 1000 }],
    ["belady", { nextUseUs: 1000 }, { nextUseUs: 999 }],
  ])("%s: %j goes before %j", (name, out, kept) => {
    expect(first(name, resident("out", out), resident("kept", kept))).toBe("out");
    expect(first(name, resident("kept", kept), resident("out", out))).toBe("out");
  });

  test("ties: used longer ago first, then loaded earlier", () => {
    const old = resident("old", { lastUseUs: 1, loadOrder: 2 });
    const tied = resident("tied", { lastUseUs: 2, loadOrder: 1 });
    const late = resident("late", { lastUseUs: 2, loadOrder: 3 });
    expect(first("lfu", late, tied, old)).toBe("old");
    expect(first("lfu", late, tied)).toBe("tied");
  });

  test("random: every candidate has the same chance, and the seed decides", () => {
    const candidates = ["a", "b", "c", "d"].map((name, loadOrder) => resident(name, { loadOrder }));
    const draws = (seed: number): string[] => {
      let memory = newPolicyMemory(seed);
      return Array.from({ length: 4000 }, () => {
        const choice = victimPolicies.random(candidates, memory);
        memory = choice.memory;
        return choice.victim.name;
      });
    };
    expect(draws(5)).toEqual(draws(5));
    expect(draws(5)).not.toEqual(draws(6));
    for (const { name } of candidates) {
      // 1000 expected; the standard deviation is 27.
      expect(Math.abs(draws(5).filter((drawn) => drawn === name).length - 1000)).toBeLessThan(120);
    }
  });
});

describe("victim policies: against what is known of them", () => {
  const shares = zipfShares(400, 0.8);
  const trace = drawTrace(shares, 60_000, 17);
  const settled = 10_000;

  /** Che, Tung and Wang 2002: a model is resident if it was asked for within a time T that is the same for all. */
  const cheHitRatio = (capacity: number): number => {
    const residentsAt = (time: number): number =>
      shares.reduce((sum, share) => sum + 1 - Math.exp(-share * time), 0);
    let [low, high] = [0, 1e9];
    for (let i = 0; i < 100; i++) {
      const middle = (low + high) / 2;
      if (residentsAt(middle) < capacity) low = middle;
      else high = middle;
    }
    return shares.reduce((sum, share) => sum + share * (1 - Math.exp(-share * low)), 0);
  };

  test.each([10, 40, 120])("lru: with %i of 400 models the hit ratio is Che's, within 0.01", (capacity) => {
    const measured = hitRatio(replay("lru", trace, capacity), settled);
    expect(Math.abs(measured - cheHitRatio(capacity))).toBeLessThan(0.01);
  });

  test("fifo and random: have the same hit ratio on independent requests (Gelenbe 1973), below that of lru", () => {
    const [fifo, random, lru] = (["fifo", "random", "lru"] as const).map((name) =>
      hitRatio(replay(name, trace, 40), settled),
    );
    expect(Math.abs(fifo! - random!)).toBeLessThan(0.01);
    expect(lru! - fifo!).toBeGreaterThan(0.02);
  });

  test("landlord: with equal sizes and load times is lru, request for request", () => {
    const short = trace.slice(0, 8000);
    expect(replay("landlord", short, 40).hits).toEqual(replay("lru", short, 40).hits);
  });

  test("landlord: hits and misses as credits that pay rent for bytes, request for request", () => {
    const short = trace.slice(0, 8000);
    // Powers of two, so that no order hangs on a rounding.
    const model = (index: number) => ({ bytes: 2 ** (index % 4), loadUs: 64 * (1 + ((index * 5) % 17)) });
    expect(replay("landlord", short, 128, model).hits).toEqual(landlordByRent(short, 128, model));
  });

  test("landlord and greedy-dual-size-frequency: spend less time on loads than lru where sizes and times differ", () => {
    const short = trace.slice(0, 8000);
    const model = (index: number) => ({
      bytes: 1 + ((index * 7) % 13),
      loadUs: 100 * (1 + ((index * 5) % 17)),
    });
    const spent = (name: VictimPolicyName): number => replay(name, short, 200, model).loadUs;
    expect(spent("landlord")).toBeLessThan(0.95 * spent("lru"));
    expect(spent("greedy-dual-size-frequency")).toBeLessThan(spent("landlord"));
  });

  test("sieve: hits and misses as a queue with a hand and a mark, request for request", () => {
    const short = trace.slice(0, 8000);
    expect(replay("sieve", short, 40).hits).toEqual(sieveByQueue(short, 40));
  });

  test("sieve: where nothing is used twice, is fifo", () => {
    const models = [1, 2, 3].map((loadOrder) => resident(`m${loadOrder}`, { loadOrder }));
    expect(first("sieve", ...models)).toBe("m1");
  });

  test("belady: has the fewest misses that any choice of victims can have", () => {
    for (let seed = 0; seed < 40; seed++) {
      const small = drawTrace(zipfShares(5, 0.4), 12, seed);
      const misses = replay("belady", small, 3).hits.filter((hit) => !hit).length;
      expect(misses, `seed ${seed}`).toBe(fewestMisses(small, 3));
    }
  });
});

/** SIEVE as its authors draw it: newest at the end of the list. */
const sieveByQueue = (trace: readonly number[], capacity: number): boolean[] => {
  const queue: { readonly model: number; marked: boolean }[] = [];
  let hand = 0;
  return trace.map((model) => {
    const entry = queue.find((known) => known.model === model);
    if (entry !== undefined) {
      entry.marked = true;
      return true;
    }
    if (queue.length === capacity) {
      while (queue[hand]!.marked) {
        queue[hand]!.marked = false;
        hand = (hand + 1) % queue.length;
      }
      queue.splice(hand, 1);
      if (hand === queue.length) hand = 0;
    }
    queue.push({ model, marked: false });
    return false;
  });
};

/** Landlord as its author words it: all pay the same rent for a byte, as much as the poorest can pay. */
const landlordByRent = (
  trace: readonly number[],
  capacity: number,
  modelOf: (model: number) => { readonly bytes: number; readonly loadUs: number },
): boolean[] => {
  let tenants: { readonly model: number; readonly bytes: number; credit: number; usedAt: number }[] = [];
  return trace.map((model, usedAt) => {
    const { bytes, loadUs } = modelOf(model);
    const known = tenants.find((tenant) => tenant.model === model);
    if (known !== undefined) {
      known.credit = loadUs;
      known.usedAt = usedAt;
      return true;
    }
    while (tenants.reduce((sum, tenant) => sum + tenant.bytes, bytes) > capacity) {
      const rent = Math.min(...tenants.map((tenant) => tenant.credit / tenant.bytes));
      for (const tenant of tenants) tenant.credit -= rent * tenant.bytes;
      const [poorest] = tenants.filter(({ credit }) => credit === 0).sort((a, b) => a.usedAt - b.usedAt);
      tenants = tenants.filter((tenant) => tenant !== poorest);
    }
    tenants.push({ model, bytes, credit: loadUs, usedAt });
    return false;
  });
};

/** By trying every victim at every miss. */
const fewestMisses = (trace: readonly number[], capacity: number): number => {
  const from = (at: number, held: readonly number[]): number => {
    const model = trace[at];
    if (model === undefined) return 0;
    if (held.includes(model)) return from(at + 1, held);
    if (held.length < capacity) return 1 + from(at + 1, [...held, model]);
    return (
      1 +
      Math.min(...held.map((victim) => from(at + 1, [...held.filter((other) => other !== victim), model])))
    );
  };
  return from(0, []);
};
