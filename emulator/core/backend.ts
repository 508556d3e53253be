import type { Log } from "../common/log.ts";
import type { Result } from "../common/status.ts";
import type { MemoryDemand } from "./memory/memory-account.ts";
import type { ModelConfig } from "./model-config/model-config.ts";
import type { ModelFolder } from "./storage.ts";
import type { ComputeTimes, InferenceRequest, InferenceResponse } from "./tensor/inference-request.ts";

/** Everything a backend is told about the model version it is to load. */
export interface ModelContext {
  readonly name: string;
  readonly version: number;
  /** The folder of the model; the version's files are in its subfolder `<version>`. */
  readonly folder: ModelFolder;
  /** Filled, normalised and valid but for inputs and outputs, which auto-complete may still add. */
  readonly config: ModelConfig;
  /** False with `--disable-auto-complete-config`. */
  readonly autoComplete: boolean;
  /** `--backend-config=<backend>,<key>=<value>` of this backend, those without a backend name included. */
  readonly backendConfig: ReadonlyMap<string, string>;
  readonly log: Log;
}

/**
 * Everything that differs between ONNX Runtime, Python and synthetic models. Answers come by callback, so that the same
 * core runs on a virtual clock; a callback may come before the call returns.
 */
export interface Backend {
  /** As in `backend:` of a config, e.g. `onnxruntime`. */
  readonly name: string;
  /** Bytes the version will need before any instance exists: what auto-complete and the model object take. */
  predictMemory(context: ModelContext): readonly MemoryDemand[];
  /** Opens a version: checks its files and, where asked, completes its configuration. */
  initializeModel(context: ModelContext, done: (result: Result<BackendModel>) => void): void;
}

/** One loaded model version, before and between its instances. */
export interface BackendModel {
  /** The configuration as completed from the model; null when nothing was completed. The core takes over from it
   *  max_batch_size, input, output, the scheduler and the transaction policy, as the real core does. */
  readonly completedConfig: ModelConfig | null;
  predictInstanceMemory(config: ModelConfig, instance: InstanceSpec): readonly MemoryDemand[];
  createInstance(
    config: ModelConfig,
    instance: InstanceContext,
    done: (result: Result<ModelInstance>) => void,
  ): void;
  /** After the last instance is gone. */
  finalize(): void;
}

export interface InstanceSpec {
  /** `<group>_<i>` */
  readonly name: string;
  readonly kind: "KIND_CPU" | "KIND_GPU" | "KIND_MODEL";
  /** GPU index; 0 for CPU instances. */
  readonly deviceId: number;
}

/** What a backend is told of an instance that it is to make. */
export interface InstanceContext extends InstanceSpec {
  /**
   * Kills the process that the instance lives in, now or later, as `kill -9` from outside: its stub, whose instance then
   * fails every batch, or tritonserver, where somebody owns the container; else nothing happens.
   */
  kill(): void;
}

/** One instance runs one batch at a time; the core never calls `execute` before `done` of the batch before. */
export interface ModelInstance {
  /** Short text for the start-up table, e.g. `CPU` or `CUDA`. */
  readonly executionProvider: string;
  /** A request that was sent to it never comes to its end: neither this instance nor those beside it can be released. */
  readonly neverGoes?: boolean;
  execute(batch: readonly InferenceRequest[], sink: ExecutionSink): void;
  /** Gives everything back; called once, after the last batch. */
  release(done: () => void): void;
}

/** How an instance reports on a batch. */
export interface ExecutionSink {
  /** A response of `batch[index]`. */
  respond(index: number, response: InferenceResponse): void;
  /** The instance is free again; every request has had its final response. */
  done(report: ExecutionReport): void;
}

/** What TRITONBACKEND_ModelInstanceReportStatistics is told of a run. */
export interface ExecutionReport extends ComputeTimes {
  /** False when the run as a whole failed: then no execution is counted for the batch statistics. */
  readonly success: boolean;
  /** The backend refused the batch and told nothing of it: no request of it is counted, not even as failed. */
  readonly isUntold?: true;
}
