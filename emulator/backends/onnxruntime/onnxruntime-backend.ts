import { availableParallelism } from "node:os";
import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { fail, ok, type Result, TritonError } from "../../common/status.ts";
import type {
  Backend,
  BackendModel,
  ExecutionSink,
  InstanceSpec,
  ModelContext,
  ModelInstance,
} from "../../core/backend.ts";
import type { MemoryDemand } from "../../core/memory/memory-account.ts";
import type { ModelConfig } from "../../core/model-config/model-config.ts";
import type { InferenceRequest, InferenceResponse } from "../../core/tensor/inference-request.ts";
import { autoComplete, isComplete } from "./auto-complete.ts";
import {
  type BatchPlan,
  type GatheredBatch,
  gatherInputs,
  outputsToFetch,
  planBatches,
  seenShape,
  splitOutputs,
} from "./batch.ts";
import { checkConfig } from "./config-checks.ts";
import { InlineSession } from "./inline-session.ts";
import {
  modelFilePath,
  modelFileSizes,
  sessionDemand,
  type WeightsFactors,
  weightsFactors,
} from "./memory.ts";
import { ModelSessions } from "./model-sessions.ts";
import { runtimeError } from "./runtime-error.ts";
import {
  type BackendOptions,
  checkInstanceOptions,
  type ModelOptions,
  readBackendOptions,
  readModelOptions,
} from "./session-options.ts";
import type { ModelDescription, OpenRequest } from "./session-protocol.ts";
import { type PartedInput, type RunResult, WorkerPool, type WorkerSession } from "./worker-pool.ts";

export interface OnnxRuntimeBackendOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Threads that run models; all models share them. They start when the first models need them. */
  readonly workerThreads: number;
  /** Cores, for models that ask for a parallel execution mode and name no thread count; default: those of the machine. */
  readonly cpuCount?: number;
  /** GPUs that `KIND_GPU` instances may name. */
  readonly gpuCount?: number;
  /** GPUs of the emulated machine: their instances' bytes are counted there, wherever they run. Default: `gpuCount`. */
  readonly emulatedGpuCount?: number;
  /** Of a memory profile; default: as measured. */
  readonly weightsFactors?: WeightsFactors;
}

/** ONNX models, run by ONNX Runtime as backend `onnxruntime` of release 24.10 would run them. */
export class OnnxRuntimeBackend implements Backend {
  readonly name = "onnxruntime";
  readonly #options: OnnxRuntimeBackendOptions;
  readonly #pool: WorkerPool;
  readonly #cpuCount: number;
  #initialized = false;

  constructor(options: OnnxRuntimeBackendOptions) {
    this.#options = options;
    this.#cpuCount = options.cpuCount ?? availableParallelism();
    this.#pool = new WorkerPool(options.workerThreads, options.clock);
  }

  predictMemory(context: ModelContext): readonly MemoryDemand[] {
    if (!completes(context)) return [];
    const options = this.#readOptions(context);
    return sessionDemand(
      modelFileSizes(context.folder, modelFilePath(context)),
      !options.ok || options.value.model.session.enableCpuMemArena,
      "host",
      "staging",
      this.#options.weightsFactors ?? weightsFactors,
    );
  }

