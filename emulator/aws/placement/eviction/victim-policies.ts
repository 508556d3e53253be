import { Random } from "../../../common/random.ts";
import type { PolicyMemory, ResidentModel } from "./resident-model.ts";

export interface Choice {
  readonly victim: ResidentModel;
  readonly memory: PolicyMemory;
}

/**
 * Chooses the model that goes first.
 * @param candidates at least one; those that are pinned or busy are not among them
 */
export type VictimPolicy = (candidates: readonly ResidentModel[], memory: PolicyMemory) => Choice;

/**
 * Where a policy has no preference, the model used longer ago goes first, and of two used at the same time the one that
 * was loaded earlier. Load orders differ, so no choice is ever left to the order of a list.
 */
const tieBreak = (a: ResidentModel, b: ResidentModel): number =>
  a.lastUseUs - b.lastUseUs || a.loadOrder - b.loadOrder;

/** A policy that remembers nothing: the candidate with the smallest rank goes. */
const smallest =
  (rank: (model: ResidentModel) => number): VictimPolicy =>
  (candidates, memory) => ({ victim: leastBy(candidates, rank), memory });

const leastBy = (
  candidates: readonly ResidentModel[],
  rank: (model: ResidentModel) => number,
): ResidentModel =>
  candidates.reduce((least, model) => {
    const [a, b] = [rank(model), rank(least)];
    return a < b || (a === b && tieBreak(model, least) < 0) ? model : least;
  });

const totalBytes = ({ bytes }: ResidentModel): number => bytes.host + bytes.gpu + bytes.disk;

/** Least recently used: what was not asked for the longest is the least likely to be asked for next. */
const lru = smallest(({ lastUseUs }) => lastUseUs);

/**
 * Least frequently used, counted since the load: keeps what many ask for. A model that was popular once stays for long, and
 * a new one is always the first to go.
 */
const lfu = smallest(({ uses }) => uses);

/** First in, first out: the oldest load goes, however much it is used. */
const fifo = smallest(({ loadOrder }) => loadOrder);

/** The largest goes, whatever its use: the fewest models go for the most bytes. */
const size = smallest((model) => -totalBytes(model));

/**
 * Any of them, with equal chance: what a policy has to beat to be worth its bookkeeping. A draw follows from the seed and
 * its number alone.
 */
const random: VictimPolicy = (candidates, memory) => {
  const draw = new Random(memory.seed ^ Math.imul(memory.draws + 1, 0x9e3779b1)).nextUint32();
  const sorted = [...candidates].sort(tieBreak);
  return {
    victim: sorted[Math.floor((draw / 2 ** 32) * sorted.length)]!,
    memory: { ...memory, draws: memory.draws + 1 },
  };
};

/**
 * A family: each model has a priority, set at its use to the floor of the moment plus what it is worth for its bytes. The
 * lowest goes and its priority becomes the floor, so that what is not used sinks, relative to all that is.
 */
const greedyDual =
  (worth: (model: ResidentModel) => number): VictimPolicy =>
  (candidates, memory) => {
    const priority = (model: ResidentModel): number =>
      model.inflationAtLastUse + worth(model) / Math.max(1, totalBytes(model));
    const victim = leastBy(candidates, priority);
    return { victim, memory: { ...memory, inflation: Math.max(memory.inflation, priority(victim)) } };
  };

/**
 * Landlord (Young 2002; greedy-dual-size, Cao and Irani 1997): every model pays rent for its bytes out of a credit that a
 * use fills up to what a new load would cost; who cannot pay goes. Knows sizes and load times, and with equal ones is LRU.
 */
const landlord = greedyDual(({ loadUs }) => loadUs);

/** Greedy-dual-size-frequency (Cherkasova 1998): as landlord, and a model is worth more the more often it was used. */
const greedyDualSizeFrequency = greedyDual(({ loadUs, uses }) => loadUs * uses);

/**
 * SIEVE (Zhang et al. 2024): a hand walks from the oldest load to the newest and round again. What was used since it last
 * came by (or since the load) is spared once and loses its mark; the first without a mark goes, and the hand stays there.
 * One-off models go early, and a model needs no place in a list that every use would change.
 */
const sieve: VictimPolicy = (candidates, memory) => {
  const queue = [...candidates].sort((a, b) => a.loadOrder - b.loadOrder);
  const start = Math.max(
    0,
    queue.findIndex(({ loadOrder }) => loadOrder >= memory.hand),
  );
  const unmarked = new Map(memory.unmarked);
  for (let step = 0; ; step++) {
    const at = (start + step) % queue.length;
    const model = queue[at]!;
    // The use that the model was loaded for makes no mark.
    if (model.uses <= (unmarked.get(model.loadOrder) ?? 1)) {
      unmarked.delete(model.loadOrder);
      // Past the newest the hand starts over: what is loaded from now on comes last.
      return { victim: model, memory: { ...memory, unmarked, hand: queue[at + 1]?.loadOrder ?? 0 } };
    }
    unmarked.set(model.loadOrder, model.uses);
  }
};

/**
 * Belady (1966): who is used again the latest, or never, goes. Needs to know the future, so it is no policy to run but the
 * bound for all others: with equal sizes none has fewer loads.
 */
const belady = smallest(({ nextUseUs }) => (nextUseUs === null ? -Infinity : -nextUseUs));

/** The policies by name. A pinned set is no policy of its own: `ResidentModel.pinned` holds with each of them. */
export const victimPolicies = {
  lru,
  lfu,
  fifo,
  random,
  size,
  landlord,
  "greedy-dual-size-frequency": greedyDualSizeFrequency,
  sieve,
  belady,
} satisfies Readonly<Record<string, VictimPolicy>>;

export type VictimPolicyName = keyof typeof victimPolicies;
