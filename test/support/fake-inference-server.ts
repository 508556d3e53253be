import { fail, ok, type Result, type TritonError } from "../../emulator/common/status.ts";
import type {
  InferenceServer,
  LoadParameter,
  ModelMetadata,
  RepositoryIndexRow,
  ServableVersion,
  ServerMetadata,
} from "../../emulator/core/inference-server.ts";
import type { ModelConfig } from "../../emulator/core/model-config/model-config.ts";
import type { LogSettings, LogSettingsUpdate } from "../../emulator/core/settings/log-settings.ts";
import type { TraceSettings, TraceSettingsUpdate } from "../../emulator/core/settings/trace-settings.ts";
import type { ModelStatistics, StatisticDuration } from "../../emulator/core/statistics/model-statistics.ts";
import type { InferenceRequest, OutputTensor } from "../../emulator/core/tensor/inference-request.ts";
import type { Tracer } from "../../emulator/core/trace/trace.ts";

/** A configuration in which nothing is said but the name. */
export const emptyModelConfig = (name: string): ModelConfig => ({
  name,
  platform: "",
  backend: "",
  runtime: "",
  max_batch_size: 0,
  input: [],
  output: [],
  batch_input: [],
  batch_output: [],
  instance_group: [],
  default_model_filename: "",
  cc_model_filenames: new Map(),
  metric_tags: new Map(),
  parameters: new Map(),
  model_warmup: [],
});

const version = (modelName: string, fields: Partial<ServableVersion> = {}): ServableVersion => ({
  modelName,
  version: 1,
  versionText: "1",
  config: emptyModelConfig(modelName),
  decoupled: false,
  labels: () => null,
  ...fields,
});

export const duration = (count: number, ns: number): StatisticDuration => ({ count, ns });

/**
 * An InferenceServer for front-end tests: models `echo` (answers each input with an output of the same name) and
 * `decoupled`, and settings that are kept as they are given. A test replaces what it wants to see called.
 */
export class FakeInferenceServer implements InferenceServer {
  tracer: Tracer = { now: () => 0, sample: () => null };
  ready = true;
  readonly versions = new Map<string, ServableVersion>([
    ["echo", version("echo")],
    ["batched", version("batched", { config: { ...emptyModelConfig("batched"), max_batch_size: 8 } })],
    ["decoupled", version("decoupled", { decoupled: true })],
  ]);
  readonly requests: InferenceRequest[] = [];
  readonly loads: { model: string; parameters: readonly LoadParameter[] }[] = [];
  readonly unloads: { model: string; unloadDependents: boolean }[] = [];
  trace: TraceSettings = {
    trace_level: ["OFF"],
    trace_rate: 1000,
    trace_count: -1,
    log_frequency: 0,
    trace_file: "",
    trace_mode: "triton",
  };
  log: LogSettings = {
    log_file: "",
    log_info: true,
    log_warning: true,
    log_error: true,
    log_verbose_level: 0,
    log_format: "default",
  };
  index: readonly RepositoryIndexRow[] = [];
  modelStatistics: readonly ModelStatistics[] = [];
  /** What becomes of a request; an error that is answered refuses it. */
  onInfer: (request: InferenceRequest, version: ServableVersion) => TritonError | null = (request) => {
    request.respond({ final: true, outputs: echo(request) });
    return null;
  };

  isLive(): boolean {
    return true;
  }

  isReady(): boolean {
    return this.ready;
  }

  metadata(): ServerMetadata {
    return { name: "triton", version: "2.51.0", extensions: ["classification", "sequence"] };
  }

  isModelReady(model: string, number: number): boolean {
    return this.findVersion(model, number).ok;
  }

  findVersion(model: string, number: number): Result<ServableVersion> {
    const found = this.versions.get(model);
    if (found === undefined) return fail("NOT_FOUND", `Request for unknown model: '${model}' is not found`);
    if (number === -1 || number === found.version) return ok(found);
    return fail("NOT_FOUND", `Request for unknown model: '${model}' version ${number} is not found`);
  }

  modelMetadata(model: string, number: number): Result<ModelMetadata> {
    const found = this.findVersion(model, number);
    if (!found.ok) return found;
    return ok({
      name: model,
      versions: ["1"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "IN", datatype: "FP32", shape: [-1, 3] }],
      outputs: [{ name: "OUT", datatype: "BYTES", shape: [-1, 1] }],
    });
  }

  statistics(): Result<readonly ModelStatistics[]> {
    return ok(this.modelStatistics);
  }

  repositoryIndex(readyOnly: boolean, done: (result: Result<readonly RepositoryIndexRow[]>) => void): void {
    done(ok(this.index.filter(({ state }) => !readyOnly || state === "READY")));
  }

  loadModel(
    model: string,
    parameters: readonly LoadParameter[],
    done: (error: TritonError | null) => void,
  ): void {
    this.loads.push({ model, parameters });
    done(null);
  }

  unloadModel(model: string, unloadDependents: boolean, done: (error: TritonError | null) => void): void {
    this.unloads.push({ model, unloadDependents });
    done(null);
  }

  infer(found: ServableVersion, request: InferenceRequest): TritonError | null {
    this.requests.push(request);
    return this.onInfer(request, found);
  }

  traceSettings(model: string | null): Result<TraceSettings> {
    if (model !== null && !this.versions.has(model)) {
      return fail("INVALID_ARG", `Request for unknown model : ${model}`);
    }
    return ok(this.trace);
  }

  updateTraceSettings(_model: string | null, update: TraceSettingsUpdate): Result<TraceSettings> {
    this.trace = {
      ...this.trace,
      trace_level: update.trace_level ?? this.trace.trace_level,
      trace_rate: update.trace_rate === null ? 1000 : (update.trace_rate ?? this.trace.trace_rate),
      trace_count: update.trace_count ?? this.trace.trace_count,
      log_frequency: update.log_frequency ?? this.trace.log_frequency,
    };
    return ok(this.trace);
  }

  logSettings(): LogSettings {
    return this.log;
  }

  updateLogSettings(update: LogSettingsUpdate): Result<LogSettings> {
    const { log_format: format, log_verbose_level: level, ...rest } = update;
    this.log = { ...this.log, ...rest };
    if (level !== undefined) this.log = { ...this.log, log_verbose_level: Number(level) };
    if (format !== undefined) {
      if (format !== "default" && format !== "ISO8601") {
        return fail("INVALID_ARG", `invalid argument for log_format, got: ${format}`);
      }
      this.log = { ...this.log, log_format: format };
    }
    return ok(this.log);
  }
}

/** Every input as an output. */
export const echo = (request: InferenceRequest): OutputTensor[] =>
  request.inputs.map(({ name, datatype, shape, data }) => {
    if (datatype !== "INT32" && datatype !== "BYTES" && datatype !== "UINT8" && datatype !== "FP32") {
      throw new Error(`echo of ${datatype}`);
    }
    return { name, datatype, shape, data };
  });