  initializeModel(context: ModelContext, done: (result: Result<BackendModel>) => void): void {
    const initialized = this.#initialize(context);
    if (!initialized.ok) {
      done(initialized);
      return;
    }
    context.log.info(`TRITONBACKEND_ModelInitialize: ${context.name} (version ${context.version})`);
    const options = this.#readOptions(context);
    if (!options.ok) {
      done(options);
      return;
    }
    const { backend, model } = options.value;
    const parts: ModelParts = {
      context,
      options: model,
      clock: this.#options.clock,
      pool: this.#pool,
      gpuCount: this.#options.gpuCount ?? 0,
      emulatedGpuCount: this.#options.emulatedGpuCount ?? this.#options.gpuCount ?? 0,
      weightsFactors: this.#options.weightsFactors ?? weightsFactors,
    };
    if (!completes(context)) {
      if (context.autoComplete) {
        context.log.info(
          `skipping model configuration auto-complete for '${context.name}': inputs and outputs already specified`,
        );
      }
      done(ok(new OnnxModelVersion(parts, null, null)));
      return;
    }
    const checked = checkBeforeOpening(parts, context.config, false);
    if (!checked.ok) {
      done(checked);
      return;
    }
    this.#pool.open(openRequest(parts, context.config, cpu), [], (opened) => {
      if (!opened.ok) {
        done(opened);
        return;
      }
      const session = opened.value;
      const { description } = session;
      const completed = autoComplete(
        context.config,
        context.name,
        description,
        backend.defaultMaxBatchSize,
        context.log,
      );
      if (completed.ok) done(ok(new OnnxModelVersion(parts, completed.value, session)));
      else session.close(() => done(completed));
    });
  }

  /** Ends the worker threads, after what they are doing. */
  stop(): Promise<void> {
    return this.#pool.stop();
  }

  #readOptions(context: ModelContext): Result<{ backend: BackendOptions; model: ModelOptions }> {
    const backend = readBackendOptions(context.backendConfig);
    if (!backend.ok) return backend;
    const model = readModelOptions(context.config, backend.value, this.#cpuCount);
    return model.ok ? ok({ backend: backend.value, model: model.value }) : model;
  }

  /** Once for all models, and again as long as it fails. */
  #initialize({ backendConfig }: ModelContext): Result<null> {
    if (this.#initialized) return ok(null);
    this.#options.log.info(`TRITONBACKEND_Initialize: ${this.name}`);
    this.#options.log.info(`Triton TRITONBACKEND API version: ${BACKEND_API_VERSION}`);
    this.#options.log.info(`'${this.name}' TRITONBACKEND API version: ${BACKEND_API_VERSION}`);
    const options = readBackendOptions(backendConfig);
    if (!options.ok) return options;
    this.#initialized = true;
    return ok(null);
  }
}

/** Of release 24.10. */
const BACKEND_API_VERSION = "1.19";

const completes = (context: ModelContext): boolean => context.autoComplete && !isComplete(context.config);

type Provider = OpenRequest["provider"];

const cpu: Provider = { name: "cpu" };

/** Where an instance runs. A worker that finds no CUDA there falls back to the CPU and says so. */
export const chooseProvider = (instance: InstanceSpec, gpuCount: number): Provider =>
  instance.kind === "KIND_GPU" && instance.deviceId < gpuCount
    ? { name: "cuda", deviceId: instance.deviceId }
    : cpu;

interface ModelParts {
  readonly context: ModelContext;
  readonly options: ModelOptions;
  readonly clock: Clock;
  readonly pool: WorkerPool;
  readonly gpuCount: number;
  readonly emulatedGpuCount: number;
  readonly weightsFactors: WeightsFactors;
}

const openRequest = (
  { context, options }: ModelParts,
  config: ModelConfig,
  provider: Provider,
): OpenRequest => ({
  path: `${context.folder.path}/${modelFilePath(context)}`,
  options: options.session,
  provider,
  promote: config.input.map((input) => input.name),
  libraries: config.model_operations?.op_library_filename ?? [],
  expect: null,
});

/** What the real backend finds wrong before ONNX Runtime looks at the model. */
const checkBeforeOpening = ({ context }: ModelParts, config: ModelConfig, onGpu: boolean): Result<null> => {
  const path = modelFilePath(context);
  if (!context.folder.entries.some((entry) => entry.path === path)) {
    return fail("INTERNAL", `failed to stat file ${context.folder.path}/${path}`);
  }
  return checkInstanceOptions(config, onGpu);
};

/** The sessions of one device, or those who wait for the first of them. */
interface DeviceGroup {
  ready: { readonly sessions: ModelSessions; readonly description: ModelDescription } | null;
  readonly waiting: ((error: TritonError | null) => void)[];
}

class OnnxModelVersion implements BackendModel {
  readonly completedConfig: ModelConfig | null;
  readonly #parts: ModelParts;
  readonly #groups = new Map<string, DeviceGroup>();
  /** The session that auto-complete looked at, until an instance takes it. */
  #spare: WorkerSession | null;
  #inline: InlineSession | null = null;

  constructor(parts: ModelParts, completedConfig: ModelConfig | null, spare: WorkerSession | null) {
    this.#parts = parts;
    this.completedConfig = completedConfig;
    this.#spare = spare;
  }

  predictInstanceMemory(_config: ModelConfig, instance: InstanceSpec): readonly MemoryDemand[] {
    const { context, emulatedGpuCount, options } = this.#parts;
    const provider = chooseProvider(instance, emulatedGpuCount);
    return sessionDemand(
      modelFileSizes(context.folder, modelFilePath(context)),
      options.session.enableCpuMemArena,
      provider.name === "cuda" ? `gpu:${provider.deviceId}` : "host",
      "weights",
      this.#parts.weightsFactors,
    );
  }

