import type { TritonError } from "../../../common/status.ts";
import type { FaultSource } from "../../../core/faults/fault-source.ts";
import type { InferenceServer } from "../../../core/inference-server.ts";
import type { InferenceResponse } from "../../../core/tensor/inference-request.ts";
import { brokenAfter } from "../broken-replies.ts";
import { CallTrace } from "../call-trace.ts";
import { decodeOrNull } from "../codec/fields.ts";
import { decodeInferRequest, type InferRequestMessage } from "../codec/infer-request.ts";
import { encodeInferResponse } from "../codec/infer-response.ts";
import { grpcStatusOf, unparsable } from "../grpc-status.ts";
import type { HeaderForwarding } from "../header-forwarding.ts";
import { createInferCall, createResponseMessage, findVersion, type InferCall } from "../infer-call.ts";
import type { CallHandler, ServerCall } from "../wire/server-call.ts";
import { grpcCode } from "../wire/status.ts";

/** `ModelInfer`: one request, one response. */
export const openInfer = (
  server: InferenceServer,
  forwarding: HeaderForwarding,
  faults: FaultSource | null,
  call: ServerCall,
): CallHandler => {
  let infer: InferCall | null = null;
  const openedUs = server.tracer.now();
  return {
    message: (bytes) => {
      const readUs = server.tracer.now();
      const message = decodeOrNull(bytes, decodeInferRequest);
      if (message === null) {
        call.end(unparsable);
        return;
      }
      infer = startInfer(server, forwarding, faults, call, message, openedUs, readUs);
    },
    halfClose: () => {},
    cancel: () => infer?.request.cancel(),
  };
};

const startInfer = (
  server: InferenceServer,
  forwarding: HeaderForwarding,
  faults: FaultSource | null,
  call: ServerCall,
  message: InferRequestMessage,
  openedUs: number,
  readUs: number,
): InferCall | null => {
  const refuse = (error: TritonError): null => {
    call.end(grpcStatusOf(error));
    return null;
  };
  const version = findVersion(server, message);
  if (!version.ok) return refuse(version.error);
  if (version.value.decoupled) {
    call.end({
      code: grpcCode.UNIMPLEMENTED,
      message: "ModelInfer RPC doesn't support models with decoupled transaction policy",
    });
    return null;
  }
  let first: InferenceResponse | null = null;
  let responses = 0;
  let trace: CallTrace | null = null;
  const created = createInferCall(version.value, message, forwarding(call.headers), (response) => {
    if (first === null || !response.final || response.outputs.length > 0 || response.error !== undefined) {
      first ??= response;
      responses++;
    }
    if (!response.final) return;
    trace?.response();
    send(call, trace, () => finish(call, created.ok ? created.value : null, first!, responses, faults));
  });
  if (!created.ok) return refuse(created.error);
  trace = CallTrace.sample(server, message.modelName, openedUs, readUs);
  created.value.request.trace = trace?.trace ?? null;
  const error = server.infer(version.value, created.value.request);
  if (error === null) return created.value;
  send(call, trace, () => refuse(error));
  return null;
};

/** Sends what ends the call; a client that is gone is sent nothing. */
const send = (call: ServerCall, trace: CallTrace | null, end: () => void): void => {
  if (trace === null || call.ended) end();
  else {
    trace.timestamp("GRPC_SEND_START");
    end();
    trace.timestamp("GRPC_SEND_END");
  }
  trace?.finish();
};

const finish = (
  call: ServerCall,
  infer: InferCall | null,
  response: InferenceResponse,
  responses: number,
  faults: FaultSource | null,
): void => {
  if (infer === null) return;
  if (responses !== 1) {
    call.end({ code: grpcCode.INTERNAL, message: `expected a single response, got ${responses}` });
    return;
  }
  if (response.error !== undefined) {
    call.end(grpcStatusOf(response.error));
    return;
  }
  const message = createResponseMessage(infer, response, noParameters);
  if (!message.ok) {
    call.end(grpcStatusOf(message.error));
    return;
  }
  const parts = encodeInferResponse(message.value);
  const breakAfter = brokenAfter(faults, infer.version.modelName, call);
  if (breakAfter === null) call.reply(parts);
  else call.breakOff(parts, breakAfter);
};

const noParameters = [] as const;
