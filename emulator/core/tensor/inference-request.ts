import type { TritonError } from "../../common/status.ts";
import type { DataType } from "./data-type.ts";

/**
 * An input tensor in the v2 binary layout: little-endian elements without padding, BYTES elements each after their
 * 4-byte length. `data` is a view that stays valid and unchanged until the request has had its last response.
 * `datatype` is the client's text, checked against the model's configuration by the core, not by a front end.
 */
export interface InputTensor {
  readonly name: string;
  readonly datatype: string;
  /** Dimensions as the client gave them, batch dimension included. */
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** An output tensor, laid out like an input. */
export interface OutputTensor {
  readonly name: string;
  readonly datatype: DataType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** `kind` keeps apart what JavaScript does not: the integer 1 and the double 1.0. Integers beyond 2^53 are bigint. */
export type ParameterValue =
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "double"; readonly value: number };

/** A custom request or response parameter; the order is the client's (or the backend's). */
export interface Parameter {
  readonly name: string;
  readonly value: ParameterValue;
}

/** One response of the stream that a request yields. Exactly one has `final: true`, and it is the last. */
export interface InferenceResponse {
  readonly final: boolean;
  /** A failed response has an error and no outputs; from an instance also states that were made before it failed. */
  readonly error?: TritonError;
  /** In the order the backend made them, which is the order on the wire. */
  readonly outputs: readonly OutputTensor[];
  readonly parameters?: readonly Parameter[];
}

/** Where the responses of one request go. Called from the core's own turn; must not throw. */
export type ResponseSink = (response: InferenceResponse) => void;

/** The times that a backend reports of an execution, in microseconds of the clock and in this order. */
export interface ComputeTimes {
  readonly computeStartUs: number;
  readonly computeInputEndUs: number;
  readonly computeOutputStartUs: number;
  readonly computeEndUs: number;
}

/** What the core tells the trace of a request. All times are microseconds of the clock. */
export interface RequestTrace {
  /** The request was accepted; whose it is, and REQUEST_START. */
  requestStart(modelName: string, version: string, requestId: string, us: number): void;
  /** QUEUE_START; with the inputs where the scheduler shows them. */
  queueStart(us: number, inputs: readonly InputTensor[]): void;
  backendOutputs(outputs: readonly OutputTensor[]): void;
  /** COMPUTE_START to COMPUTE_END. */
  computed(times: ComputeTimes): void;
  /** A trace of a request that the core makes to serve this one. */
  child(): RequestTrace;
  /** REQUEST_END; the core lets go of the trace. */
  requestEnd(): void;
  /** The core lets go of a request that it did not accept after all. */
  release(): void;
  /** The request never was one: the trace is not written. */
  drop(): void;
}

/** What a front end knows of a request before the core looks at it; everything but `inputs` has a default. */
export interface InferenceRequestFields {
  readonly id?: string;
  readonly inputs: readonly InputTensor[];
  /** Names of the outputs asked for, in the client's order, without duplicates; empty = all. */
  readonly requestedOutputs?: readonly string[];
  readonly parameters?: readonly Parameter[];
  /** 0, 0n or "" = none. */
  readonly sequenceId?: number | bigint | string;
  readonly sequenceStart?: boolean;
  readonly sequenceEnd?: boolean;
  /** 0 = the model's default level. */
  readonly priority?: number;
  /** Microseconds; 0 = none. */
  readonly timeoutUs?: number;
  /** The body is one tensor whose type and shape the core deduces from the model; `inputs` then has one entry, `raw_input`. */
  readonly raw?: boolean;
  readonly respond: ResponseSink;
}

/** A request on its way through the core. One class for all, so that hot code sees one shape. */
export class InferenceRequest {
  readonly id: string;
  /** Replaced by the core where it deduces (raw requests) or reshapes. */
  inputs: readonly InputTensor[];
  readonly requestedOutputs: readonly string[];
  readonly parameters: readonly Parameter[];
  readonly sequenceId: number | bigint | string;
  readonly sequenceStart: boolean;
  readonly sequenceEnd: boolean;
  readonly priority: number;
  readonly timeoutUs: number;
  readonly raw: boolean;
  readonly respond: ResponseSink;
  /** Set by a front end before the core gets the request; null = it is not traced. */
  trace: RequestTrace | null = null;
  /** Rows of this request; 0 when the model does not batch, as the real server counts it. Set by the core's validation. */
  batchSize = 0;
  /** A row that only keeps a sequence slot's place in a batch: never counted, never answered. Set by the core. */
  padding = false;
  /** Clock times in microseconds; set by the core. */
  arrivedUs = 0;
  queuedUs = 0;
  /** Called with what an instance or an ensemble answers, before it goes out; for the response cache. */
  onExecuted: ((response: InferenceResponse) => void) | null = null;
  /** Its answer was put into the response cache. */
  keptInCache = false;
  /** Called when the core is done with the request, after its last response; for an ensemble that it is a step of. */
  onEnd: ((times: ComputeTimes | null) => void) | null = null;
  /** Set by `cancel`; a request still queued is then answered CANCELLED, one that runs may be dropped by its backend. */
  cancelled = false;

  constructor(fields: InferenceRequestFields) {
    this.id = fields.id ?? "";
    this.inputs = fields.inputs;
    this.requestedOutputs = fields.requestedOutputs ?? noStrings;
    this.parameters = fields.parameters ?? noParameters;
    this.sequenceId = fields.sequenceId ?? 0;
    this.sequenceStart = fields.sequenceStart ?? false;
    this.sequenceEnd = fields.sequenceEnd ?? false;
    this.priority = fields.priority ?? 0;
    this.timeoutUs = fields.timeoutUs ?? 0;
    this.raw = fields.raw ?? false;
    this.respond = fields.respond;
  }

  cancel(): void {
    this.cancelled = true;
  }

  /** Called by the core when all is answered and counted. @param times of its execution; null = it failed or never ran */
  end(times: ComputeTimes | null): void {
    this.trace?.requestEnd();
    this.onEnd?.(times);
  }

  /** `[request id: <id>] `, which the core puts before most of its messages. */
  get logPrefix(): string {
    return `[request id: ${this.id === "" ? "<id_unknown>" : this.id}] `;
  }
}

const noStrings: readonly string[] = [];
const noParameters: readonly Parameter[] = [];
