import { TritonError } from "../../../common/status.ts";
import type { InferenceServer, ServableVersion } from "../../../core/inference-server.ts";
import {
  InferenceRequest,
  type InferenceResponse,
  type Parameter,
} from "../../../core/tensor/inference-request.ts";
import type { Trace } from "../../../core/trace/trace.ts";
import type { HttpExchange } from "../../http1/connection.ts";
import type { HttpReply } from "../../http1/reply.ts";
import type { RequestHead } from "../../http1/request-head.ts";
import { httpStatus } from "../../kserve-json/http-status.ts";
import {
  type DecodedInferRequest,
  decodeInferRequest,
  inferenceHeaderLength,
  parseHeaderNumber,
} from "../../kserve-json/infer-request.ts";
import { encodeInferResponse } from "../../kserve-json/infer-response.ts";
import { errorReply, methodNotAllowed, plainErrorReply } from "../../kserve-json/reply.ts";
import { acceptedEncoding, compressBody, decompressBody } from "../compression.ts";
import { parseVersion } from "../handler.ts";
import { type RestrictedApi, type RestrictedCategory, restrictionError } from "../restricted-api.ts";

export interface InferContext {
  readonly server: InferenceServer;
  readonly restricted: ReadonlyMap<RestrictedCategory, RestrictedApi>;
  readonly headerForwardPattern: RegExp | null;
}

type Groups = Readonly<Record<string, string | undefined>>;

const HEADER_LENGTH = "inference-header-content-length";

/** Where the binary tensors of a body begin. */
export const binaryDataOffset = (head: RequestHead): number => {
  const length = head.headers.get(HEADER_LENGTH);
  return length === undefined ? 0 : Math.max(0, parseHeaderNumber(length));
};

/** `POST /v2/models/{m}[/versions/{v}]/infer`, in the order of checks of spec/triton-wire.md 2.1. */
export const handleInfer = (exchange: HttpExchange, groups: Groups, context: InferContext): void => {
  const { head } = exchange;
  const refusal = restrictionError(context.restricted, "inference", head.headers);
  if (refusal !== null) exchange.reply(plainErrorReply(403, refusal));
  else if (head.method !== "POST") exchange.reply(methodNotAllowed("plain"));
  else {
    const version = findVersion(context.server, groups);
    if (version instanceof TritonError) exchange.reply(untypedError(version));
    else {
      const trace = startTrace(exchange, version.modelName, context.server);
      const encoding = head.headers.get("content-encoding");
      if (encoding === undefined) infer(exchange, exchange.body, version, trace, context);
      else inferCompressed(exchange, encoding, groups, trace, context);
    }
  }
};

const startTrace = (exchange: HttpExchange, model: string, server: InferenceServer): Trace | null => {
  const trace = server.tracer.sample(model);
  if (trace === null) return null;
  trace.timestamp("HTTP_RECV_START", exchange.headUs);
  trace.timestamp("HTTP_RECV_END");
  return trace;
};

/** The answer to a traced request. */
const replyAndTrace = (exchange: HttpExchange, trace: Trace, reply: HttpReply): void => {
  trace.timestamp("HTTP_SEND_START");
  exchange.reply(reply);
  trace.timestamp("HTTP_SEND_END");
  trace.release();
};

/** An error from before there is a request object, or from the backend: no handler has set a type then. */
const untypedError = (error: TritonError, headers: readonly string[] = []): HttpReply =>
  plainErrorReply(httpStatus[error.code], error.message, headers);

const findVersion = (server: InferenceServer, groups: Groups): ServableVersion | TritonError => {
  const number = parseVersion(groups.version);
  if (!number.ok) return number.error;
  const found = server.findVersion(groups.model!, number.value);
  if (!found.ok) return found.error;
  if (found.value.decoupled) {
    return new TritonError(
      "UNSUPPORTED",
      "HTTP end point doesn't support models with decoupled transaction policy",
    );
  }
  return found.value;
};

const inferCompressed = (
  exchange: HttpExchange,
  encoding: string,
  groups: Groups,
  trace: Trace | null,
  context: InferContext,
): void => {
  decompressBody(exchange.body, encoding, (decompressed) => {
    if (!decompressed.ok) {
      trace?.drop();
      exchange.reply(untypedError(decompressed.error, decompressed.headers));
      return;
    }
    // Decompression may have taken a while: the version is looked up again.
    const version = findVersion(context.server, groups);
    if (version instanceof TritonError) {
      trace?.drop();
      exchange.reply(untypedError(version));
    } else infer(exchange, decompressed.value, version, trace, context);
  });
};

const infer = (
  exchange: HttpExchange,
  body: Buffer,
  version: ServableVersion,
  trace: Trace | null,
  context: InferContext,
): void => {
  const { headers, statedLength } = exchange.head;
  const told = body === exchange.body ? (statedLength ?? body.length) : body.length;
  const length = inferenceHeaderLength(headers.get(HEADER_LENGTH), told);
  if (!length.ok) {
    trace?.drop();
    exchange.reply(untypedError(length.error));
    return;
  }
  const decoded = decodeInferRequest(body, length.value, version.modelName);
  if (!decoded.ok) {
    exchange.reply(errorReply(decoded.error));
    // What cannot be read is written as far as it came; it never reaches the core, which holds the other half (2.51.0).
    trace?.release();
    trace?.release();
    return;
  }
  const { fields } = decoded.value;
  const inference = new InferenceRequest({
    ...fields,
    parameters: withForwardedHeaders(fields.parameters ?? [], exchange.head, context.headerForwardPattern),
    respond: (response) => answer(response, decoded.value, version, exchange, trace),
  });
  inference.trace = trace;
  const error = context.server.infer(version, inference);
  if (error === null) return;
  exchange.reply(errorReply(error));
  trace?.release();
};

const answer = (
  response: InferenceResponse,
  decoded: DecodedInferRequest,
  version: ServableVersion,
  exchange: HttpExchange,
  trace: Trace | null,
): void => {
  const encoded =
    response.error === undefined
      ? encodeInferResponse(decoded, version, response)
      : { ok: false as const, error: response.error };
  trace?.timestamp("INFER_RESPONSE_COMPLETE");
  const reply = (answered: HttpReply): void => {
    if (trace === null) exchange.reply(answered);
    else replyAndTrace(exchange, trace, answered);
  };
  if (!encoded.ok) {
    reply(untypedError(encoded.error));
    return;
  }
  const { body, headers } = encoded.value;
  const accepted = exchange.head.headers.get("accept-encoding");
  const encoding = accepted === undefined ? null : acceptedEncoding(accepted);
  if (encoding === null) {
    reply({ status: 200, headers, body });
    return;
  }
  compressBody(body, encoding, (compressed) => {
    reply({ status: 200, headers: [...headers, "Content-Encoding", encoding], body: [compressed] });
  });
};

/** Matching headers become string parameters, in the client's spelling and order. */
const withForwardedHeaders = (
  parameters: readonly Parameter[],
  head: RequestHead,
  pattern: RegExp | null,
): readonly Parameter[] => {
  if (pattern === null) return parameters;
  const forwarded = head.rawHeaders
    .filter(({ name }) => pattern.test(name))
    .map(({ name, value }): Parameter => ({ name, value: { kind: "string", value } }));
  return forwarded.length === 0 ? parameters : [...parameters, ...forwarded];
};
