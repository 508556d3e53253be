import { describe, expect, test } from "vitest";
import { fail, TritonError } from "../../../../../emulator/common/status.ts";
import type { GrpcAnswer } from "../../../../../emulator/parity/exchange/grpc-client.ts";
import type { JsonObject } from "../../../../../emulator/parity/exchange/json.ts";
import { echo } from "../../../../support/fake-inference-server.ts";
import { GrpcFixture } from "../../../../support/grpc-frontend.ts";

const base64 = (...bytes: number[]): string => Buffer.from(bytes).toString("base64");

const input = (name: string, fields: JsonObject = {}): JsonObject => ({
  name,
  datatype: "UINT8",
  shape: [2],
  ...fields,
});

const request = (fields: JsonObject = {}): JsonObject => ({
  model_name: "echo",
  inputs: [input("A")],
  raw_input_contents: [base64(7, 8)],
  ...fields,
});

const infer = async (
  message: JsonObject,
  prepare: (fixture: GrpcFixture) => void = () => {},
): Promise<{ answer: GrpcAnswer; fixture: GrpcFixture }> => {
  await using fixture = await GrpcFixture.start();
  prepare(fixture);
  return { answer: await fixture.client.unary("ModelInfer", message, {}), fixture };
};

test("ModelInfer: answers with name, version, id and raw outputs", async () => {
  const { answer } = await infer(request({ id: "x" }));
  expect(answer.replies.map(({ asSent }) => asSent)).toEqual([
    {
      model_name: "echo",
      model_version: "1",
      id: "x",
      outputs: [{ name: "A", datatype: "UINT8", shape: ["2"] }],
      raw_output_contents: [base64(7, 8)],
    },
  ]);
});

test("ModelInfer: hands the core what the message says", async () => {
  const { fixture } = await infer(
    request({
      id: "x",
      inputs: [input("A"), input("B", { datatype: "INT32", shape: [1] })],
      raw_input_contents: [base64(1, 2), base64(3, 0, 0, 0), base64(9)],
      outputs: [{ name: "B" }, { name: "A" }, { name: "B" }],
      parameters: {
        sequence_id: { int64_param: "-1" },
        sequence_start: { bool_param: true },
        sequence_end: { bool_param: true },
        priority: { uint64_param: 3 },
        timeout: { int64_param: 250 },
        custom: { double_param: 1 },
      },
    }),
  );
  const inference = fixture.server.requests[0];
  expect(inference).toMatchObject({
    id: "x",
    requestedOutputs: ["B", "A"],
    sequenceId: 18446744073709551615n,
    sequenceStart: true,
    sequenceEnd: true,
    priority: 3,
    timeoutUs: 250,
    parameters: [{ name: "custom", value: { kind: "double", value: 1 } }],
  });
  expect(inference?.inputs.map(({ name, data }) => [name, [...data]])).toEqual([
    ["A", [1, 2]],
    ["B", [3, 0, 0, 0]],
  ]);
});

test("ModelInfer: a response's parameters are sent", async () => {
  const { answer } = await infer(request(), ({ server }) => {
    server.onInfer = (inference) => {
      const parameters = [{ name: "p", value: { kind: "int", value: 4 } }] as const;
      inference.respond({ final: true, outputs: echo(inference), parameters });
      return null;
    };
  });
  expect(answer.replies[0]?.asSent.parameters).toEqual({ p: { int64_param: "4" } });
});

test("ModelInfer: classification names the largest elements", async () => {
  const { answer } = await infer(
    request({
      model_name: "batched",
      inputs: [input("A", { shape: [2, 3] })],
      raw_input_contents: [base64(1, 5, 3, 9, 9, 0)],
      outputs: [{ name: "A", parameters: { classification: { int64_param: 2 } } }],
    }),
    ({ server }) => {
      const version = server.versions.get("batched");
      if (version !== undefined) server.versions.set("batched", { ...version, labels: () => ["cat", ""] });
    },
  );
  const text = (...items: string[]): string =>
    Buffer.concat(items.map((item) => Buffer.from([item.length, 0, 0, 0, ...Buffer.from(item)]))).toString(
      "base64",
    );
  expect(answer.replies[0]?.asSent).toMatchObject({
    outputs: [{ name: "A", datatype: "BYTES", shape: ["2", "2"] }],
    raw_output_contents: [text("5:1", "3:2", "9:0:cat", "9:1")],
  });
});

