import { randomUUID } from "node:crypto";
import { FAULT_HEADER } from "../../core/faults/fault-source.ts";
import type { HttpExchange } from "../../frontends/http1/connection.ts";
import type { Invocation } from "../placement/instance-agent.ts";
import type { PlatformAnswer } from "../placement/platform-answer.ts";

/** Serves invocations of an endpoint. */
export type Invoke = (call: Invocation, answered: (answer: PlatformAnswer) => void) => void;

/** Whatever the endpoint is called, it is the one that is served. */
const invocationPath = /^\/endpoints\/[^/]+\/invocations$/;

export const isInvocation = (method: string, path: string): boolean =>
  method === "POST" && invocationPath.test(path);

/** What of a request's headers reaches the container; the platform drops the others (spec/sagemaker-mme.md 1.2, 2.1). */
const forwarded = ["Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", FAULT_HEADER] as const;

/** What of the container's headers reaches the caller. */
const passedBack = new Set(["content-type", "x-amzn-sagemaker-custom-attributes"]);

/** The only variant there is, by the name that the SDKs give it. */
const VARIANT = "AllTraffic";

/**
 * InvokeEndpoint of sagemaker-runtime (spec/sagemaker-mme.md 2.1): `POST /endpoints/{EndpointName}/invocations`.
 * @param requestId goes into the answer and the journal
 * @returns false = it is another path, and not answered
 */
export const handleInvocation = (
  exchange: HttpExchange,
  invoke: Invoke,
  requestId: string = randomUUID(),
): boolean => {
  const { method, path, headers } = exchange.head;
  if (!isInvocation(method, path)) return false;
  const call: Invocation = {
    requestId,
    targetModel: headers.get("x-amzn-sagemaker-target-model") ?? "",
    headers: forwarded.flatMap((name) => {
      const value = headers.get(name.toLowerCase());
      return value === undefined ? [] : [name, value];
    }),
    // The caller may be answered, and the connection's memory used again, before the container is done with it.
    body: Buffer.from(exchange.body),
  };
  invoke(call, (answer) => exchange.reply(replyOf(answer, requestId)));
  return true;
};

const replyOf = ({ status, headers, body, error }: PlatformAnswer, requestId: string) => ({
  status,
  headers: [
    ...(error === null ? pickHeaders(headers) : headers),
    ...(error === null ? ["x-Amzn-Invoked-Production-Variant", VARIANT] : []),
    "x-amzn-RequestId",
    requestId,
  ],
  body: body.length === 0 ? [] : [body],
});

const pickHeaders = (headers: readonly string[]): string[] => {
  const picked: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (passedBack.has(headers[i]!.toLowerCase())) picked.push(headers[i]!, headers[i + 1]!);
  }
  return picked;
};
