import { describe, expect, test } from "vitest";
import { newPolicyMemory, type ResidentModel } from "../../emulator/aws/placement/eviction/resident-model.ts";
import { selectVictims } from "../../emulator/aws/placement/eviction/select-victims.ts";
import {
  type VictimPolicyName,
  victimPolicies,
} from "../../emulator/aws/placement/eviction/victim-policies.ts";
import { Random } from "../../emulator/common/random.ts";
import { drawTrace, hitRatio, hostBytes, replay, resident, zipfShares } from "../support/eviction-trace.ts";

/** What every victim policy has to keep to, whatever it prefers. */

const names = Object.keys(victimPolicies).filter((name): name is VictimPolicyName => name in victimPolicies);

/** Residents that differ in everything, some pinned, some busy. */
const someResidents = (seed: number, count = 12): ResidentModel[] => {
  const random = new Random(seed);
  const below = (limit: number): number => random.nextUint32() % limit;
  return Array.from({ length: count }, (_, index) =>
    resident(`m${index}`, {
      bytes: { host: 1 + below(100), gpu: below(50), disk: 0 },
      lastUseUs: below(20),
      uses: 1 + below(5),
      loadOrder: index,
      loadUs: below(1000),
      inflationAtLastUse: below(3),
      nextUseUs: below(3) === 0 ? null : 100 + below(20),
      pinned: below(4) === 0,
      busy: below(4) === 0,
    }),
  );
};

const frozen = (residents: readonly ResidentModel[]): ResidentModel[] =>
  residents.map((model) => Object.freeze({ ...model }));

const evictAll = (victims: VictimPolicyName, residents: readonly ResidentModel[], seed = 1): string[] =>
  selectVictims(
    { victims, howMany: "all-idle", measure: "host", highWater: 1, lowWater: 1, minimumIdleUs: 0 },
    {
      nowUs: 1000,
      residents,
      reading: { used: hostBytes(0), capacity: hostBytes(0) },
      need: hostBytes(0),
      leastVictims: 0,
    },
    newPolicyMemory(seed),
  ).victims.map(({ name }) => name);

const seeds = Array.from({ length: 50 }, (_, seed) => seed);

describe.each(names)("victim policy %s", (name) => {
  test("chooses every model that is neither pinned nor busy, each once, and no other", () => {
    for (const seed of seeds) {
      const residents = someResidents(seed);
      const free = residents.filter(({ pinned, busy }) => !pinned && !busy);
      expect(evictAll(name, residents).sort()).toEqual(free.map((model) => model.name).sort());
    }
  });

  test("does not care in which order the residents are listed", () => {
    for (const seed of seeds) {
      const residents = someResidents(seed);
      expect(evictAll(name, [...residents].reverse())).toEqual(evictAll(name, residents));
    }
  });

  test("answers the same to the same question and changes nothing of it", () => {
    for (const seed of seeds) {
      const residents = frozen(someResidents(seed));
      const memory = Object.freeze(newPolicyMemory(3));
      const candidates = residents.filter(({ busy }) => !busy);
      const choose = victimPolicies[name];
      const first = choose(candidates, memory);
      expect(choose(candidates, memory)).toEqual(first);
      expect(memory).toEqual(newPolicyMemory(3));
    }
  });

  test("where nothing tells models apart, the earlier loaded goes first", () => {
    if (name === "random") return;
    const residents = ["a", "b", "c"].map((model, loadOrder) => resident(model, { loadOrder }));
    expect(evictAll(name, residents)).toEqual(["a", "b", "c"]);
  });

  test("evicts nothing where everything fits", () => {
    const trace = drawTrace(zipfShares(20, 1), 500, 2);
    const misses = replay(name, trace, 20).hits.filter((hit) => !hit);
    expect(misses).toHaveLength(new Set(trace).size);
  });

  test("has no more hits than belady, on traces of equal sizes", () => {
    for (const seed of seeds.slice(0, 10)) {
      const trace = drawTrace(zipfShares(60, 0.5 + seed / 10), 1500, seed);
      for (const capacity of [1, 7, 25]) {
        const bound = hitRatio(replay("belady", trace, capacity));
        expect(hitRatio(replay(name, trace, capacity)), `seed ${seed}`).toBeLessThanOrEqual(bound);
      }
    }
  });
});
