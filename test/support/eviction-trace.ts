import {
  type Bytes,
  newPolicyMemory,
  type ResidentModel,
} from "../../emulator/aws/placement/eviction/resident-model.ts";
import { selectVictims } from "../../emulator/aws/placement/eviction/select-victims.ts";
import type { VictimPolicyName } from "../../emulator/aws/placement/eviction/victim-policies.ts";
import { Random } from "../../emulator/common/random.ts";

export const hostBytes = (host: number): Bytes => ({ host, gpu: 0, disk: 0 });

/** A model of 100 host bytes, loaded first and used once at that time, unless `fields` say otherwise. */
export const resident = (name: string, fields: Partial<ResidentModel> = {}): ResidentModel => ({
  name,
  bytes: hostBytes(100),
  lastUseUs: 0,
  uses: 1,
  loadOrder: 0,
  loadUs: 1000,
  inflationAtLastUse: 0,
  nextUseUs: null,
  pinned: false,
  busy: false,
  ...fields,
});

/** Shares of requests for `count` models, the n-th most popular with weight 1/n^exponent; they add up to 1. */
export const zipfShares = (count: number, exponent: number): number[] => {
  const weights = Array.from({ length: count }, (_, rank) => (rank + 1) ** -exponent);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
};

/** Independent requests by share: indices of models. */
export const drawTrace = (shares: readonly number[], length: number, seed: number): number[] => {
  const random = new Random(seed);
  let sum = 0;
  const bounds = shares.map((share) => {
    sum += share;
    return sum;
  });
  return Array.from({ length }, () => {
    const point = random.nextUint32() / 2 ** 32;
    let [low, high] = [0, bounds.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[middle]! > point) high = middle;
      else low = middle + 1;
    }
    return low;
  });
};

export interface Replay {
  /** One for each request: whether its model was resident. */
  readonly hits: readonly boolean[];
  /** Time spent on loads. */
  readonly loadUs: number;
}

/** Sends a trace of models to an instance of `capacity` bytes that evicts until the newcomer fits; a request a microsecond. */
export const replay = (
  victims: VictimPolicyName,
  trace: readonly number[],
  capacity: number,
  modelOf: (model: number) => { readonly bytes: number; readonly loadUs: number } = () => ({
    bytes: 1,
    loadUs: 1000,
  }),
  seed = 1,
): Replay => {
  const nextUse = nextUses(trace);
  const residents = new Map<number, ResidentModel>();
  let memory = newPolicyMemory(seed);
  let used = 0;
  let spentUs = 0;
  const hits = trace.map((model, nowUs) => {
    const known = residents.get(model);
    const { bytes, loadUs } = modelOf(model);
    const use = { lastUseUs: nowUs, nextUseUs: nextUse[nowUs]! };
    if (known !== undefined) {
      residents.set(model, {
        ...known,
        ...use,
        uses: known.uses + 1,
        inflationAtLastUse: memory.inflation,
      });
      return true;
    }
    const selection = selectVictims(
      {
        victims,
        howMany: "until-estimate-fits",
        measure: "host",
        highWater: 1,
        lowWater: 1,
        minimumIdleUs: 0,
      },
      {
        nowUs,
        residents: [...residents.values()],
        reading: { used: hostBytes(used), capacity: hostBytes(capacity) },
        need: hostBytes(bytes),
        leastVictims: 0,
      },
      memory,
    );
    memory = selection.memory;
    for (const victim of selection.victims) {
      residents.delete(Number(victim.name));
      used -= victim.bytes.host;
    }
    if (!selection.enough) throw new Error(`model ${model} does not fit`);
    residents.set(
      model,
      resident(String(model), {
        ...use,
        bytes: hostBytes(bytes),
        loadUs,
        loadOrder: nowUs,
        inflationAtLastUse: memory.inflation,
      }),
    );
    used += bytes;
    spentUs += loadUs;
    return false;
  });
  return { hits, loadUs: spentUs };
};

/** Where each request's model is asked for again. */
const nextUses = (trace: readonly number[]): (number | null)[] => {
  const seen = new Map<number, number>();
  const next = new Array<number | null>(trace.length).fill(null);
  for (let at = trace.length - 1; at >= 0; at--) {
    next[at] = seen.get(trace[at]!) ?? null;
    seen.set(trace[at]!, at);
  }
  return next;
};

/** Share of hits after the first `skip` requests. */
export const hitRatio = ({ hits }: Replay, skip = 0): number => {
  const counted = hits.slice(skip);
  return counted.filter(Boolean).length / counted.length;
};
