import { expect, test } from "vitest";
import { LenientHeadReader } from "../../../../emulator/frontends/http1/lenient-head.ts";
import { replyHead } from "../../../../emulator/frontends/http1/reply.ts";
import { parseRequestHead } from "../../../../emulator/frontends/http1/request-head.ts";

const typed = ["Content-Type", "application/json"];

// Orders of spec/triton-wire.md 1.1, seen on 2.51.0.
test.each([
  ["HTTP/1.1", typed, 9, ["Content-Type: application/json", "Content-Length: 9"]],
  ["HTTP/1.1", [], 9, ["Content-Length: 9", "Content-Type: text/plain"]],
  ["HTTP/1.1", [], 0, ["Content-Length: 0", "Content-Type: text/plain"]],
  [
    "HTTP/1.1\r\nConnection: close",
    [],
    0,
    ["Connection: close", "Content-Length: 0", "Content-Type: text/plain"],
  ],
  [
    "HTTP/1.1\r\nConnection: close",
    typed,
    9,
    ["Content-Type: application/json", "Content-Length: 9", "Connection: close"],
  ],
  ["HTTP/1.0", [], 0, ["Content-Type: text/plain"]],
  [
    "HTTP/1.0\r\nConnection: keep-alive",
    typed,
    9,
    ["Content-Type: application/json", "Content-Length: 9", "Connection: keep-alive"],
  ],
])("replyHead: to %j with headers %j and %i bytes", (request, headers, byteSize, lines) => {
  const head = parseRequestHead(`GET /v2 ${request}`)!;
  const text = replyHead(head, { status: 200, headers, body: [] }, byteSize);
  expect(text).toBe([`${request.slice(0, 8)} 200 OK`, ...lines, "", ""].join("\r\n"));
});

test.each([
  [400, "Bad Request"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Not Allowed"],
  [500, "Internal Server Error"],
  [501, "Not Implemented"],
  [503, "Service Unavailable"],
])("replyHead: %i is called %s", (status, phrase) => {
  const head = parseRequestHead("GET /v2 HTTP/1.1")!;
  expect(replyHead(head, { status, headers: [], body: [] }, 0)).toMatch(`HTTP/1.1 ${status} ${phrase}\r\n`);
});

test("replyHead: to a request without a version says HTTP/1.0, and not that its connection is kept", () => {
  const { outcome } = new LenientHeadReader().push(
    Buffer.from("GET /v2 \r\nConnection: keep-alive\r\n\r\n"),
    0,
  );
  if (typeof outcome === "string") throw new Error(outcome);
  expect(outcome.keepAlive).toBe(true);
  expect(replyHead(outcome, { status: 200, headers: [], body: [] }, 0)).toBe(
    "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n",
  );
});
