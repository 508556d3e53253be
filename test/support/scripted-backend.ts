import type { Clock } from "../../emulator/common/clock.ts";
import { ok, TritonError } from "../../emulator/common/status.ts";
import type {
  Backend,
  BackendModel,
  ExecutionSink,
  InstanceSpec,
  ModelContext,
  ModelInstance,
} from "../../emulator/core/backend.ts";
import type { AllocationKind, MemoryDemand } from "../../emulator/core/memory/memory-account.ts";
import type { ModelConfig } from "../../emulator/core/model-config/model-config.ts";
import type {
  InferenceRequest,
  InferenceResponse,
  OutputTensor,
} from "../../emulator/core/tensor/inference-request.ts";

/** One batch as an instance was given it. */
export interface Run {
  readonly model: string;
  readonly version: number;
  readonly instance: string;
  readonly atUs: number;
  readonly requests: readonly InferenceRequest[];
  /** Ids of the requests, in the order of the batch; padding rows are `-`. */
  readonly ids: readonly string[];
}

/** What becomes of a batch; what is not said is as `executeUs` and `respond` say. */
export interface Outcome {
  /** Fails every request of the batch, and the run. */
  readonly error?: TritonError;
}

/**
 * A backend that does what a test tells it, on the test's clock. It answers each request with OUT = IN, and throws where
 * the core breaks the contract: two batches on one instance, a batch or a release after the release.
 */
export class ScriptedBackend implements Backend {
  readonly name = "scripted";
  readonly runs: Run[] = [];
  /** `initialize m:1`, `create m:1 m_0_0`, `release m:1 m_0_0`, `finalize m:1`, in order. */
  readonly events: string[] = [];
  /** Microseconds of clock time; 0 = the callback comes before the call returns. */
  initializeUs = 0;
  createUs = 0;
  releaseUs = 0;
  executeUs = 1000;
  /** How a run takes its time: input, inference and output each take this share. */
  readonly shares = [0.25, 0.5, 0.25] as const;
  /** Bytes that a version asks for, by the host pool; then those of an instance. */
  modelBytes = 1000;
  instanceBytes = 100;
  instanceKind: AllocationKind = "arena";
  failInitialize: (context: ModelContext) => TritonError | null = () => null;
  failCreate: (spec: InstanceSpec, context: ModelContext) => TritonError | null = () => null;
  completeConfig: (context: ModelContext) => ModelConfig | null = () => null;
  /** Microseconds this batch takes. */
  durationOf: (run: Run) => number = () => this.executeUs;
  outcomeOf: (run: Run) => Outcome = () => ({});
  /** Responses of one request of a batch that did not fail; the last one must be final. */
  responsesOf: (request: InferenceRequest, run: Run) => readonly InferenceResponse[] = (request) => [
    { final: true, outputs: echo(request) },
  ];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  predictMemory(): readonly MemoryDemand[] {
    return [{ pool: "host", kind: "weights", bytes: this.modelBytes }];
  }

  initializeModel(context: ModelContext, done: Parameters<Backend["initializeModel"]>[1]): void {
    const label = `${context.name}:${context.version}`;
    this.events.push(`initialize ${label}`);
    this.#after(this.initializeUs, () => {
      const error = this.failInitialize(context);
      done(error === null ? ok(this.#model(context, label)) : { ok: false, error });
    });
  }

  #model(context: ModelContext, label: string): BackendModel {
    let live = 0;
    let finalized = false;
    return {
      completedConfig: this.completeConfig(context),
      predictInstanceMemory: () => [{ pool: "host", kind: this.instanceKind, bytes: this.instanceBytes }],
      createInstance: (_config, spec, done) => {
        if (finalized) throw new Error(`${label}: an instance after finalize`);
        this.events.push(`create ${label} ${spec.name}`);
        this.#after(this.createUs, () => {
          const error = this.failCreate(spec, context);
          if (error !== null) {
            done({ ok: false, error });
            return;
          }
          live++;
          done(ok(this.#instance(context, label, spec, () => live--)));
        });
      },
      finalize: () => {
        if (finalized) throw new Error(`${label}: finalized twice`);
        if (live > 0) throw new Error(`${label}: finalized with ${live} instances`);
        finalized = true;
        this.events.push(`finalize ${label}`);
      },
    };
  }

  #instance(context: ModelContext, label: string, spec: InstanceSpec, gone: () => void): ModelInstance {
    let busy = false;
    let released = false;
    const check = (what: string): void => {
      if (released) throw new Error(`${spec.name}: ${what} after release`);
      if (busy) throw new Error(`${spec.name}: ${what} during a batch`);
    };
    return {
      executionProvider: "CPU",
      execute: (requests, sink) => {
        check("a batch");
        busy = true;
        const run: Run = {
          model: context.name,
          version: context.version,
          instance: spec.name,
          atUs: this.#clock.now(),
          requests: [...requests],
          ids: requests.map((request) => (request.padding ? "-" : request.id)),
        };
        this.runs.push(run);
        const duration = this.durationOf(run);
        this.#after(duration, () => this.#finish(run, duration, sink, () => (busy = false)));
      },
      release: (done) => {
        check("a release");
        released = true;
        this.events.push(`release ${label} ${spec.name}`);
        this.#after(this.releaseUs, () => {
          gone();
          done();
        });
      },
    };
  }

  #finish(run: Run, durationUs: number, sink: ExecutionSink, free: () => void): void {
    const { error } = this.outcomeOf(run);
    for (const [index, request] of run.requests.entries()) {
      const responses =
        error === undefined ? this.responsesOf(request, run) : [{ final: true, error, outputs: [] }];
      for (const response of responses) sink.respond(index, response);
    }
    free();
    const [input, infer] = this.shares;
    sink.done({
      computeStartUs: run.atUs,
      computeInputEndUs: run.atUs + input * durationUs,
      computeOutputStartUs: run.atUs + (input + infer) * durationUs,
      computeEndUs: run.atUs + durationUs,
      success: error === undefined,
    });
  }

  #after(delayUs: number, run: () => void): void {
    if (delayUs === 0) run();
    else this.#clock.setTimer(delayUs, run);
  }
}

/** OUT with the bytes of the first input. */
export const echo = (request: InferenceRequest): readonly OutputTensor[] => {
  const input = request.inputs[0];
  return input === undefined
    ? []
    : [{ name: "OUT", datatype: "INT32", shape: input.shape, data: input.data }];
};

export const backendError = (message: string): TritonError => new TritonError("INTERNAL", message);
