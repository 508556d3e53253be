import {
  type Bytes,
  type Measure,
  type MemoryReading,
  measuredPools,
  utilisation,
} from "./resident-model.ts";

/** How far a decision has come. */
export interface Progress {
  /** What was read when the decision was asked for. */
  readonly reading: MemoryReading;
  /** Estimate of the model that is to be loaded. */
  readonly need: Bytes;
  /** Victims so far, and what they are expected to free. */
  readonly count: number;
  readonly freed: Bytes;
}

export interface CountSettings {
  readonly measure: Measure;
  /** Share of the capacity up to which a newcomer fits; 1 = all of it. */
  readonly highWater: number;
  /** Share of the capacity to come down to, for `below-low-water`. */
  readonly lowWater: number;
}

/** Whether the victims so far are enough. */
export type VictimCount = (progress: Progress, settings: CountSettings) => boolean;

const after = ({ reading, freed, need }: Progress, newcomer: boolean): MemoryReading => {
  const pool = (name: keyof Bytes): number =>
    Math.max(0, reading.used[name] - freed[name]) + (newcomer ? need[name] : 0);
  return {
    capacity: reading.capacity,
    used: { host: pool("host"), gpu: pool("gpu"), disk: pool("disk") },
  };
};

/** One, then the load is tried again: trusts no estimate, and takes as many attempts as victims are needed. */
const oneThenRetry: VictimCount = ({ count }) => count >= 1;

/**
 * As many as it takes for the newcomer to fit under the high-water mark, by its estimate and by the reading: too high an
 * estimate, or a reading from before the last unload, takes more than are needed.
 */
const untilEstimateFits: VictimCount = (progress, { measure, highWater }) => {
  const { used, capacity } = after(progress, true);
  return measuredPools(measure).every((pool) => used[pool] <= highWater * capacity[pool]);
};

/** As many as it takes to come down to the low-water mark, whatever the newcomer needs: fewer decisions, colder caches. */
const belowLowWater: VictimCount = (progress, { measure, lowWater }) =>
  utilisation(after(progress, false), measure) <= lowWater;

/** All that may go: a clean slate, the crudest answer to a number that nobody knows. */
const allIdle: VictimCount = () => false;

export const victimCounts = {
  "one-then-retry": oneThenRetry,
  "until-estimate-fits": untilEstimateFits,
  "below-low-water": belowLowWater,
  "all-idle": allIdle,
} satisfies Readonly<Record<string, VictimCount>>;

export type VictimCountName = keyof typeof victimCounts;
