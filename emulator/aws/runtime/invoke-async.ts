import { randomUUID } from "node:crypto";
import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { FAULT_HEADER } from "../../core/faults/fault-source.ts";
import type { HttpReply } from "../../frontends/http1/reply.ts";
import type { Invocation } from "../placement/instance-agent.ts";
import type { PlatformAnswer } from "../placement/platform-answer.ts";
import { AwsError } from "../wire/aws-error.ts";
import type { AwsRequest } from "../wire/aws-request.ts";
import { type AsyncObjects, parseS3Location, type S3Location } from "./async-objects.ts";
import type { AsyncOutput } from "./endpoints.ts";
import type { AsyncInput } from "./invocation-input.ts";

/** How long a request may wait in the queue where it does not say. */
const DEFAULT_TTL_SECONDS = 21_600;
/** How long the container may take where the request does not say. */
const DEFAULT_TIMEOUT_SECONDS = 900;
/** A body in the request itself, in place of an InputLocation. */
const MAX_INLINE_BYTES = 128_000;

export interface AsyncDependencies {
  readonly objects: AsyncObjects;
  readonly clock: Clock;
  readonly log: Log;
  readonly invoke: (call: Invocation, answered: (answer: PlatformAnswer) => void) => void;
  /** The error that the caller of InvokeEndpoint would read. */
  readonly errorOf: (answer: PlatformAnswer) => AwsError | null;
}

/**
 * InvokeEndpointAsync: is answered at once; the result comes to lie below the endpoint's output path, and a failure below its
 * failure path.
 * @throws AwsError
 */
export const invokeAsync = (
  request: AwsRequest,
  input: AsyncInput,
  output: AsyncOutput,
  dependencies: AsyncDependencies,
): HttpReply => {
  const { objects, clock, log } = dependencies;
  const from = inputOf(request, input);
  const inferenceId = input.InferenceId ?? randomUUID();
  const file = input.Filename ?? `${randomUUID()}.out`;
  const result = below(output.outputPath, joined(input.S3OutputPathExtension, file));
  const failure =
    output.failurePath === null
      ? null
      : below(
          output.failurePath,
          joined(input.S3OutputPathExtension, file.replace(/(\.out)?$/, "-error.out")),
        );
  const deadlineUs = clock.now() + (input.RequestTTLSeconds ?? DEFAULT_TTL_SECONDS) * 1_000_000;
  const run = async (): Promise<void> => {
    const answer = await answerTo(request, input, from, deadlineUs, dependencies);
    const error = answer instanceof AwsError ? answer : dependencies.errorOf(answer);
    if (error === null && !(answer instanceof AwsError)) {
      const { bucket, key } = result;
      await objects.write(bucket, key, answer.body, headerOf(answer.headers, "content-type"));
    } else if (error !== null && failure !== null) {
      const text = Buffer.from(`${error.message}\n`);
      await objects.write(failure.bucket, failure.key, text, "text/plain");
    }
  };
  run().catch((error: unknown) => {
    log.error(
      `asynchronous invocation ${inferenceId}: its outcome could not be written: ${error instanceof Error ? error.message : error}`,
    );
  });
  return {
    status: 202,
    headers: [
      "Content-Type",
      "application/json",
      "X-Amzn-SageMaker-OutputLocation",
      uriOf(result),
      ...(failure === null ? [] : ["X-Amzn-SageMaker-FailureLocation", uriOf(failure)]),
    ],
    body: [Buffer.from(JSON.stringify({ InferenceId: inferenceId }))],
  };
};

const invalid = (message: string): AwsError => new AwsError("ValidationError", message);

/** Where the input lies, or the input. */
const inputOf = (
  { body }: AwsRequest,
  { InputLocation }: AsyncInput,
): S3Location | { readonly bytes: Buffer } => {
  if (InputLocation === undefined) {
    if (body.length === 0)
      throw invalid(
        "1 validation error detected: Value null at 'inputLocation' failed to satisfy constraint: Member must not be null",
      );
    if (body.length > MAX_INLINE_BYTES)
      throw invalid(
        `The body has ${body.length} bytes; at most ${MAX_INLINE_BYTES} may come without an InputLocation.`,
      );
    return { bytes: Buffer.from(body) };
  }
  if (body.length > 0) throw invalid("The request has a body and an InputLocation; give one of them.");
  const location = parseS3Location(InputLocation);
  if (location === null || location.key === "")
    throw invalid(`InputLocation ${InputLocation} is no location of an object in S3.`);
  return location;
};

/** Reads the input and asks the endpoint. */
const answerTo = async (
  request: AwsRequest,
  input: AsyncInput,
  from: S3Location | { readonly bytes: Buffer },
  deadlineUs: number,
  { objects, clock, invoke }: AsyncDependencies,
): Promise<PlatformAnswer | AwsError> => {
  let body: Buffer | null;
  try {
    body = "bytes" in from ? from.bytes : await objects.read(from.bucket, from.key);
  } catch (error) {
    return invalid(`The input could not be read: ${error instanceof Error ? error.message : error}`);
  }
  if (body === null) return invalid(`There is no object at ${input.InputLocation}.`);
  if (clock.now() > deadlineUs) return invalid("The request was not processed within its RequestTTLSeconds.");
  const call: Invocation = {
    requestId: request.requestId,
    targetModel: input.TargetModel ?? "",
    headers: headersOf(request, input),
    body,
    limitUs: (input.InvocationTimeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000_000,
  };
  return new Promise((resolve) => invoke(call, resolve));
};

const headersOf = ({ head }: AwsRequest, input: AsyncInput): string[] => {
  const fault = head.headers.get(FAULT_HEADER);
  const headers: readonly (readonly [string, string | undefined])[] = [
    ["Content-Type", input.ContentType],
    ["Accept", input.Accept],
    ["X-Amzn-SageMaker-Custom-Attributes", input.CustomAttributes],
    [FAULT_HEADER, fault],
  ];
  return headers.flatMap(([name, value]) => (value === undefined ? [] : [name, value]));
};

const headerOf = (headers: readonly string[], name: string): string => {
  const index = headers.findIndex((text, at) => at % 2 === 0 && text.toLowerCase() === name);
  return headers[index + 1] ?? "application/octet-stream";
};

const joined = (extension: string | undefined, file: string): string =>
  extension === undefined || extension === "" ? file : `${extension.replace(/^\/+|\/+$/g, "")}/${file}`;

/** @throws AwsError where the endpoint's configuration has no path of S3 */
const below = (path: string, file: string): S3Location => {
  const location = parseS3Location(path);
  if (location === null) throw invalid(`The endpoint's output path ${path} is no location in S3.`);
  const prefix = location.key === "" || location.key.endsWith("/") ? location.key : `${location.key}/`;
  return { bucket: location.bucket, key: `${prefix}${file}` };
};

const uriOf = ({ bucket, key }: S3Location): string => `s3://${bucket}/${key}`;
