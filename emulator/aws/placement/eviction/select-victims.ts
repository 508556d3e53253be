import type { Bytes, MemoryReading, PolicyMemory, ResidentModel } from "./resident-model.ts";
import { type CountSettings, type VictimCountName, victimCounts } from "./victim-counts.ts";
import { type VictimPolicyName, victimPolicies } from "./victim-policies.ts";

export interface SelectionSettings extends CountSettings {
  readonly victims: VictimPolicyName;
  readonly howMany: VictimCountName;
  /** Guard against churn: nothing goes that was used less than this ago, in microseconds; 0 = no guard. */
  readonly minimumIdleUs: number;
}

export interface SelectionRequest {
  readonly nowUs: number;
  readonly residents: readonly ResidentModel[];
  readonly reading: MemoryReading;
  /** Estimate of the model that is to be loaded. */
  readonly need: Bytes;
  /** That many go even if the count is content with less, if there are that many. */
  readonly leastVictims: number;
}

export interface Selection {
  /** In the order in which they are to be unloaded. */
  readonly victims: readonly ResidentModel[];
  /** False when the candidates ran out before the count was content. */
  readonly enough: boolean;
  /** For the next decision. */
  readonly memory: PolicyMemory;
}

const noBytes: Bytes = { host: 0, gpu: 0, disk: 0 };

/** Chooses who is unloaded. Pinned and busy models are never chosen. */
export const selectVictims = (
  settings: SelectionSettings,
  request: SelectionRequest,
  memory: PolicyMemory,
): Selection => {
  const { nowUs, residents, reading, need, leastVictims } = request;
  const choose = victimPolicies[settings.victims];
  const isEnough = victimCounts[settings.howMany];
  let candidates = residents.filter(
    ({ pinned, busy, lastUseUs }) => !pinned && !busy && nowUs - lastUseUs >= settings.minimumIdleUs,
  );
  const victims: ResidentModel[] = [];
  let freed = noBytes;
  let remembered = forgetGone(memory, residents);
  const enough = (): boolean =>
    victims.length >= leastVictims && isEnough({ reading, need, freed, count: victims.length }, settings);
  while (candidates.length > 0 && !enough()) {
    const choice = choose(candidates, remembered);
    const { victim } = choice;
    remembered = choice.memory;
    victims.push(victim);
    candidates = candidates.filter((candidate) => candidate !== victim);
    freed = {
      host: freed.host + victim.bytes.host,
      gpu: freed.gpu + victim.bytes.gpu,
      disk: freed.disk + victim.bytes.disk,
    };
  }
  const content = settings.howMany === "all-idle" ? victims.length >= leastVictims : enough();
  return { victims, enough: content, memory: remembered };
};

/** Models that are gone by other ways than an eviction leave no trace behind. */
const forgetGone = (memory: PolicyMemory, residents: readonly ResidentModel[]): PolicyMemory => {
  if (memory.unmarked.size === 0) return memory;
  const present = new Set(residents.map(({ loadOrder }) => loadOrder));
  return { ...memory, unmarked: new Map([...memory.unmarked].filter(([order]) => present.has(order))) };
};
