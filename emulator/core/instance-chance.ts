/**
 * What nobody can foresee of the instances of one version: in the real server each has a thread of its own, and these race
 * (seen on 2.51.0). By default it is their order; a replay of what was seen decides as was seen.
 */
export interface InstanceChance {
  /** Which of those that are not loaded yet has all its memory next. @param instances names @returns index */
  loadsNext(instances: readonly string[]): number;
  /**
   * Which of those that wait since their load takes the next batch. From its first batch on an instance waits behind all that
   * waited before it, and nothing is left to chance. @param instances names @returns index
   */
  servesNext(instances: readonly string[]): number;
}

export const inTheirOrder: InstanceChance = { loadsNext: () => 0, servesNext: () => 0 };
