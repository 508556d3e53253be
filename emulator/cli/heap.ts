import { setFlagsFromString } from "node:v8";

/**
 * Lets bodies and tensors of many megabytes pass without a full collection of the small heap for each 64 MB of them:
 * memory outside the heap counts towards one limit with it, and may grow fourfold between two collections. Measured with
 * 50 MB each way: a fifth to a third less time a request.
 */
export const tuneHeap = (): void => {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
  setFlagsFromString("--external-memory-max-growing-factor=4");
};