  createInstance(
    config: ModelConfig,
    spec: InstanceSpec,
    done: (result: Result<ModelInstance>) => void,
  ): void {
    const { context, gpuCount } = this.#parts;
    const provider = chooseProvider(spec, gpuCount);
    const onGpu = spec.kind === "KIND_GPU";
    context.log.info(
      `TRITONBACKEND_ModelInstanceInitialize: ${spec.name} (${onGpu ? "GPU" : "CPU"} device ${spec.deviceId})`,
    );
    const checked = checkBeforeOpening(this.#parts, config, onGpu);
    if (!checked.ok) {
      done(checked);
      return;
    }
    const group = this.#groupOf(provider);
    this.#whenOpen(group, config, provider, (error) => {
      if (error !== null || group.ready === null) {
        done({ ok: false, error: error ?? new TritonError("INTERNAL", "no session") });
        return;
      }
      const { sessions, description } = group.ready;
      const fits = checkConfig(config, context.name, description);
      if (!fits.ok) {
        done(fits);
        return;
      }
      if (description.unusable !== null) {
        done(
          fail(
            "INTERNAL",
            `model '${context.name}' cannot be run by onnxruntime-node: ${description.unusable}`,
          ),
        );
        return;
      }
      done(ok(this.#newInstance(config, spec, provider, sessions, description)));
    });
  }

  finalize(): void {
    this.#parts.context.log.info("TRITONBACKEND_ModelFinalize: delete model state");
    this.#spare?.close(() => {});
    this.#spare = null;
    this.#inline?.close();
    for (const { ready } of this.#groups.values()) ready?.sessions.closeAll();
  }

  #newInstance(
    config: ModelConfig,
    spec: InstanceSpec,
    provider: Provider,
    sessions: ModelSessions,
    description: ModelDescription,
  ): ModelInstance {
    const { context, options, clock } = this.#parts;
    const refused = description.providerRefused;
    if (refused !== null) {
      context.log.warning(`instance ${spec.name} runs on the CPU, CUDA is not to be had: ${refused}`);
    }
    sessions.addInstance();
    const onCuda = provider.name === "cuda" && refused === null;
    if (!onCuda && InlineSession.mayServe(description, options.session)) {
      this.#inline ??= new InlineSession({
        ...openRequest(this.#parts, config, cpu),
        expect: description.fingerprint,
      });
    }
    return new OnnxInstance({
      name: spec.name,
      executionProvider: onCuda ? "CUDA" : "CPU",
      clock,
      log: context.log,
      plan: planBatches(config, description),
      description,
      options,
      sessions,
      inline: onCuda ? null : this.#inline,
    });
  }

  #groupOf(provider: Provider): DeviceGroup {
    const key = provider.name === "cuda" ? `cuda:${provider.deviceId}` : "cpu";
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { ready: null, waiting: [] };
      this.#groups.set(key, group);
    }
    return group;
  }

  #whenOpen(
    group: DeviceGroup,
    config: ModelConfig,
    provider: Provider,
    then: (error: TritonError | null) => void,
  ): void {
    if (group.ready !== null) {
      then(null);
      return;
    }
    group.waiting.push(then);
    if (group.waiting.length > 1) return;
    const request = openRequest(this.#parts, config, provider);
    const answer = (result: Result<WorkerSession>): void => {
      if (result.ok) {
        const { description } = result.value;
        const sessions = new ModelSessions(
          this.#parts.pool,
          { ...request, expect: description.fingerprint },
          result.value,
        );
        group.ready = { sessions, description };
      }
      for (const waiting of group.waiting.splice(0)) waiting(result.ok ? null : result.error);
    };
    const spare = this.#spare;
    if (spare !== null && provider.name === "cpu" && request.promote.length === 0) {
      this.#spare = null;
      answer(ok(spare));
    } else this.#parts.pool.open(request, [], answer);
  }
}

interface InstanceParts {
  readonly name: string;
  readonly executionProvider: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly plan: BatchPlan;
  readonly description: ModelDescription;
  readonly options: ModelOptions;
  readonly sessions: ModelSessions;
  readonly inline: InlineSession | null;
}

class OnnxInstance implements ModelInstance {
  readonly executionProvider: string;
  readonly #parts: InstanceParts;

