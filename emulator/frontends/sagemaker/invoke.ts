import { TritonError } from "../../common/status.ts";
import { FAULT_HEADER } from "../../core/faults/fault-source.ts";
import type { InferenceServer, ServableVersion } from "../../core/inference-server.ts";
import {
  InferenceRequest,
  type InferenceResponse,
  type Parameter,
} from "../../core/tensor/inference-request.ts";
import type { HttpReply } from "../http1/reply.ts";
import { httpStatus } from "../kserve-json/http-status.ts";
import {
  type DecodedInferRequest,
  decodeInferRequest,
  inferenceHeaderLength,
  parseHeaderNumber,
} from "../kserve-json/infer-request.ts";
import { encodeInferResponse } from "../kserve-json/infer-response.ts";
import { jsonErrorReply, plainErrorReply } from "../kserve-json/reply.ts";
import type { ContainerExchange } from "./container-exchange.ts";
import { tellsOutOfMemory } from "./out-of-memory.ts";

const BINARY_TYPE = "application/vnd.sagemaker-triton.binary+json;json-header-size=";

/** The size of the JSON, as text, where the body is announced as binary; any other type is JSON, whatever it says. */
const jsonHeaderSize = (head: ContainerExchange["head"]): string | undefined => {
  const type = head.headers.get("content-type");
  return type?.startsWith(BINARY_TYPE) === true ? type.slice(BINARY_TYPE.length) : undefined;
};

/** The type of a binary body with something before it. */
const misplacedType = (head: ContainerExchange["head"]): TritonError | null => {
  const type = head.headers.get("content-type");
  return type !== undefined && type.indexOf(BINARY_TYPE) > 0
    ? new TritonError(
        "INVALID_ARG",
        `expect MIME type for binary data starts with '${BINARY_TYPE}', got: ${type}`,
      )
    : null;
};

/** Where the binary tensors of a body begin. */
export const binaryDataOffset = (head: ContainerExchange["head"]): number => {
  const size = jsonHeaderSize(head);
  return size === undefined ? 0 : Math.max(0, parseHeaderNumber(size));
};

/** How a route tells its errors. */
interface ErrorStyle {
  status(error: TritonError): number;
  /** Whether an error of the look-up has a JSON type; those of the request always have it, those of the response never. */
  readonly typedLookUp: boolean;
}

/** `POST /models/{name}/invoke`: only ever 400, or 507. */
const multiModel: ErrorStyle = {
  status: ({ message }) => (tellsOutOfMemory(message) ? 507 : 400),
  typedLookUp: true,
};

/** `POST /invocations`: as KServe's HTTP, never 507. */
const singleModel: ErrorStyle = { status: ({ code }) => httpStatus[code], typedLookUp: false };

/** @param model the name that Triton knows it by */
export const invokeOfMany = (exchange: ContainerExchange, model: string, server: InferenceServer): void =>
  invoke(exchange, model, server, multiModel);

export const invokeDefault = (exchange: ContainerExchange, model: string, server: InferenceServer): void =>
  invoke(exchange, model, server, singleModel);

/** The body is taken as it is, `Content-Encoding` or not; the answer is never compressed (2.51.0). */
const invoke = (
  exchange: ContainerExchange,
  model: string,
  server: InferenceServer,
  style: ErrorStyle,
): void => {
  const { head, body } = exchange;
  const requestError = (error: TritonError): void =>
    exchange.reply(jsonErrorReply(style.status(error), error.message));
  const version = findVersion(server, model);
  if (version instanceof TritonError) {
    if (style.typedLookUp) requestError(version);
    else exchange.reply(plainErrorReply(style.status(version), version.message));
    return;
  }
  const misplaced = misplacedType(head);
  if (misplaced !== null) {
    requestError(misplaced);
    return;
  }
  const length = inferenceHeaderLength(jsonHeaderSize(head), head.statedLength ?? body.length);
  if (!length.ok) {
    if (style.typedLookUp) requestError(length.error);
    else exchange.reply(plainErrorReply(style.status(length.error), length.error.message));
    return;
  }
  const decoded = decodeInferRequest(body, length.value, version.modelName);
  if (!decoded.ok) {
    requestError(decoded.error);
    return;
  }
  const request = new InferenceRequest({
    ...decoded.value.fields,
    parameters: withFaultHeader(decoded.value.fields.parameters ?? [], head),
    respond: (response) => exchange.reply(answer(response, decoded.value, version, style)),
  });
  const error = server.infer(version, request);
  if (error !== null) requestError(error);
};

/** The header goes on to where models run; no other header does. */
const withFaultHeader = (
  parameters: readonly Parameter[],
  { headers }: ContainerExchange["head"],
): readonly Parameter[] => {
  const value = headers.get(FAULT_HEADER);
  if (value === undefined) return parameters;
  return [...parameters, { name: FAULT_HEADER, value: { kind: "string", value } }];
};

const findVersion = (server: InferenceServer, model: string): ServableVersion | TritonError => {
  const found = server.findVersion(model, -1);
  if (!found.ok) return found.error;
  if (!found.value.decoupled) return found.value;
  return new TritonError(
    "UNSUPPORTED",
    "HTTP end point doesn't support models with decoupled transaction policy",
  );
};

const answer = (
  response: InferenceResponse,
  decoded: DecodedInferRequest,
  version: ServableVersion,
  style: ErrorStyle,
): HttpReply => {
  const encoded =
    response.error === undefined
      ? encodeInferResponse(decoded, version, response, binaryHeaders)
      : { ok: false as const, error: response.error };
  return encoded.ok
    ? { status: 200, ...encoded.value }
    : plainErrorReply(style.status(encoded.error), encoded.error.message);
};

const binaryHeaders = (jsonByteSize: number): readonly string[] => [
  "Content-Type",
  `${BINARY_TYPE}${jsonByteSize}`,
];
