import type { Result, TritonError } from "../common/status.ts";
import type { ModelConfig } from "./model-config/model-config.ts";
import type { LogSettings, LogSettingsUpdate } from "./settings/log-settings.ts";
import type { TraceSettings, TraceSettingsUpdate } from "./settings/trace-settings.ts";
import type { ModelStatistics } from "./statistics/model-statistics.ts";
import type { DataType } from "./tensor/data-type.ts";
import type { InferenceRequest } from "./tensor/inference-request.ts";
import type { Tracer } from "./trace/trace.ts";

/** A version as a client asks for it: -1 = the latest; a bigint where a number would lose digits. */
export type RequestedVersion = number | bigint;

/** A version that is ready to serve, as a front end holds it between looking it up and sending a request. */
export interface ServableVersion {
  readonly modelName: string;
  readonly version: number;
  /** Version as the wire prints it. */
  readonly versionText: string;
  readonly config: ModelConfig;
  readonly decoupled: boolean;
  /** Labels of an output's label file, line by line; null where there is none. */
  labels(output: string): readonly string[] | null;
}

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: DataType | "<invalid>";
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** An absent field is absent on the wire. */
export interface RepositoryIndexRow {
  readonly name: string;
  readonly version?: string;
  readonly state?: "UNKNOWN" | "READY" | "UNAVAILABLE" | "LOADING" | "UNLOADING";
  readonly reason?: string;
}

/** A parameter of a load call as it arrived, `config` or `file:<path>`; anything else the front end has refused. */
export type LoadParameter =
  | { readonly kind: "config"; readonly json: string }
  | { readonly kind: "file"; readonly path: string; readonly content: Uint8Array };

/**
 * The one facade that front ends call. Nothing here waits: what takes time ends in a callback, which may come before the
 * call returns. Every message and code is the core's; a front end only maps the code.
 */
export interface InferenceServer {
  /** Asked by a front end before it makes a request of what came. */
  readonly tracer: Tracer;
  isLive(): boolean;
  isReady(): boolean;
  metadata(): ServerMetadata;
  /** False for an unknown model or version too: the core never says "unknown" here (2.51.0). @param version -1 = latest */
  isModelReady(model: string, version: RequestedVersion): boolean;
  /** Looks a model up for everything but `ready` and statistics. @param version -1 = the highest ready version
   *  Errors: NOT_FOUND, UNAVAILABLE (spec/triton-wire.md 1.3). */
  findVersion(model: string, version: RequestedVersion): Result<ServableVersion>;
  /** @param version -1 = all ready versions in `versions` */
  modelMetadata(model: string, version: RequestedVersion): Result<ModelMetadata>;
  /** One element a ready version, sorted by name and version. @param model null = all; @param version -1 = all */
  statistics(model: string | null, version: RequestedVersion): Result<readonly ModelStatistics[]>;
  repositoryIndex(readyOnly: boolean, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void;
  loadModel(
    model: string,
    parameters: readonly LoadParameter[],
    done: (error: TritonError | null) => void,
  ): void;
  /** Answers before the model is gone, as the real server does. */
  unloadModel(model: string, unloadDependents: boolean, done: (error: TritonError | null) => void): void;
  /**
   * Checks a request and queues it. Answers come through `request.respond`, unless an error is returned here: then the
   * request was never accepted and `respond` is not called. The version must come from `findVersion` in the same turn.
   */
  infer(version: ServableVersion, request: InferenceRequest): TritonError | null;
  /** @param model null = the global setting. Error for an unknown model: INVALID_ARG `Request for unknown model : <m>`. */
  traceSettings(model: string | null): Result<TraceSettings>;
  updateTraceSettings(model: string | null, update: TraceSettingsUpdate): Result<TraceSettings>;
  logSettings(): LogSettings;
  updateLogSettings(update: LogSettingsUpdate): Result<LogSettings>;
}
