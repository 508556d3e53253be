import { TritonError } from "../../common/status.ts";

/** How long the real server takes to answer when a stub died while it was loading (2.51.0: 2.3 to 3.3 s). */
export const DEATH_AT_LOAD_US = 2_300_000;

/** How long it takes to answer each call of a dead stub, the one in which it died included. */
export const DEATH_AT_CALL_US = 1_000_000;

/** What it says either way. @param instance whose stub it was */
export const stubIsDead = (instance: string): TritonError =>
  new TritonError("INTERNAL", `Stub process '${instance}' is not healthy.`);
