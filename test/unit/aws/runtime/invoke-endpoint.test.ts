import { expect, test } from "vitest";
import { invocationOf, invokeEndpointReply } from "../../../../emulator/aws/runtime/invoke-endpoint.ts";
import { parseRequestHead } from "../../../../emulator/frontends/http1/request-head.ts";

const headOf = (...headers: readonly string[]) => {
  const head = parseRequestHead(["POST /endpoints/any/invocations HTTP/1.1", ...headers].join("\r\n"));
  if (head === null) throw new Error("no head");
  return head;
};

test("invoke endpoint: the headers of the API reach the container, others are dropped", () => {
  const body = Buffer.from("body");
  const call = invocationOf(
    headOf(
      "authorization: AWS4-HMAC-SHA256 secret",
      "accept: application/json",
      "content-type: application/octet-stream",
      "X-Amzn-SageMaker-Custom-Attributes: trace=1",
      "X-Amzn-SageMaker-Target-Model: team/a.tar.gz",
      "x-other: 1",
    ),
    body,
    "request",
  );
  expect(call).toMatchObject({
    requestId: "request",
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
  expect(Buffer.from(call.body).toString()).toBe("body");
});

test("invoke endpoint: with a stream, Accept of what is invoked stands in a header of its own", () => {
  const names = { contentType: "content-type", accept: "x-amzn-sagemaker-accept" };
  const head = headOf("accept: application/vnd.amazon.eventstream", "X-Amzn-SageMaker-Accept: text/csv");
  expect(invocationOf(head, Buffer.alloc(0), "request", names).headers).toEqual(["Accept", "text/csv"]);
});

test("invoke endpoint: the caller gets the container's type, attributes and sessions, and the variant", () => {
  const reply = invokeEndpointReply(
    {
      status: 200,
      headers: [
        "Content-Type",
        "application/json",
        "X-Amzn-SageMaker-Custom-Attributes",
        "x",
        "Server",
        "nginx",
        "X-Amzn-SageMaker-New-Session-Id",
        "s; Expires=2026-11-25T20:00:00Z",
      ],
      body: Buffer.from("{}"),
    },
    "AllTraffic",
  );
  expect(reply).toEqual({
    status: 200,
    headers: [
      "Content-Type",
      "application/json",
      "X-Amzn-SageMaker-Custom-Attributes",
      "x",
      "X-Amzn-SageMaker-New-Session-Id",
      "s; Expires=2026-11-25T20:00:00Z",
      "x-Amzn-Invoked-Production-Variant",
      "AllTraffic",
    ],
    body: [Buffer.from("{}")],
  });
});
