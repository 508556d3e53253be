import type { Clock } from "../../common/clock.ts";
import type { Random } from "../../common/random.ts";
import { ok, type Result } from "../../common/status.ts";
import type {
  Backend,
  BackendModel,
  ExecutionSink,
  InstanceSpec,
  ModelContext,
  ModelInstance,
} from "../../core/backend.ts";
import { readDeclaredMemory } from "../../core/memory/declared-memory.ts";
import type { MemoryDemand } from "../../core/memory/memory-account.ts";
import type { ModelConfig } from "../../core/model-config/model-config.ts";
import type { InferenceRequest, InferenceResponse } from "../../core/tensor/inference-request.ts";
import { type Declaration, readDeclaration } from "./declaration.ts";
import { type Duration, drawDuration } from "./duration.ts";
import { OutputMaker } from "./outputs.ts";

export interface SyntheticBackendOptions {
  readonly clock: Clock;
  /** Where times come from that a model declares as a distribution. */
  readonly random: Random;
}

/**
 * Models that run nothing: they take the time and give the answers that their configuration declares
 * (docs/synthetic-backend.md); their bytes are those that it states (docs/memory.md). For what cannot run here, and for
 * simulated runs. No files are looked at.
 */
export class SyntheticBackend implements Backend {
  readonly name = "synthetic";
  readonly #options: SyntheticBackendOptions;

  constructor(options: SyntheticBackendOptions) {
    this.#options = options;
  }

  predictMemory(): readonly MemoryDemand[] {
    return [];
  }

  initializeModel({ config }: ModelContext, done: (result: Result<BackendModel>) => void): void {
    const declared = readDeclaration(config);
    if (!declared.ok) {
      done(declared);
      return;
    }
    const memory = readDeclaredMemory(config);
    if (!memory.ok) {
      done(memory);
      return;
    }
    const perInstance = memory.value.weightsPer === "instance";
    const { clock, random } = this.#options;
    after(clock, perInstance ? 0 : drawDuration(declared.value.load, random), () => {
      done(ok(new SyntheticModel(declared.value, perInstance, this.#options)));
    });
  }
}

/** Runs at once where there is nothing to wait for. */
const after = (clock: Clock, delayUs: number, run: () => void): void => {
  if (delayUs === 0) run();
  else clock.setTimer(delayUs, run);
};

class SyntheticModel implements BackendModel {
  /** A declaration says nothing of inputs and outputs, so there is nothing to complete from. */
  readonly completedConfig = null;
  readonly #declaration: Declaration;
  /** Whether each instance loads weights of its own. */
  readonly #perInstance: boolean;
  readonly #options: SyntheticBackendOptions;

  constructor(declaration: Declaration, perInstance: boolean, options: SyntheticBackendOptions) {
    this.#declaration = declaration;
    this.#perInstance = perInstance;
    this.#options = options;
  }

  predictInstanceMemory(): readonly MemoryDemand[] {
    return [];
  }

  createInstance(
    config: ModelConfig,
    instance: InstanceSpec,
    done: (result: Result<ModelInstance>) => void,
  ): void {
    const { clock, random } = this.#options;
    after(clock, this.#perInstance ? drawDuration(this.#declaration.load, random) : 0, () => {
      done(ok(new SyntheticInstance(config, instance, this.#declaration, this.#options)));
    });
  }

  finalize(): void {}
}

class SyntheticInstance implements ModelInstance {
  readonly executionProvider: string;
  readonly #declaration: Declaration;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #outputs: OutputMaker;
  #cold = true;

  constructor(
    config: ModelConfig,
    { kind }: InstanceSpec,
    declaration: Declaration,
    { clock, random }: SyntheticBackendOptions,
  ) {
    this.executionProvider = kind === "KIND_GPU" ? "synthetic GPU" : "synthetic CPU";
    this.#declaration = declaration;
    this.#clock = clock;
    this.#random = random;
    this.#outputs = new OutputMaker(config, declaration);
  }

  execute(batch: readonly InferenceRequest[], sink: ExecutionSink): void {
    const computeStartUs = this.#clock.now();
    after(this.#clock, this.#drawRunUs(batch), () => {
      const computeOutputStartUs = this.#clock.now();
      for (const [index, request] of batch.entries()) sink.respond(index, this.#answer(request));
      sink.done({
        computeStartUs,
        computeInputEndUs: computeStartUs,
        computeOutputStartUs,
        computeEndUs: this.#clock.now(),
        success: true,
      });
    });
  }

  release(done: () => void): void {
    after(this.#clock, drawDuration(this.#declaration.unload, this.#random), done);
  }

  #drawRunUs(batch: readonly InferenceRequest[]): number {
    const { cold, warm, item } = this.#declaration;
    const whole = drawDuration(this.#cold ? cold : warm, this.#random);
    this.#cold = false;
    const rows = batch.reduce((sum, request) => sum + Math.max(1, request.batchSize), 0);
    return whole + drawSum(item, rows, this.#random);
  }

  #answer(request: InferenceRequest): InferenceResponse {
    const made = this.#outputs.make(request);
    return made.ok ? { final: true, outputs: made.value } : { final: true, error: made.error, outputs: [] };
  }
}

const drawSum = (duration: Duration, count: number, random: Random): number => {
  if (duration.kind === "fixed") return count * duration.us;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += drawDuration(duration, random);
  return sum;
};
