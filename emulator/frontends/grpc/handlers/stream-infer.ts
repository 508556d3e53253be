import { TritonError } from "../../../common/status.ts";
import type { FaultSource } from "../../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../../core/inference-server.ts";
import type { InferenceResponse, Parameter } from "../../../core/tensor/inference-request.ts";
import { brokenAfter } from "../broken-replies.ts";
import { CallTrace } from "../call-trace.ts";
import { decodeOrNull } from "../codec/fields.ts";
import { decodeInferRequest, type InferRequestMessage } from "../codec/infer-request.ts";
import {
  encodeStreamError,
  encodeStreamResponse,
  type InferResponseMessage,
} from "../codec/infer-response.ts";
import { grpcStatusOf } from "../grpc-status.ts";
import type { HeaderForwarding } from "../header-forwarding.ts";
import { createInferCall, createResponseMessage, findVersion, type InferCall } from "../infer-call.ts";
import { type CallHandler, OK, type ServerCall } from "../wire/server-call.ts";

/** `ModelStreamInfer`: requests in, any number of responses out; a request that fails does not end the stream. */
export const openStreamInfer = (
  server: InferenceServer,
  forwarding: HeaderForwarding,
  faults: FaultSource | null,
  call: ServerCall,
): CallHandler => new InferStream(server, forwarding, faults, call);

/**
 * The place of a request in the stream. Responses of a model that is not decoupled, and errors found before a request
 * was issued, are sent in the order of the requests; decoupled ones as they come.
 */
interface Slot {
  readonly ordered: boolean;
  readonly waiting: (readonly Uint8Array[])[];
  finished: boolean;
  infer: InferCall | null;
  trace: CallTrace | null;
}

class InferStream implements CallHandler {
  readonly #server: InferenceServer;
  readonly #forwarding: HeaderForwarding;
  readonly #faults: FaultSource | null;
  readonly #call: ServerCall;
  /** `triton_grpc_error: true`: the first failed execution ends the stream with its status. */
  readonly #failsWithStatus: boolean;
  /** Requests without their last response. */
  readonly #open = new Set<Slot>();
  /** Ordered requests from the first one whose responses are not all sent. */
  readonly #order: Slot[] = [];
  #halfClosed = false;
  /** A message was none; nothing more is read. */
  #unreadable = false;
  /** When the last message was done with. */
  #waitingUs: number;

  constructor(
    server: InferenceServer,
    forwarding: HeaderForwarding,
    faults: FaultSource | null,
    call: ServerCall,
  ) {
    this.#server = server;
    this.#forwarding = forwarding;
    this.#faults = faults;
    this.#call = call;
    this.#waitingUs = server.tracer.now();
    this.#failsWithStatus = call.headers.triton_grpc_error === "true";
  }

