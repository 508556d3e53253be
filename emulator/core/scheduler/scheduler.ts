import type { TritonError } from "../../common/status.ts";
import type { InferenceRequest } from "../tensor/inference-request.ts";
import type { InstanceSlot } from "./instance-slot.ts";

/** Queues the requests of one loaded version and decides which run together, when and where. */
export interface Scheduler {
  /** An error means that the request was not accepted; else its responses come through `request.respond`. */
  enqueue(request: InferenceRequest): TritonError | null;
  /** Requests accepted and not yet wholly answered. */
  readonly inflight: number;
  /** What the countdown of a shutdown calls in flight, and waits for; what instances run or have before them is not. */
  readonly waiting: number;
  /** Accepts nothing more; what was accepted is still served. */
  stop(): void;
  /** Calls back once when `inflight` is or becomes 0. */
  whenIdle(run: () => void): void;
  /**
   * Replaces the instances (in-place update). One that goes is used up to the end of its batch, or of the sequences it
   * holds; then `onUnused` is called for it.
   */
  setInstances(slots: readonly InstanceSlot[], onUnused: (slot: InstanceSlot) => void): void;
}
