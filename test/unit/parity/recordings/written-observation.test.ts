import { expect, test } from "vitest";
import type { Observation } from "../../../../emulator/parity/cases/dialogue.ts";
import { read, write } from "../../../../emulator/parity/recordings/written-observation.ts";

const http = (body: Buffer, seconds = 0): Observation => ({
  kind: "http",
  answer: {
    statusLine: "HTTP/1.1 200 OK",
    status: 200,
    headers: [
      ["Content-Type", "application/json"],
      ["X-Colons", "a: b"],
      ["Content-Length", "3"],
    ],
    body,
  },
  seconds,
});

const reply = { ready: true };
const observations: readonly (readonly [what: string, rpc: string, observation: Observation])[] = [
  ["a body of text", "", http(Buffer.from('{"a":"ä"}'))],
  ["a body of bytes", "", http(Buffer.from([0, 255, 128]), 3)],
  ["a connection that was closed", "", { kind: "connection", how: "closed without a reply" }],
  ["raw bytes", "", { kind: "raw", answer: { received: Buffer.from([72, 0, 200, 13, 10]), ended: "reset" } }],
  [
    "a reply over gRPC",
    "ModelReady",
    { kind: "grpc", answer: { code: "OK", details: "", replies: [{ asSent: reply, complete: reply }] } },
  ],
  [
    "an error over gRPC",
    "ModelReady",
    { kind: "grpc", answer: { code: "NOT_FOUND", details: "no", replies: [] } },
  ],
  [
    "a stream",
    "ModelStreamInfer",
    {
      kind: "stream",
      answer: {
        code: "OK",
        details: "",
        replies: [
          { asSent: { error_message: "no" }, complete: { error_message: "no", infer_response: null } },
        ],
      },
    },
  ],
  ["a log", "", { kind: "log", output: "line\n" }],
  ["a log out of reach", "", { kind: "log", output: null }],
  ["an exit", "", { kind: "exit", exitCode: 1, output: "line\n", seconds: 2 }],
  ["a server that still runs", "", { kind: "exit", exitCode: null, output: "", seconds: 0 }],
  ["names of files", "", { kind: "files", names: ["a", "b"] }],
  ["a file", "", { kind: "file", text: "[]" }],
  ["a file that is not there", "", { kind: "file", text: null }],
  ["how many instances answered", "", { kind: "instances", distinct: 2 }],
];

test.each(observations)("written and read again: %s", (_, rpc, observation) => {
  expect(read(JSON.parse(JSON.stringify(write(observation))), rpc)).toEqual(observation);
});

test("seconds: are kept whole, and not at all where they are fewer than a half", () => {
  expect(write(http(Buffer.from("x"), 0.4))).not.toHaveProperty("seconds");
  expect(write(http(Buffer.from("x"), 2.6))).toHaveProperty("seconds", 3);
});

test("a reply over gRPC: its fields at their defaults come back without being written", () => {
  const answer = { code: "OK", details: "", replies: [{ asSent: {}, complete: { ready: false } }] };
  const written = write({ kind: "grpc", answer });
  expect(written).toEqual({ grpc: "OK", replies: [{}] });
  expect(read(written, "ModelReady")).toEqual({ kind: "grpc", answer });
});
