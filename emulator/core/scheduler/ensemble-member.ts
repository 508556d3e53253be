import type { Result, TritonError } from "../../common/status.ts";
import type { EnsembleStep, ModelConfig } from "../model-config/model-config.ts";
import type { InferenceRequest } from "../tensor/inference-request.ts";

/** A loaded model as an ensemble sees it that has it in a step. */
export interface EnsembleMember {
  readonly config: ModelConfig;
  readonly decoupled: boolean;
  readonly modelName: string;
  readonly versionText: string;
  /** Checks and completes a request, without queueing it. */
  check(request: InferenceRequest): TritonError | null;
  /** Queues a request that was checked. An error means that it was not accepted. */
  enqueue(request: InferenceRequest): TritonError | null;
  /** Keeps the member loaded, whatever is unloaded, until `unpin`. */
  pin(): void;
  unpin(): void;
}

/** The member that a step names, as it is loaded now. */
export type FindMember = (step: EnsembleStep) => Result<EnsembleMember>;