describe("ModelInfer: refuses before the core sees it", () => {
  const shared = (parameters: JsonObject): JsonObject =>
    request({ inputs: [input("A", { parameters })], raw_input_contents: [] });
  const parameter = (name: string, value: JsonObject): JsonObject =>
    request({ parameters: { [name]: value } });
  const asked = (parameters: JsonObject): JsonObject => request({ outputs: [{ name: "A", parameters }] });
  const region = { shared_memory_region: { string_param: "r" }, shared_memory_byte_size: { int64_param: 2 } };

  test.each<[string, JsonObject, string, string]>([
    [
      "a version that is no number",
      request({ model_version: "x" }),
      "INVALID_ARGUMENT",
      "failed to get model version from specified version string 'x' (details: stol), version should be an integral value > 0",
    ],
    [
      "a version that is too large",
      request({ model_version: "9223372036854775808" }),
      "INVALID_ARGUMENT",
      "failed to get model version from specified version string '9223372036854775808' (details: stol), version should be an integral value > 0",
    ],
    [
      "a negative version",
      request({ model_version: "-1" }),
      "INVALID_ARGUMENT",
      "invalid model version specified '-1' , version should be an integral value > 0",
    ],
    [
      "an unknown model",
      request({ model_name: "no" }),
      "NOT_FOUND",
      "Request for unknown model: 'no' is not found",
    ],
    [
      "a decoupled model",
      request({ model_name: "decoupled" }),
      "UNIMPLEMENTED",
      "ModelInfer RPC doesn't support models with decoupled transaction policy",
    ],
    [
      "a sequence id of another type",
      parameter("sequence_id", { uint64_param: 1 }),
      "INVALID_ARGUMENT",
      "invalid value type for 'sequence_id' parameter, expected int64_param or string_param.",
    ],
    [
      "a sequence id that is too long",
      parameter("sequence_id", { string_param: "a".repeat(129) }),
      "UNIMPLEMENTED",
      "string correlation ID cannot be longer than 128 characters",
    ],
    [
      "a start flag of another type",
      parameter("sequence_start", { int64_param: 1 }),
      "INVALID_ARGUMENT",
      "invalid value type for 'sequence_start' parameter, expected bool_param.",
    ],
    [
      "an end flag of another type",
      parameter("sequence_end", {}),
      "INVALID_ARGUMENT",
      "invalid value type for 'sequence_end' parameter, expected bool_param.",
    ],
    [
      "a priority of another type",
      parameter("priority", { string_param: "1" }),
      "INVALID_ARGUMENT",
      "invalid value type for 'priority' parameter, expected int64_param or uint64_param.",
    ],
    [
      "a negative priority",
      parameter("priority", { int64_param: -1 }),
      "INVALID_ARGUMENT",
      "invalid value for 'priority', expected value >= 0.",
    ],
    [
      "a timeout of another type",
      parameter("timeout", { uint64_param: 1 }),
      "INVALID_ARGUMENT",
      "invalid value type for 'timeout' parameter, expected int64_param.",
    ],
    [
      "a reserved parameter",
      parameter("triton_x", { bool_param: true }),
      "INVALID_ARGUMENT",
      "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with 'triton_' are allowed: triton_enable_empty_final_response",
    ],
    [
      "an empty final response of another type",
      parameter("triton_enable_empty_final_response", { int64_param: 1 }),
      "INVALID_ARGUMENT",
      "invalid value type for 'triton_enable_empty_final_response' parameter, expected bool_param.",
    ],
    [
      "a custom parameter of another type",
      parameter("foo", { uint64_param: 1 }),
      "INVALID_ARGUMENT",
      "invalid value type for 'foo' parameter, expected int64_param, bool_param, or string_param.",
    ],
    [
      "an input that comes twice",
      request({ id: "q", inputs: [input("A"), input("A")], raw_input_contents: [] }),
      "INVALID_ARGUMENT",
      "[request id: q] input 'A' already exists in request",
    ],
    [
      "an input that comes twice in a request without an id",
      request({ inputs: [input("A"), input("A")] }),
      "INVALID_ARGUMENT",
      "[request id: <id_unknown>] input 'A' already exists in request",
    ],
    [
      "an input without data",
      request({ raw_input_contents: [] }),
      "INVALID_ARGUMENT",
      "unable to find data for input tensor 'A' for model 'echo' in request.",
    ],
    [
      "contents beside raw contents",
      request({ inputs: [input("A", { contents: { uint_contents: [1, 2] } })] }),
      "INVALID_ARGUMENT",
      "contents field must not be specified when using raw_input_contents for 'A' for model 'echo'",
    ],
    [
      "contents of another type",
      request({ inputs: [input("A", { contents: { int_contents: [1, 2] } })], raw_input_contents: [] }),
      "INVALID_ARGUMENT",
      "unexpected explicit tensor data for input tensor 'A' for model 'echo' of type 'INT32', expected datatype 'UINT8'",
    ],
    [
      "a region that is not registered",
      shared(region),
      "NOT_FOUND",
      "Unable to find shared memory region: 'r'",
    ],
    [
      "a region without a size",
      shared({ shared_memory_region: { string_param: "r" } }),
      "INVALID_ARGUMENT",
      "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor 'A'",
    ],
    [
      "a region of another type",
      shared({ shared_memory_region: { int64_param: 1 } }),
      "INVALID_ARGUMENT",
      "invalid value type for 'shared_memory_region' parameter for tensor 'A', expected string_param.",
    ],
    [
      "an offset of another type",
      shared({ ...region, shared_memory_offset: { string_param: "1" } }),
      "INVALID_ARGUMENT",
      "invalid value type for 'shared_memory_offset' parameter for tensor 'A', expected int64_param.",
    ],
    [
      "an offset without a region",
      shared({ shared_memory_offset: { int64_param: 1 } }),
      "INVALID_ARGUMENT",
      "'shared_memory_offset' can not be specified without 'shared_memory_region' parameter for tensor 'A'",
    ],
    [
      "a size without a region",
      shared({ shared_memory_byte_size: { int64_param: 1 } }),
      "INVALID_ARGUMENT",
      "'shared_memory_byte_size' can not be specified without 'shared_memory_region' parameter for tensor 'A'",
    ],
    [
      "contents beside a region",
      request({ inputs: [input("A", { parameters: region, contents: {} })], raw_input_contents: [] }),
      "INVALID_ARGUMENT",
      "unexpected 'content' provided when using shared memory for input tensor 'A' for model 'echo'",
    ],
    [
      "a classification of another type",
      asked({ classification: { string_param: "1" } }),
      "INVALID_ARGUMENT",
      "invalid value type for 'classification' parameter, expected int64_param",
    ],
    [
      "a classification of no classes",
      asked({ classification: { int64_param: 0 } }),
      "INVALID_ARGUMENT",
      "invalid value for 'classification' parameter, expected >= 0",
    ],
    [
      "a classification in a region",
      asked({ ...region, classification: { int64_param: 1 } }),
      "INVALID_ARGUMENT",
      "output can't set both 'shared_memory_region' and 'classification'",
    ],
    ["an output in a region", asked(region), "NOT_FOUND", "Unable to find shared memory region: 'r'"],
  ])("%s", async (_, message, code, details) => {
    const { answer, fixture } = await infer(message);
    expect(answer).toEqual({ code, details, replies: [] });
    expect(fixture.server.requests).toEqual([]);
  });
});

