import type { Clock } from "../../common/clock.ts";
import { TritonError } from "../../common/status.ts";
import type { ExecutionSink, ModelInstance } from "../../core/backend.ts";
import { HEALTH_WAIT_US, stubIsDead } from "../../core/dead-stub.ts";
import { FAULT_HEADER, type Fault, type FaultSource } from "../../core/faults/fault-source.ts";
import type { InferenceRequest } from "../../core/tensor/inference-request.ts";

export interface FaultyInstanceOptions {
  readonly clock: Clock;
  readonly faults: FaultSource;
  readonly model: string;
  /** Its own name, `<group>_<i>`. */
  readonly instance: string;
  /** Kills the process it lives in. */
  readonly kill: () => void;
  readonly outOfMemoryText: () => string;
  /** What strikes the unload of its model. */
  readonly unloadFault: () => Fault | null;
}

/**
 * Asks about every request of a batch. A failure strikes the request alone, the rest runs; what takes time, hangs or kills
 * takes the instance, and so the whole batch.
 */
export class FaultyInstance implements ModelInstance {
  readonly executionProvider: string;
  readonly #inner: ModelInstance;
  readonly #options: FaultyInstanceOptions;
  #state: "alive" | "dead" = "alive";

  constructor(inner: ModelInstance, options: FaultyInstanceOptions) {
    this.executionProvider = inner.executionProvider;
    this.#inner = inner;
    this.#options = options;
  }

  execute(batch: readonly InferenceRequest[], sink: ExecutionSink): void {
    const { clock } = this.#options;
    if (this.#state === "dead") {
      this.#answerDead(batch, sink);
      return;
    }
    const failures = new Map<number, TritonError>();
    let delayUs = 0;
    let hangs = false;
    let dies = false;
    for (const [index, request] of batch.entries()) {
      if (request.padding) continue;
      const fault = this.#faultOf(request);
      if (fault instanceof TritonError) {
        failures.set(index, fault);
        continue;
      }
      switch (fault?.effect.kind) {
        case "fail":
          failures.set(index, new TritonError("INTERNAL", fault.effect.message));
          break;
        case "out-of-memory":
          failures.set(index, new TritonError("INTERNAL", this.#options.outOfMemoryText()));
          break;
        case "delay":
          delayUs = Math.max(delayUs, fault.effect.us);
          break;
        case "hang":
          hangs = true;
          break;
        case "kill":
          dies = true;
          break;
        default:
      }
    }
    if (hangs) return;
    if (dies) {
      // The core answers for a stub that was killed, this batch included; it is answered here where there is none.
      this.#state = "dead";
      this.#options.kill();
      this.#answerDead(batch, sink);
    } else if (delayUs > 0) clock.setTimer(delayUs, () => this.#run(batch, failures, sink));
    else this.#run(batch, failures, sink);
  }

  release(done: () => void): void {
    const effect = this.#options.unloadFault()?.effect;
    if (effect?.kind === "hang") return;
    if (effect?.kind === "delay") this.#options.clock.setTimer(effect.us, () => this.#inner.release(done));
    else this.#inner.release(done);
  }

  /** An error where the header of the request names nothing. */
  #faultOf(request: InferenceRequest): Fault | TritonError | null {
    const { faults, model } = this.#options;
    const point = { operation: "infer", model } as const;
    const header = request.parameters.find(({ name }) => name.toLowerCase() === FAULT_HEADER)?.value;
    if (header?.kind !== "string") return faults.at(point);
    const asked = faults.requestedAt(point, header.value);
    return asked.ok ? asked.value : asked.error;
  }

  /** Answers those that fail, and has the others run. */
  #run(
    batch: readonly InferenceRequest[],
    failures: ReadonlyMap<number, TritonError>,
    sink: ExecutionSink,
  ): void {
    if (failures.size === 0) {
      this.#inner.execute(batch, sink);
      return;
    }
    for (const [index, error] of failures) sink.respond(index, { final: true, error, outputs: [] });
    const left = [...batch.keys()].filter((index) => !failures.has(index));
    if (left.length === 0) sink.done({ ...this.#instant(), success: false });
    else {
      this.#inner.execute(
        left.map((index) => batch[index]!),
        {
          respond: (at, response) => sink.respond(left[at]!, response),
          done: (report) => sink.done(report),
        },
      );
    }
  }

  #answerDead(batch: readonly InferenceRequest[], sink: ExecutionSink): void {
    const { clock, instance } = this.#options;
    const started = this.#instant();
    clock.setTimer(HEALTH_WAIT_US, () => {
      for (const index of batch.keys()) {
        sink.respond(index, { final: true, error: stubIsDead(instance), outputs: [] });
      }
      sink.done({ ...started, computeEndUs: clock.now(), success: false });
    });
  }

  #instant() {
    const now = this.#options.clock.now();
    return { computeStartUs: now, computeInputEndUs: now, computeOutputStartUs: now, computeEndUs: now };
  }
}
