import { TritonError } from "../../common/status.ts";

/** How long the real server waits for a sign of life of a stub (2.51.0). */
export const HEALTH_WAIT_US = 1_000_000;

/** @param instance whose stub it was */
export const stubIsDead = (instance: string): TritonError =>
  new TritonError("INTERNAL", `Stub process '${instance}' is not healthy.`);
