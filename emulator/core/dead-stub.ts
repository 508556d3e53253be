import { TritonError } from "../common/status.ts";

/** How long the real server waits for a sign of life of a stub process (2.51.0). */
export const HEALTH_WAIT_US = 1_000_000;

const STUB_PROCESS = "Stub process";

/** What it says then. @param instance whose stub it was */
export const stubIsDead = (instance: string): TritonError =>
  new TritonError("INTERNAL", `${STUB_PROCESS} '${instance}' is not healthy.`);