test.each(["", "1", " +1", "1abc"])("ModelInfer: finds version 1 by %j", async (text) => {
  const { answer } = await infer(request({ model_version: text }));
  expect(answer.code).toBe("OK");
});

describe("ModelInfer: what the core says becomes the status", () => {
  test.each([
    ["UNKNOWN", "UNKNOWN"],
    ["INTERNAL", "INTERNAL"],
    ["NOT_FOUND", "NOT_FOUND"],
    ["INVALID_ARG", "INVALID_ARGUMENT"],
    ["UNAVAILABLE", "UNAVAILABLE"],
    ["UNSUPPORTED", "UNIMPLEMENTED"],
    ["ALREADY_EXISTS", "ALREADY_EXISTS"],
    ["CANCELLED", "CANCELLED"],
  ] as const)("%s, refused or failed, is %s", async (code, expected) => {
    const refused = await infer(request(), ({ server }) => {
      server.onInfer = () => new TritonError(code, "a reason\n");
    });
    expect(refused.answer).toEqual({ code: expected, details: "a reason\n", replies: [] });
    const failed = await infer(request(), ({ server }) => {
      server.onInfer = (inference) => {
        inference.respond({ final: true, outputs: [], error: fail(code, "größer, 100 %. ").error });
        return null;
      };
    });
    expect(failed.answer).toEqual({ code: expected, details: "größer, 100 %. ", replies: [] });
  });

  test("two responses are an error", async () => {
    const { answer } = await infer(request(), ({ server }) => {
      server.onInfer = (inference) => {
        inference.respond({ final: false, outputs: echo(inference) });
        inference.respond({ final: true, outputs: echo(inference) });
        return null;
      };
    });
    expect(answer).toMatchObject({ code: "INTERNAL", details: "expected a single response, got 2" });
  });
});

test("ModelInfer: a client that gives up cancels the request", async () => {
  await using fixture = await GrpcFixture.start();
  const cancelled = new Promise<void>((resolve) => {
    fixture.server.onInfer = (inference) => {
      inference.cancel = resolve;
      return null;
    };
  });
  const answer = fixture.client.unary("ModelInfer", request(), {}, 1);
  expect((await answer).code).toBe("CANCELLED");
  if (fixture.server.requests.length > 0) await cancelled;
});
