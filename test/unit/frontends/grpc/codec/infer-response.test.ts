import { expect, test } from "vitest";
import {
  encodeInferResponse,
  encodeStreamError,
  encodeStreamResponse,
  type InferResponseMessage,
} from "../../../../../emulator/frontends/grpc/codec/infer-response.ts";
import { decodeResponse } from "../../../../support/grpc-messages.ts";

const large = new Uint8Array(100_000).fill(7);

const message: InferResponseMessage = {
  modelName: "m",
  modelVersion: "1",
  id: "id",
  parameters: [
    { name: "b", value: { kind: "bool", value: false } },
    { name: "i", value: { kind: "int", value: -5 } },
    { name: "big", value: { kind: "int", value: -9223372036854775808n } },
    { name: "s", value: { kind: "string", value: "" } },
    { name: "d", value: { kind: "double", value: 0 } },
  ],
  outputs: [
    { name: "A", datatype: "INT32", shape: [1, -1, 2 ** 40], data: Uint8Array.of(1, 2, 3, 4) },
    { name: "L", datatype: "UINT8", shape: [100_000], data: large },
    { name: "E", datatype: "BYTES", shape: [], data: new Uint8Array(0) },
  ],
};

const asOthersReadIt = {
  model_name: "m",
  model_version: "1",
  id: "id",
  parameters: {
    b: { bool_param: false },
    i: { int64_param: "-5" },
    big: { int64_param: "-9223372036854775808" },
    s: { string_param: "" },
    d: { double_param: 0 },
  },
  outputs: [
    { name: "A", datatype: "INT32", shape: ["1", "-1", "1099511627776"] },
    { name: "L", datatype: "UINT8", shape: ["100000"] },
    { name: "E", datatype: "BYTES" },
  ],
  raw_output_contents: [
    { type: "Buffer", data: [1, 2, 3, 4] },
    { type: "Buffer", data: [...large] },
    { type: "Buffer", data: [] },
  ],
};

test("ModelInferResponse: another library reads everything that is written", () => {
  expect(decodeResponse("ModelInfer", encodeInferResponse(message))).toMatchObject(asOthersReadIt);
});

test("ModelInferResponse: a large tensor is sent as it is, a small one within the message", () => {
  const pieces = encodeInferResponse(message);
  expect(pieces[1]).toBe(large);
  expect(pieces).toHaveLength(3);
});

test("ModelInferResponse: an empty one has no bytes", () => {
  const empty = { modelName: "", modelVersion: "", id: "", parameters: [], outputs: [] };
  expect(Buffer.concat(encodeInferResponse(empty))).toHaveLength(0);
});

test("ModelStreamInferResponse: carries a response, and with an error its message", () => {
  expect(decodeResponse("ModelStreamInfer", encodeStreamResponse(message))).toMatchObject({
    infer_response: asOthersReadIt,
  });
  expect(
    decodeResponse("ModelStreamInfer", encodeStreamError("boo", { ...message, outputs: [] })),
  ).toMatchObject({ error_message: "boo", infer_response: { id: "id" } });
});
