import type { IncomingMessage, ServerResponse } from "node:http";
import { TritonError } from "../../../common/status.ts";
import type { InferenceServer, ServableVersion } from "../../../core/inference-server.ts";
import {
  InferenceRequest,
  type InferenceResponse,
  type Parameter,
} from "../../../core/tensor/inference-request.ts";
import { type Body, readBody, type SlabPool } from "../body.ts";
import { acceptedEncoding, compressBody, decompressBody } from "../codec/compression.ts";
import {
  type DecodedInferRequest,
  decodeInferRequest,
  inferenceHeaderLength,
  parseHeaderNumber,
} from "../codec/infer-request.ts";
import { encodeInferResponse } from "../codec/infer-response.ts";
import { parseVersion } from "../handler.ts";
import { httpStatus } from "../http-status.ts";
import { errorReply, type HttpReply, methodNotAllowed, plainErrorReply, sendReply } from "../reply.ts";
import { type RestrictedApi, type RestrictedCategory, restrictionError } from "../restricted-api.ts";

export interface InferContext {
  readonly server: InferenceServer;
  readonly restricted: ReadonlyMap<RestrictedCategory, RestrictedApi>;
  readonly pool: SlabPool;
  readonly headerForwardPattern: RegExp | null;
}

type Groups = Readonly<Record<string, string | undefined>>;

const HEADER_LENGTH = "inference-header-content-length";

/** `POST /v2/models/{m}[/versions/{v}]/infer`, in the order of checks of spec/triton-wire.md 2.1. */
export const handleInfer = (
  request: IncomingMessage,
  response: ServerResponse,
  groups: Groups,
  context: InferContext,
): void => {
  const headerLength = request.headers[HEADER_LENGTH];
  const jsonLength = typeof headerLength === "string" ? Math.max(0, parseHeaderNumber(headerLength)) : 0;
  readBody(request, context.pool, jsonLength, (body) => {
    const reply = (answer: HttpReply): void => {
      sendReply(request, response, answer);
      body.release();
    };
    const refusal = restrictionError(context.restricted, "inference", request.headers);
    if (refusal !== null) reply(plainErrorReply(403, refusal));
    else if (request.method !== "POST") reply(methodNotAllowed("plain"));
    else {
      const version = findVersion(context.server, groups);
      if (version instanceof TritonError) reply(untypedError(version));
      else if (request.headers["content-encoding"] === undefined) {
        infer(request, body.bytes, version, context, reply);
      } else inferCompressed(request, body, groups, context, reply);
    }
  });
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
  request: IncomingMessage,
  body: Body,
  groups: Groups,
  context: InferContext,
  reply: (reply: HttpReply) => void,
): void => {
  decompressBody(body.bytes, String(request.headers["content-encoding"]), (decompressed) => {
    if (!decompressed.ok) {
      reply(untypedError(decompressed.error, decompressed.headers));
      return;
    }
    // Decompression may have taken a while: the version is looked up again.
    const version = findVersion(context.server, groups);
    if (version instanceof TritonError) reply(untypedError(version));
    else infer(request, decompressed.value, version, context, reply);
  });
};

const infer = (
  request: IncomingMessage,
  body: Buffer,
  version: ServableVersion,
  context: InferContext,
  reply: (reply: HttpReply) => void,
): void => {
  const header = request.headers[HEADER_LENGTH];
  const length = inferenceHeaderLength(typeof header === "string" ? header : undefined, body.length);
  if (!length.ok) {
    reply(untypedError(length.error));
    return;
  }
  const decoded = decodeInferRequest(body, length.value, version.modelName);
  if (!decoded.ok) {
    reply(errorReply(decoded.error));
    return;
  }
  const { fields } = decoded.value;
  const inference = new InferenceRequest({
    ...fields,
    parameters: withForwardedHeaders(fields.parameters ?? [], request, context.headerForwardPattern),
    respond: (response) => answer(response, decoded.value, version, request, reply),
  });
  const error = context.server.infer(version, inference);
  if (error !== null) reply(errorReply(error));
};

const answer = (
  response: InferenceResponse,
  decoded: DecodedInferRequest,
  version: ServableVersion,
  request: IncomingMessage,
  reply: (reply: HttpReply) => void,
): void => {
  if (response.error !== undefined) {
    reply(untypedError(response.error));
    return;
  }
  const encoded = encodeInferResponse(decoded, version, response);
  if (!encoded.ok) {
    reply(untypedError(encoded.error));
    return;
  }
  const accepted = request.headers["accept-encoding"];
  const encoding = typeof accepted === "string" ? acceptedEncoding(accepted) : null;
  if (encoding === null) {
    reply({ status: 200, headers: encoded.value.headers, body: encoded.value.body });
    return;
  }
  compressBody(encoded.value.body, encoding, (compressed) => {
    reply({
      status: 200,
      headers: [...encoded.value.headers, "Content-Encoding", encoding],
      body: [compressed],
    });
  });
};

/** Matching headers become string parameters, in the client's spelling and order. */
const withForwardedHeaders = (
  parameters: readonly Parameter[],
  request: IncomingMessage,
  pattern: RegExp | null,
): readonly Parameter[] => {
  if (pattern === null) return parameters;
  const forwarded: Parameter[] = [];
  const { rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (pattern.test(name)) forwarded.push({ name, value: { kind: "string", value: rawHeaders[i + 1]! } });
  }
  return forwarded.length === 0 ? parameters : [...parameters, ...forwarded];
};
