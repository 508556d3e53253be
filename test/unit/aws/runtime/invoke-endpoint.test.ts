import { expect, test } from "vitest";
import type { Invocation } from "../../../../emulator/aws/placement/instance-agent.ts";
import {
  fromPlatform,
  type PlatformAnswer,
  platformErrors,
} from "../../../../emulator/aws/placement/platform-answer.ts";
import { handleInvocation } from "../../../../emulator/aws/runtime/invoke-endpoint.ts";
import type { HttpExchange } from "../../../../emulator/frontends/http1/connection.ts";
import type { HttpReply } from "../../../../emulator/frontends/http1/reply.ts";
import { parseRequestHead } from "../../../../emulator/frontends/http1/request-head.ts";

const rest = {
  cacheHit: true,
  times: { waitUs: 0, downloadUs: 0, loadUs: 0, unloadUs: 0, containerUs: 0 },
};

const success: PlatformAnswer = {
  ...rest,
  status: 200,
  from: "container",
  headers: ["Content-Type", "application/json", "X-Amzn-SageMaker-Custom-Attributes", "x", "Server", "evil"],
  body: Buffer.from("{}"),
  error: null,
};

/** Sends a request to an endpoint that answers so. */
const exchanged = (line: string, headers: readonly string[], answer: PlatformAnswer = success) => {
  const head = parseRequestHead([`${line} HTTP/1.1`, ...headers].join("\r\n"));
  if (head === null) throw new Error("no head");
  const calls: Invocation[] = [];
  const replies: HttpReply[] = [];
  const body = Buffer.from("body");
  const exchange: HttpExchange = {
    head,
    body,
    headUs: 0,
    reply: (reply) => replies.push(reply),
    stream: () => {
      throw new Error("not streamed");
    },
  };
  const handled = handleInvocation(exchange, (call, answered) => {
    calls.push(call);
    answered(answer);
  });
  return { handled, call: calls[0], reply: replies[0], body };
};

test("invoke endpoint: the headers of the API reach the container, others are dropped", () => {
  const { call, body } = exchanged("POST /endpoints/any/invocations", [
    "authorization: AWS4-HMAC-SHA256 secret",
    "accept: application/json",
    "content-type: application/octet-stream",
    "X-Amzn-SageMaker-Custom-Attributes: trace=1",
    "X-Amzn-SageMaker-Target-Model: team/a.tar.gz",
    "x-other: 1",
  ]);
  expect(call).toMatchObject({
    targetModel: "team/a.tar.gz",
    headers: [
      "Content-Type",
      "application/octet-stream",
      "Accept",
      "application/json",
      "X-Amzn-SageMaker-Custom-Attributes",
      "trace=1",
    ],
  });
  // The connection may use its memory again before the container is done.
  body.fill(0);
  expect(Buffer.from(call?.body ?? []).toString()).toBe("body");
});

test("invoke endpoint: the caller gets the container's type and attributes, the variant and the request's id", () => {
  const { call, reply } = exchanged("POST /endpoints/any/invocations", []);
  expect(reply).toEqual({
    status: 200,
    headers: [
      "Content-Type",
      "application/json",
      "X-Amzn-SageMaker-Custom-Attributes",
      "x",
      "x-Amzn-Invoked-Production-Variant",
      "AllTraffic",
      "x-amzn-RequestId",
      call?.requestId,
    ],
    body: [Buffer.from("{}")],
  });
});

test("invoke endpoint: an error of the platform keeps its type and has no variant", () => {
  const answer = { ...rest, ...fromPlatform(platformErrors.targetModelMissing("r")) };
  const { call, reply } = exchanged("POST /endpoints/any/invocations", [], answer);
  expect([call?.targetModel, reply?.status]).toEqual(["", 400]);
  expect(reply?.headers).toEqual([
    "Content-Type",
    "application/json",
    "x-amzn-ErrorType",
    "ValidationError",
    "x-amzn-RequestId",
    call?.requestId,
  ]);
});

test.each([
  "GET /endpoints/any/invocations",
  "POST /endpoints/any",
  "POST /endpoints//invocations",
  "POST /endpoints/a/b/invocations",
  "POST /_emulator/reset",
])("invoke endpoint: %s is for somebody else", (line) => {
  expect(exchanged(line, [])).toMatchObject({ handled: false, call: undefined, reply: undefined });
});
