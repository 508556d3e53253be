import { expect, test } from "vitest";
import { compareAnswers } from "../../../../emulator/parity/difference/compare-answers.ts";
import type { Answer } from "../../../../emulator/parity/exchange/answer.ts";

const http = (body: string | Buffer, headers: readonly (readonly [string, string])[] = []): Answer => ({
  kind: "http",
  seconds: 0,
  answer: { statusLine: "HTTP/1.1 200 OK", status: 200, headers, body: Buffer.from(body) },
});

const where = (ours: Answer, theirs: Answer, tolerance = 0): string[] =>
  compareAnswers(ours, theirs, { tolerance }).divergences.map((divergence) => divergence.where);

const output = (data: string): string =>
  `{"outputs":[{"name":"Y","datatype":"FP32","shape":[1],"data":[${data}]}]}`;

test("compareAnswers: numbers are the same only where their text is", () => {
  expect(where(http('{"a":1.0}'), http('{"a":1.0}'))).toEqual([]);
  expect(where(http('{"a":1}'), http('{"a":1.0}'))).toEqual(["/a"]);
});

test("compareAnswers: a tolerance covers other values, not another text of the same", () => {
  expect(where(http(output("1.00001")), http(output("1.00002")), 1e-4)).toEqual([]);
  expect(where(http(output("1.00001")), http(output("1.00002")))).toEqual(["/outputs/0/data/0"]);
  expect(where(http(output("0.3")), http(output("0.30000001192092898")), 1e-4)).toEqual([
    "/outputs/0/data/0",
  ]);
});

test("compareAnswers: members in another order are a difference, entries of maps are none", () => {
  expect(where(http('{"a":1,"b":2}'), http('{"b":2,"a":1}'))).toEqual(["order of members"]);
  expect(where(http('{"parameters":{"a":1,"b":2}}'), http('{"parameters":{"b":2,"a":1}}'))).toEqual([]);
});

test("compareAnswers: headers count with their names and order, lengths by being there", () => {
  const [a, b] = [["A", "1"] as const, ["Content-Length", "2"] as const];
  expect(where(http("", [a, b]), http("", [b, a]))).toEqual(["headers"]);
  expect(where(http("", [a]), http("", [["A", "2"]]))).toEqual(["header A"]);
  expect(where(http("", [b]), http("", [["Content-Length", "9"]]))).toEqual([]);
});

test("compareAnswers: of times only whether there was one", () => {
  const stats = (ns: string, last: string): Answer =>
    http(
      `{"model_stats":[{"name":"m","version":"1","last_inference":${last},"queue":{"count":1,"ns":${ns}}}]}`,
    );
  expect(where(stats("5", "17"), stats("900", "18"))).toEqual([]);
  expect(where(stats("5", "0"), stats("900", "18"))).toEqual(["/model_stats/m:1/last_inference"]);
});

test("compareAnswers: tensors bit for bit, at the place where they part", () => {
  const json =
    '{"outputs":[{"name":"Y","datatype":"INT32","shape":[2],"parameters":{"binary_data_size":8}}]}';
  const headers = [["Inference-Header-Content-Length", String(json.length)] as const];
  const binary = (bytes: readonly number[]): Answer =>
    http(Buffer.concat([Buffer.from(json), Buffer.from(bytes)]), headers);
  expect(where(binary([1, 2, 3, 4, 5, 6, 7, 8]), binary([1, 2, 3, 4, 5, 6, 7, 9]))).toEqual(["tensor Y"]);
});

test("compareAnswers: metrics with their families, texts and samples, not what a machine measures", () => {
  const family = (name: string, value: string): string =>
    `# HELP ${name} text\n# TYPE ${name} counter\n${name}{model="m"} ${value}\n`;
  const [one, other] = [family("nv_count", "1"), family("nv_request_duration_us", "17")];
  expect(where(http(one + other), http(one + family("nv_request_duration_us", "40")))).toEqual([]);
  expect(where(http(one), http(one + other))).toEqual(["families"]);
  expect(where(http(one), http(family("nv_count", "2")))).toEqual(['nv_count{model="m"}']);
});

test("compareAnswers: an error lists versions in any order", () => {
  const error = (text: string): Answer => http(JSON.stringify({ error: text }));
  const [first, second] = ["version 1 is at UNAVAILABLE state: x;", "version 2 is at UNAVAILABLE state: y;"];
  expect(where(error(`failed: ${first}${second}\n`), error(`failed: ${second}${first}\n`))).toEqual([]);
  expect(where(error(`failed: ${first}\n`), error(`failed: ${second}\n`))).toEqual(["/error"]);
});

test("compareAnswers: answers of gRPC by code, text and messages in their order", () => {
  const grpc = (code: string, replies: readonly string[]): Answer => ({
    kind: "stream",
    answer: { code, details: "", replies: replies.map((id) => ({ asSent: { id }, complete: { id } })) },
  });
  expect(where(grpc("OK", ["a", "b"]), grpc("OK", ["a", "b"]))).toEqual([]);
  expect(where(grpc("OK", ["a", "b"]), grpc("OK", ["b", "a"]))).toEqual(["/0/id", "/1/id"]);
  expect(where(grpc("OK", []), grpc("NOT_FOUND", []))).toEqual(["code"]);
});

test("compareAnswers: no answer is not an answer, however the connection ended", () => {
  const none = (how: string): Answer => ({ kind: "connection", how });
  expect(where(none("reset"), none("closed"))).toEqual([]);
  expect(where(http("{}"), none("closed"))).toEqual(["connection"]);
});
