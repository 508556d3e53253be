import { FAULT_HEADER, type FaultSource, faultOfAnswer } from "../../core/faults/fault-source.ts";
import type { ServerCall } from "./wire/server-call.ts";

/** After how many bytes of a reply a fault breaks the call off; null = it is whole. @param faults null = none strike */
export const brokenAfter = (faults: FaultSource | null, model: string, call: ServerCall): number | null => {
  if (faults === null) return null;
  const effect = faultOfAnswer(faults, model, call.headers[FAULT_HEADER])?.effect;
  return effect?.kind === "reset" ? effect.afterBytes : null;
};
