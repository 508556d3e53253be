import { AwsError } from "../wire/aws-error.ts";
import type { AwsRequest } from "../wire/aws-request.ts";
import { integer, type Read, readInput, required, type Shape, string, structure } from "../wire/shapes.ts";

/** The inputs of the runtime's operations: what their headers may hold (spec/sagemaker-mme.md 2.1). */

const name = { max: 63, pattern: "[a-zA-Z0-9](-*[a-zA-Z0-9])*" };
const printable = { pattern: "\\A\\S[\\p{Print}]*\\z", expression: /^[!-~][ -~]*$/ };
const header = { max: 1024, pattern: "\\p{ASCII}*", expression: /^[\0-\x7f]*$/ };

const common = {
  EndpointName: required(string(name)),
  ContentType: string(header),
  Accept: string(header),
  CustomAttributes: string(header),
  InferenceId: string({ min: 1, max: 64, ...printable }),
};

/** What an endpoint of several models, variants and containers is told. */
const targets = {
  TargetVariant: string(name),
  TargetContainerHostname: string(name),
  InferenceComponentName: string({ max: 63, pattern: "[a-zA-Z0-9]([\\-a-zA-Z0-9]*[a-zA-Z0-9])?" }),
  SessionId: string({ max: 256, pattern: "(NEW_SESSION)|[a-zA-Z0-9](-*[a-zA-Z0-9])*" }),
};

/** The SDKs do not send it with a stream or an asynchronous invocation; taken there, because a multi-model endpoint needs it. */
const targetModel = { TargetModel: string({ min: 1, max: 1024, ...printable }) };

const inputs = {
  InvokeEndpoint: structure({
    ...common,
    ...targets,
    ...targetModel,
    EnableExplanations: string({ min: 1, max: 64, pattern: ".*" }),
  }),
  InvokeEndpointWithResponseStream: structure({ ...common, ...targets, ...targetModel }),
  InvokeEndpointAsync: structure({
    ...common,
    ...targetModel,
    InputLocation: string({ min: 1, max: 1024, pattern: "^(https|s3)://([^/]+)/?(.*)$" }),
    RequestTTLSeconds: integer({ min: 60, max: 21_600 }),
    InvocationTimeoutSeconds: integer({ min: 1, max: 3600 }),
    S3OutputPathExtension: string({ max: 512, pattern: "[a-zA-Z0-9_./-]*" }),
    Filename: string({ max: 255, pattern: "[a-zA-Z0-9_.-]*" }),
  }),
};

export type RuntimeOperation = keyof typeof inputs;
export type InvokeEndpointInput = Read<(typeof inputs)["InvokeEndpoint"]>;
export type StreamInput = Read<(typeof inputs)["InvokeEndpointWithResponseStream"]>;
export type AsyncInput = Read<(typeof inputs)["InvokeEndpointAsync"]>;

const PREFIX = "x-amzn-sagemaker-";

/** Member and lower-case header; Accept and Content-Type have other headers where the answer is another's. */
const headers: readonly (readonly [member: string, header: string])[] = [
  ["CustomAttributes", `${PREFIX}custom-attributes`],
  ["TargetModel", `${PREFIX}target-model`],
  ["TargetVariant", `${PREFIX}target-variant`],
  ["TargetContainerHostname", `${PREFIX}target-container-hostname`],
  ["InferenceId", `${PREFIX}inference-id`],
  ["EnableExplanations", `${PREFIX}enable-explanations`],
  ["InferenceComponentName", `${PREFIX}inference-component`],
  ["SessionId", `${PREFIX}session-id`],
  ["InputLocation", `${PREFIX}inputlocation`],
  ["RequestTTLSeconds", `${PREFIX}requestttlseconds`],
  ["InvocationTimeoutSeconds", `${PREFIX}invocationtimeoutseconds`],
  ["S3OutputPathExtension", `${PREFIX}s3outputpathextension`],
  ["Filename", `${PREFIX}filename`],
];

export const invokeEndpointInput = (request: AwsRequest): InvokeEndpointInput =>
  read(inputs.InvokeEndpoint, request, "content-type", "accept");

export const streamInput = (request: AwsRequest): StreamInput =>
  read(inputs.InvokeEndpointWithResponseStream, request, "content-type", `${PREFIX}accept`);

export const asyncInput = (request: AwsRequest): AsyncInput =>
  read(inputs.InvokeEndpointAsync, request, `${PREFIX}content-type`, `${PREFIX}accept`);

/** @throws AwsError `ValidationError` with all that is wrong */
const read = <T>(shape: Shape<T>, { head }: AwsRequest, contentType: string, accept: string): T => {
  const values: Record<string, string> = { EndpointName: endpointNameIn(head.path) };
  const take = (member: string, header: string): void => {
    const value = head.headers.get(header);
    if (value !== undefined) values[member] = value;
  };
  take("ContentType", contentType);
  take("Accept", accept);
  for (const [member, header] of headers) take(member, header);
  // Numbers come as texts.
  return readInput(shape, values, "form", (message) => new AwsError("ValidationError", message));
};

/** Of `/endpoints/<name>/...`. */
export const endpointNameIn = (path: string): string => {
  const segment = path.split("/")[2] ?? "";
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
};
