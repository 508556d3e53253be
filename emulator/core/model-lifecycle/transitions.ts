/** States of a model version, as the repository index names them. */
export type ModelState = "UNKNOWN" | "LOADING" | "READY" | "UNLOADING" | "UNAVAILABLE";

export type LifecycleEvent = "load" | "loaded" | "failed" | "unload" | "unloaded";

/**
 * What may happen to a version; an absent pair is a bug of ours. A reload is a hidden second copy that replaces the
 * serving one when it is ready, so READY has no "load"; a load while the old copy still unloads starts over, the old
 * copy living on unseen (spec/triton-core.md 1.3 and 1.5, seen on 2.51.0).
 */
const transitions: Record<ModelState, Partial<Record<LifecycleEvent, ModelState>>> = {
  UNKNOWN: { load: "LOADING" },
  LOADING: { loaded: "READY", failed: "UNAVAILABLE", unload: "UNLOADING" },
  READY: { unload: "UNLOADING" },
  UNLOADING: { unloaded: "UNAVAILABLE", load: "LOADING" },
  UNAVAILABLE: { load: "LOADING" },
};

export const nextState = (state: ModelState, event: LifecycleEvent): ModelState => {
  const next = transitions[state][event];
  if (next === undefined) throw new Error(`model lifecycle: no transition from ${state} on "${event}"`);
  return next;
};
