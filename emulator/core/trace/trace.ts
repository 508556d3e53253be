import type { Clock } from "../../common/clock.ts";
import { isDataType } from "../tensor/data-type.ts";
import type { ComputeTimes, InputTensor, OutputTensor, RequestTrace } from "../tensor/inference-request.ts";
import { requestText, tensorText, timestampText } from "./trace-text.ts";

/** Who decides which requests are traced, as a front end sees it. */
export interface Tracer {
  /** Clock time in microseconds; 0 while no request at all is traced. */
  now(): number;
  /** Counts a request to a model, and starts a trace if it is this one's turn. */
  sample(model: string): Trace | null;
}

export interface TracedLevels {
  readonly timestamps: boolean;
  readonly tensors: boolean;
}

/**
 * What is recorded of one request. It has two owners, the front end and the core, and is written when both have let go;
 * `drop` is for a request that ends before the core had it: of that the real server writes nothing.
 */
export class Trace implements RequestTrace {
  readonly id: number;
  readonly #nextId: () => number;
  readonly #levels: TracedLevels;
  readonly #clock: Clock;
  readonly #ended: (text: string | null) => void;
  readonly #parentId: number | null;
  readonly #events: string[] = [];
  /** Of children that ended, the newest first. */
  readonly #children: string[] = [];
  /** Front end and core, and each child that has not ended; a child has the core alone. */
  #owners: number;

  /** @param ended called once, with the events as a byte string joined by commas, or null for a dropped trace */
  constructor(
    id: number,
    nextId: () => number,
    levels: TracedLevels,
    clock: Clock,
    ended: (text: string | null) => void,
    parentId: number | null = null,
  ) {
    this.id = id;
    this.#nextId = nextId;
    this.#levels = levels;
    this.#clock = clock;
    this.#ended = ended;
    this.#parentId = parentId;
    this.#owners = parentId === null ? 2 : 1;
  }

  /** It is written with this trace, which waits for it. */
  child(): Trace {
    this.#owners++;
    const ended = (text: string | null): void => {
      if (text !== null && text !== "") this.#children.unshift(text);
      this.release();
    };
    return new Trace(this.#nextId(), this.#nextId, this.#levels, this.#clock, ended, this.id);
  }

  /** Clock time in microseconds. */
  now(): number {
    return this.#clock.now();
  }

  /** @param us clock time in microseconds */
  timestamp(name: string, us: number = this.#clock.now()): void {
    if (this.#levels.timestamps) this.#events.push(timestampText(this.id, name, us));
  }

  requestStart(modelName: string, version: string, requestId: string, us: number): void {
    if (this.#levels.timestamps) {
      this.#events.push(requestText(this.id, modelName, version, requestId, this.#parentId));
    }
    this.timestamp("REQUEST_START", us);
  }

  /** Inputs without a byte of data are left out (2.51.0). */
  queueStart(us: number, inputs: readonly InputTensor[]): void {
    this.timestamp("QUEUE_START", us);
    this.#record(
      "TENSOR_QUEUE_INPUT",
      inputs.filter(({ data }) => data.length > 0),
    );
  }

  backendOutputs(outputs: readonly OutputTensor[]): void {
    this.#record("TENSOR_BACKEND_OUTPUT", outputs);
  }

  computed(times: ComputeTimes): void {
    this.timestamp("COMPUTE_START", times.computeStartUs);
    this.timestamp("COMPUTE_INPUT_END", times.computeInputEndUs);
    this.timestamp("COMPUTE_OUTPUT_START", times.computeOutputStartUs);
    this.timestamp("COMPUTE_END", times.computeEndUs);
  }

  requestEnd(): void {
    this.timestamp("REQUEST_END");
    this.release();
  }

  #record(activity: string, tensors: readonly InputTensor[]): void {
    if (!this.#levels.tensors) return;
    for (const { name, datatype, shape, data } of tensors) {
      if (isDataType(datatype)) {
        this.#events.push(tensorText(this.id, activity, { name, datatype, shape, data }));
      }
    }
  }

  /** An owner lets go: nothing more will come from it. */
  release(): void {
    if (--this.#owners === 0) this.#ended([...this.#children, ...this.#events].join(","));
  }

  /** Ends the trace unwritten. */
  drop(): void {
    this.#owners = 0;
    this.#ended(null);
  }
}
