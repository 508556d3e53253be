/** What the platform does at which times, besides eviction. docs/placement.md says which are known and which assumed. */
export interface PlatformSettings {
  /** From the arrival of an invocation to its answer, whoever makes it. */
  readonly invocationLimitUs: number;
  readonly loadLimitUs: number;
  readonly unloadLimitUs: number;
  /** How often an invocation that the container answered with 507 is sent again, after others were unloaded. */
  readonly invocationRetries: number;
  readonly pingEveryUs: number;
  /** A ping that takes longer has failed. */
  readonly pingLimitUs: number;
  /** So many pings in a row without an answer, and the container is restarted. */
  readonly silentPings: number;
  /** So many pings in a row with another answer than 200, and the container is restarted. */
  readonly failingPings: number;
}

export const sagemakerPlatform: PlatformSettings = {
  invocationLimitUs: 60_000_000,
  loadLimitUs: 360_000_000,
  unloadLimitUs: 360_000_000,
  invocationRetries: 1,
  pingEveryUs: 5_000_000,
  pingLimitUs: 2_000_000,
  silentPings: 3,
  // A load may take 360 s, and Triton's ping fails as long as one runs: fewer than 73 would end containers that do no wrong.
  failingPings: 73,
};