  constructor(parts: InstanceParts) {
    this.#parts = parts;
    this.executionProvider = parts.executionProvider;
  }

  execute(batch: readonly InferenceRequest[], sink: ExecutionSink): void {
    const { clock, plan, description, options } = this.#parts;
    const computeStartUs = clock.now();
    const outputs = outputsToFetch(plan, batch);
    const tooLarge = this.#tooLarge(batch);
    const gathered = tooLarge ?? this.#prepare(outputs) ?? gatherInputs(plan, description, batch);
    const computeInputEndUs = clock.now();
    const finish = (result: Result<RunResult>): void => {
      const computeOutputStartUs = clock.now();
      const responses = result.ok
        ? splitOutputs(plan, batch, result.value.outputs)
        : batch.map(() => failedResponse(result.error));
      for (let i = 0; i < responses.length; i++) {
        const refused = gathered.ok ? gathered.value.refused.get(i) : undefined;
        sink.respond(i, refused === undefined ? responses[i]! : failedResponse(refused));
      }
      sink.done({
        computeStartUs,
        computeInputEndUs,
        computeOutputStartUs,
        computeEndUs: clock.now(),
        success: result.ok,
        ...(tooLarge === null ? {} : { isUntold: true }),
      });
    };
    if (!gathered.ok) finish(gathered);
    else {
      const refused = shrinkageError(options);
      if (refused === null) this.#run(gathered.value.inputs, outputs, finish);
      else finish({ ok: false, error: refused });
    }
  }

  release(done: () => void): void {
    this.#parts.log.info("TRITONBACKEND_ModelInstanceFinalize: delete instance state");
    this.#parts.sessions.removeInstance(done);
  }

  /** A batch above the model's limit: the real backend answers it and returns without a word to the core (2.51.0). */
  #tooLarge(batch: readonly InferenceRequest[]): Result<GatheredBatch> | null {
    const { name, plan } = this.#parts;
    if (!plan.batching) return null;
    let size = 0;
    for (const { inputs, batchSize } of batch) {
      const [first] = inputs;
      size += first === undefined ? 1 : (seenShape(plan, batchSize, first.shape)[0] ?? 1);
    }
    if (size <= plan.maxBatchSize) return null;
    return fail("INTERNAL", `batch size ${size} for '${name}', max allowed is ${plan.maxBatchSize}`);
  }

  /** What fails before any input is looked at. */
  #prepare(outputs: readonly string[]): Result<GatheredBatch> | null {
    const { plan, description } = this.#parts;
    if (outputs.length === 0)
      return { ok: false, error: runtimeError("At least one output should be requested.") };
    for (const output of plan.stateOutputs) {
      if (!description.outputs.some((info) => info.name === output)) {
        return { ok: false, error: runtimeError(`Invalid output name: ${output}`) };
      }
    }
    return null;
  }

  #run(
    inputs: readonly PartedInput[],
    outputs: readonly string[],
    done: (result: Result<RunResult>) => void,
  ): void {
    const { sessions, inline } = this.#parts;
    if (inline === null) sessions.run(inputs, outputs, done);
    else if (!inline.tryRun(inputs, outputs, done)) {
      sessions.run(inputs, outputs, (result) => {
        if (result.ok) inline.learn(inputs, result.value.runUs);
        done(result);
      });
    }
  }
}

const failedResponse = (error: TritonError): InferenceResponse => ({ final: true, error, outputs: [] });

/**
 * What ONNX Runtime 1.30 says to a run whose list of arenas to shrink names one that is not there; an arena of the list
 * that is there makes up for those that are not. onnxruntime-node does not pass the list on, so nothing is shrunk.
 */
const shrinkageError = ({ arenaShrinkage, session }: ModelOptions): TritonError | null => {
  if (arenaShrinkage === "") return null;
  let missing: string | null = null;
  let found = false;
  for (const entry of arenaShrinkage.split(";")) {
    if (entry === "") continue;
    const [device = "", id = "0"] = entry.split(":");
    if (device !== "cpu" && device !== "gpu") {
      return runtimeError(`Unsupported device specified in the memory arena shrink list: ${device}`);
    }
    if (device === "cpu" && id === "0" && session.enableCpuMemArena) found = true;
    else missing ??= entry;
  }
  return missing === null || found
    ? null
    : runtimeError(
        `Did not find an arena based allocator registered for device-id combination in the memory arena shrink list: ${missing}`,
      );
};
