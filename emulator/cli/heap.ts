import { setFlagsFromString } from "node:v8";

/**
 * The heap of a server. Lets bodies and tensors of many megabytes pass without a full collection of the small heap for each 64 MB of them:
 * memory outside the heap counts towards one limit with it, and may grow fourfold between two collections. Measured with
 * 50 MB each way: a fifth to a third less time a request.
 *
 * Nothing is put among the old objects because others made at the same place have become old: while thousands of models
 * are loaded much stays of what loads them, and every later request would outlive its answer (two and a half times the work
 * for the collector with 10,000 models, though ten of them are called).
 */
export const tuneHeap = (): void => {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  setFlagsFromString("--external-memory-max-growing-factor=4");
  setFlagsFromString("--no-allocation-site-pretenuring");
};
