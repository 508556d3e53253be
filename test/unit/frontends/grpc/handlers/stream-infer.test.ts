import { describe, expect, test } from "vitest";
import { fail } from "../../../../../emulator/common/status.ts";
import type { InferenceRequest } from "../../../../../emulator/core/tensor/inference-request.ts";
import type { GrpcAnswer } from "../../../../../emulator/parity/exchange/grpc-client.ts";
import type { JsonObject } from "../../../../../emulator/parity/exchange/json.ts";
import { echo, type FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { GrpcFixture } from "../../../../support/grpc-frontend.ts";

const request = (id: string, fields: JsonObject = {}): JsonObject => ({
  id,
  model_name: "echo",
  inputs: [{ name: "A", datatype: "UINT8", shape: [1] }],
  raw_input_contents: ["AQ=="],
  ...fields,
});

const stream = async (
  messages: readonly JsonObject[],
  onInfer?: (request: InferenceRequest, server: FakeInferenceServer) => void,
  metadata: Readonly<Record<string, string>> = {},
): Promise<GrpcAnswer> => {
  await using fixture = await GrpcFixture.start();
  const { server } = fixture;
  if (onInfer !== undefined) {
    server.onInfer = (inference) => {
      onInfer(inference, server);
      return null;
    };
  }
  return await fixture.client.stream("ModelStreamInfer", messages, metadata);
};

const replies = (answer: GrpcAnswer): JsonObject[] => answer.replies.map(({ asSent }) => asSent);
const final = (value: boolean): JsonObject => ({ triton_final_response: { bool_param: value } });
const success = (id: string, model = "echo", last = true): JsonObject => ({
  infer_response: {
    model_name: model,
    model_version: "1",
    id,
    parameters: final(last),
    outputs: [{ name: "A", datatype: "UINT8", shape: ["1"] }],
    raw_output_contents: ["AQ=="],
  },
});
const executionError = fail("INTERNAL", "boo").error;

test("ModelStreamInfer: answers each request, marks the response final and ends well", async () => {
  const answer = await stream([request("1"), request("2")]);
  expect(answer.code).toBe("OK");
  expect(replies(answer)).toEqual([success("1"), success("2")]);
});

test("ModelStreamInfer: a stream without requests ends well", async () => {
  expect(await stream([])).toEqual({ code: "OK", details: "", replies: [] });
});

test("ModelStreamInfer: answers in the order of the requests, whichever is done first", async () => {
  const open: InferenceRequest[] = [];
  const answer = await stream(
    [request("1"), request("2"), request("3", { model_name: "no" }), request("4")],
    (inference) => {
      open.push(inference);
      if (open.length < 3) return;
      for (const late of open.reverse()) late.respond({ final: true, outputs: echo(late) });
    },
  );
  expect(replies(answer)).toEqual([
    success("1"),
    success("2"),
    {
      error_message: "Request for unknown model: 'no' is not found",
      infer_response: { id: "3" },
    },
    success("4"),
  ]);
});

describe("ModelStreamInfer: a request that is refused is a message with its id and nothing else", () => {
  test.each<[string, JsonObject, string]>([
    [
      "unknown model",
      { model_name: "no", model_version: "4" },
      "Request for unknown model: 'no' version 4 is not found",
    ],
    [
      "bad version",
      { model_version: "-1" },
      "invalid model version specified '-1' , version should be an integral value > 0",
    ],
    [
      "bad parameter",
      { parameters: { timeout: { bool_param: true } } },
      "invalid value type for 'timeout' parameter, expected int64_param.",
    ],
    [
      "no data",
      { raw_input_contents: [] },
      "unable to find data for input tensor 'A' for model 'echo' in request.",
    ],
  ])("%s", async (_, fields, message) => {
    await using fixture = await GrpcFixture.start();
    if ("model_version" in fields && "model_name" in fields) {
      fixture.server.findVersion = (model, version) =>
        model === "no"
          ? fail("NOT_FOUND", `Request for unknown model: 'no' version ${version} is not found`)
          : fail("INTERNAL", "not asked for");
    }
    const answer = await fixture.client.stream("ModelStreamInfer", [request("7", fields)], {});
    expect(answer.code).toBe("OK");
    expect(replies(answer)).toEqual([{ error_message: message, infer_response: { id: "7" } }]);
  });

  test("by the core", async () => {
    await using fixture = await GrpcFixture.start();
    fixture.server.onInfer = () => executionError;
    const answer = await fixture.client.stream("ModelStreamInfer", [request("7")], {});
    expect(replies(answer)).toEqual([{ error_message: "boo", infer_response: { id: "7" } }]);
  });
});

test("ModelStreamInfer: a failed execution names the version that was asked for, and the stream goes on", async () => {
  const answer = await stream(
    [request("1"), request("2", { model_version: "1" }), request("3")],
    (inference) => {
      const failed = inference.id !== "3";
      inference.respond(
        failed
          ? { final: true, outputs: [], error: executionError }
          : { final: true, outputs: echo(inference) },
      );
    },
  );
  expect(replies(answer)).toEqual([
    {
      error_message: "boo",
      infer_response: { model_name: "echo", id: "1", parameters: final(true) },
    },
    {
      error_message: "boo",
      infer_response: { model_name: "echo", model_version: "1", id: "2", parameters: final(true) },
    },
    success("3"),
  ]);
});

describe("ModelStreamInfer: with triton_grpc_error", () => {
  test("the first failed execution ends the stream with its status and cancels the rest", async () => {
    const open: InferenceRequest[] = [];
    const answer = await stream(
      [request("1"), request("2")],
      (inference) => {
        open.push(inference);
        if (open.length === 2) open[0]?.respond({ final: true, outputs: [], error: executionError });
      },
      { triton_grpc_error: "true" },
    );
    expect(answer).toEqual({ code: "INTERNAL", details: "boo", replies: [] });
    expect(open[1]?.cancelled).toBe(true);
  });

  test("a request that is refused is still a message", async () => {
    const answer = await stream([request("1", { model_name: "no" }), request("2")], undefined, {
      triton_grpc_error: "true",
    });
    expect(answer.code).toBe("OK");
    expect(answer.replies).toHaveLength(2);
  });

  test("any other value changes nothing", async () => {
    const answer = await stream(
      [request("1")],
      (inference) => inference.respond({ final: true, outputs: [], error: executionError }),
      { triton_grpc_error: "True" },
    );
    expect(answer.code).toBe("OK");
  });
});

describe("ModelStreamInfer: a decoupled model", () => {
  const decoupled = (id: string, fields: JsonObject = {}): JsonObject =>
    request(id, { model_name: "decoupled", ...fields });
  const twoAndFlag = (inference: InferenceRequest): void => {
    inference.respond({ final: false, outputs: echo(inference) });
    inference.respond({ final: false, outputs: echo(inference) });
    inference.respond({ final: true, outputs: [] });
  };

  test("sends every response as it comes, and no message for a bare final flag", async () => {
    const answer = await stream([decoupled("1")], twoAndFlag);
    expect(replies(answer)).toEqual([success("1", "decoupled", false), success("1", "decoupled", false)]);
  });

  test("sends the bare final flag to those who asked for it, with the version they asked for", async () => {
    const answer = await stream(
      [decoupled("1", { parameters: { triton_enable_empty_final_response: { bool_param: true } } })],
      twoAndFlag,
    );
    expect(replies(answer).at(-1)).toEqual({
      infer_response: { model_name: "decoupled", id: "1", parameters: final(true) },
    });
  });

  test("does not hold responses back for an earlier request", async () => {
    const open: InferenceRequest[] = [];
    const answer = await stream([decoupled("1"), decoupled("2")], (inference) => {
      open.push(inference);
      if (open.length < 2) return;
      for (const late of open.reverse()) late.respond({ final: true, outputs: echo(late) });
    });
    expect(replies(answer)).toEqual([success("2", "decoupled"), success("1", "decoupled")]);
  });
});
