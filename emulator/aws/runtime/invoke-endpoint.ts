import { onePiece } from "../../common/one-piece.ts";
import { FAULT_HEADER } from "../../core/faults/fault-source.ts";
import type { HttpReply } from "../../frontends/http1/reply.ts";
import type { RequestHead } from "../../frontends/http1/request-head.ts";
import type { Invocation } from "../placement/instance-agent.ts";
import type { PlatformAnswer } from "../placement/platform-answer.ts";

/** What of a request's headers reaches the container; the platform drops the others (spec/sagemaker-mme.md 1.2, 2.1). */
const forwarded = [
  "Content-Type",
  "Accept",
  "X-Amzn-SageMaker-Custom-Attributes",
  "X-Amzn-SageMaker-Session-Id",
  FAULT_HEADER,
] as const;

/** What of the container's headers reaches the caller. */
const passedBack = new Set([
  "content-type",
  "x-amzn-sagemaker-custom-attributes",
  "x-amzn-sagemaker-new-session-id",
  "x-amzn-sagemaker-closed-session-id",
]);

/** Where Accept and Content-Type of what is invoked stand in a request, by lower-case name. */
export interface HeaderNames {
  readonly contentType: string;
  readonly accept: string;
}

const plainNames: HeaderNames = { contentType: "content-type", accept: "accept" };

/**
 * A request of the runtime as the platform gets it.
 * @param requestId goes into the answer and the journal
 */
export const invocationOf = (
  head: Pick<RequestHead, "headers">,
  body: Uint8Array,
  requestId: string,
  names: HeaderNames = plainNames,
): Invocation => ({
  requestId,
  // A model that is loaded for it keeps its name.
  targetModel: onePiece(head.headers.get("x-amzn-sagemaker-target-model") ?? ""),
  headers: forwarded.flatMap((name) => {
    const value = head.headers.get(headerNamed(name, names));
    return value === undefined ? [] : [name, value];
  }),
  // The caller may be answered, and the connection's memory used again, before the container is done with it.
  body: Buffer.from(body),
});

const headerNamed = (name: (typeof forwarded)[number], names: HeaderNames): string => {
  if (name === "Content-Type") return names.contentType;
  return name === "Accept" ? names.accept : name.toLowerCase();
};

/** A 2xx of the container as the caller of InvokeEndpoint gets it. */
export const invokeEndpointReply = (
  { status, headers, body }: Pick<PlatformAnswer, "status" | "headers" | "body">,
  variant: string,
): HttpReply => ({
  status,
  headers: [...pickHeaders(headers), "x-Amzn-Invoked-Production-Variant", variant],
  body: body.length === 0 ? [] : [body],
});

/** @param headers of the container, name and value in turn */
export const pickHeaders = (headers: readonly string[]): string[] => {
  const picked: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (passedBack.has(headers[i]!.toLowerCase())) picked.push(headers[i]!, headers[i + 1]!);
  }
  return picked;
};