  message(bytes: Uint8Array): void {
    if (this.#unreadable) return;
    this.#start(bytes, this.#server.tracer.now());
    this.#waitingUs = this.#server.tracer.now();
  }

  #start(bytes: Uint8Array, readUs: number): void {
    const message = decodeOrNull(bytes, decodeInferRequest);
    if (message === null) {
      // To the real server the stream is at its end then (2.51.0).
      this.#unreadable = true;
      this.halfClose();
      return;
    }
    const version = findVersion(this.#server, message);
    const slot: Slot = {
      ordered: !(version.ok && version.value.decoupled),
      waiting: [],
      finished: false,
      infer: null,
      trace: null,
    };
    this.#open.add(slot);
    if (slot.ordered) this.#order.push(slot);
    if (!version.ok) {
      this.#refuse(slot, message, version.error);
      return;
    }
    const created = createInferCall(
      version.value,
      message,
      this.#forwarding(this.#call.headers),
      (response) => {
        if (created.ok) this.#respond(slot, created.value, message, response);
      },
    );
    if (!created.ok) {
      this.#refuse(slot, message, created.error);
      return;
    }
    slot.infer = created.value;
    slot.trace = CallTrace.sample(this.#server, message.modelName, this.#waitingUs, readUs);
    created.value.request.trace = slot.trace?.trace ?? null;
    const error = this.#server.infer(version.value, created.value.request);
    if (error !== null) this.#refuse(slot, message, error);
  }

  halfClose(): void {
    this.#halfClosed = true;
    this.#endIfDone();
  }

  cancel(): void {
    for (const { infer } of this.#open) infer?.request.cancel();
    for (const { trace } of new Set([...this.#open, ...this.#order])) trace?.finish();
    this.#open.clear();
    this.#order.length = 0;
  }

  /** The request never ran: the client gets its id and nothing else. */
  #refuse(slot: Slot, message: InferRequestMessage, error: TritonError): void {
    this.#send(slot, encodeStreamError(error.message, { ...nothing, id: message.id }));
    this.#finish(slot);
  }

  #respond(slot: Slot, infer: InferCall, message: InferRequestMessage, response: InferenceResponse): void {
    if (this.#call.ended) return;
    slot.trace?.response();
    const parameters = response.final ? isFinal : isNotFinal;
    const flagOnly = response.final && response.outputs.length === 0 && response.error === undefined;
    const encoded = flagOnly ? null : createResponseMessage(infer, response, parameters);
    const error =
      response.error ??
      (encoded !== null && !encoded.ok ? encoded.error : undefined) ??
      (infer.request.keptInCache ? countMismatch : undefined);
    // These carry the version as the client asked for it, which is often not at all.
    const bare = {
      ...nothing,
      id: message.id,
      modelName: message.modelName,
      modelVersion: message.modelVersion,
      parameters,
    };
    if (error !== undefined) {
      if (this.#failsWithStatus) {
        this.#call.end(grpcStatusOf(error));
        this.cancel();
        return;
      }
      this.#send(slot, encodeStreamError(error.message, bare));
    } else if (encoded?.ok === true) this.#send(slot, encodeStreamResponse(encoded.value));
    else if (infer.enableEmptyFinalResponse) this.#send(slot, encodeStreamResponse(bare));
    if (response.final) this.#finish(slot);
  }

  #send(slot: Slot, parts: readonly Uint8Array[]): void {
    if (!slot.ordered || this.#order[0] === slot) this.#write(slot, parts);
    else slot.waiting.push(parts);
  }

  #write({ trace, infer }: Slot, parts: readonly Uint8Array[]): void {
    const breakAfter = infer === null ? null : brokenAfter(this.#faults, infer.version.modelName, this.#call);
    if (breakAfter !== null) {
      this.#call.breakOff(parts, breakAfter);
      this.cancel();
      return;
    }
    trace?.timestamp("GRPC_SEND_START");
    this.#call.send(parts);
    trace?.timestamp("GRPC_SEND_END");
  }

  #finish(slot: Slot): void {
    slot.finished = true;
    this.#open.delete(slot);
    if (!slot.ordered) slot.trace?.finish();
    else if (this.#order[0] === slot) this.#advance();
    this.#endIfDone();
  }

  /** Sends what waited for the first request of the order. */
  #advance(): void {
    while (this.#order[0]?.finished === true) {
      this.#order.shift()?.trace?.finish();
      const next = this.#order[0];
      for (const parts of next?.waiting.splice(0) ?? []) this.#write(next!, parts);
    }
  }

  #endIfDone(): void {
    if (this.#halfClosed && this.#open.size === 0) this.#call.end(OK);
  }
}

/** In streams, what an answer becomes that the response cache keeps; the next one like it comes from there (2.51.0). */
const countMismatch = new TritonError("INTERNAL", "response output count mismatch");

const nothing: InferResponseMessage = {
  modelName: "",
  modelVersion: "",
  id: "",
  parameters: [],
  outputs: [],
};
const finalParameter = (value: boolean): readonly Parameter[] => [
  { name: "triton_final_response", value: { kind: "bool", value } },
];
const isFinal = finalParameter(true);
const isNotFinal = finalParameter(false);
