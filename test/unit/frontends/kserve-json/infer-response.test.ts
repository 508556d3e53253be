import { expect, test } from "vitest";
import type { ServableVersion } from "../../../../emulator/core/inference-server.ts";
import type { OutputTensor, Parameter } from "../../../../emulator/core/tensor/inference-request.ts";
import type {
  DecodedInferRequest,
  RequestedOutput,
} from "../../../../emulator/frontends/kserve-json/infer-request.ts";
import {
  type EncodedInferResponse,
  encodeInferResponse,
} from "../../../../emulator/frontends/kserve-json/infer-response.ts";
import { minimalModelConfig } from "./minimal-model-config.ts";

const version: ServableVersion = {
  modelName: "m",
  version: 3,
  versionText: "3",
  config: minimalModelConfig(8),
  decoupled: false,
  labels: () => null,
};

const requested = (options: Partial<RequestedOutput>): RequestedOutput => ({
  name: "Y",
  binary: false,
  classCount: 0,
  sharedMemory: null,
  ...options,
});

const encode = (
  outputs: readonly OutputTensor[],
  request: Partial<DecodedInferRequest> = {},
  parameters: readonly Parameter[] = [],
) =>
  encodeInferResponse({ fields: { inputs: [] }, outputs: [], binaryOutputs: false, ...request }, version, {
    final: true,
    outputs,
    parameters,
  });

const encoded = (...args: Parameters<typeof encode>): EncodedInferResponse => {
  const result = encode(...args);
  if (!result.ok) throw result.error;
  return result.value;
};

const text = (...args: Parameters<typeof encode>): string => Buffer.concat(encoded(...args).body).toString();

const floats = (values: readonly number[]): OutputTensor => ({
  name: "Y",
  datatype: "FP32",
  shape: [1, values.length],
  data: new Uint8Array(Float32Array.from(values).buffer),
});

test("infer response: prints id and response parameters in order", () => {
  expect(
    text([], { fields: { inputs: [], id: 'a"b' } }, [
      { name: "sequence_id", value: { kind: "int", value: 0 } },
      { name: "big", value: { kind: "int", value: 9007199254740993n } },
      { name: "b", value: { kind: "bool", value: false } },
      { name: "d", value: { kind: "double", value: 1 } },
      { name: "s", value: { kind: "string", value: "é\n" } },
    ]),
  ).toBe(
    '{"id":"a\\"b","model_name":"m","model_version":"3","parameters":{"sequence_id":0,"big":9007199254740993,"b":false,"d":1.0,"s":"é\\n"},"outputs":[]}',
  );
});

test("infer response: joins small binary tensors to the JSON, and leaves large ones where they are", () => {
  const small = encoded([floats([1, 2])], { binaryOutputs: true });
  expect(small.body).toHaveLength(1);
  const large: OutputTensor = {
    name: "Y",
    datatype: "UINT8",
    shape: [1, 100_000],
    data: new Uint8Array(100_000),
  };
  const { headers, body } = encoded([large], { binaryOutputs: true });
  expect(body).toHaveLength(2);
  expect(body[1]).toBe(large.data);
  expect(headers).toEqual([
    "Content-Type",
    "application/octet-stream",
    "Inference-Header-Content-Length",
    String(body[0]!.byteLength),
  ]);
});

test("infer response: a listed output is JSON even where the others are binary", () => {
  expect(text([floats([0.5])], { outputs: [requested({})], binaryOutputs: true })).toContain('"data":[0.5]');
});

test("infer response: prints tensors larger than any chunk", () => {
  const values = Array.from({ length: 200_000 }, (_, i) => i * 1000 + 0.5);
  const { data } = JSON.parse(text([floats(values)])).outputs[0];
  expect(data).toHaveLength(values.length);
  expect(data.findIndex((value: number, i: number) => value !== Math.fround(values[i]!))).toBe(-1);
});

test("infer response: prints strings larger than any chunk, escapes and all", () => {
  const long = `"${"\x01é\\".repeat(400_000)}`;
  const bytes = Buffer.from(long);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  const data = Buffer.concat([length, bytes, Buffer.alloc(4)]);
  const reply = JSON.parse(text([{ name: "Y", datatype: "BYTES", shape: [1, 2], data }]));
  expect(reply.outputs[0].data[0] === long).toBe(true);
  expect(reply.outputs[0].data[1]).toBe("");
});

test("infer response: reads tensors that are not aligned", () => {
  const unaligned = Buffer.concat([Buffer.from([0]), Buffer.from("0000803f00000040", "hex")]).subarray(1);
  expect(unaligned.byteOffset % 4).not.toBe(0);
  expect(text([{ name: "Y", datatype: "FP32", shape: [1, 2], data: unaligned }])).toContain(
    '"data":[1.0,2.0]',
  );
});

test("infer response: puts a tensor into shared memory, and says so when it does not fit", () => {
  const region = Buffer.alloc(10);
  expect(text([floats([1, 2])], { outputs: [requested({ sharedMemory: region })] })).toBe(
    '{"model_name":"m","model_version":"3","outputs":[{"name":"Y","datatype":"FP32","shape":[1,2]}]}',
  );
  expect(region.toString("hex")).toBe("0000803f000000400000");
  expect(encode([floats([1, 2])], { outputs: [requested({ sharedMemory: Buffer.alloc(7) })] })).toMatchObject(
    {
      error: {
        code: "INTERNAL",
        message:
          "shared memory size specified with the request for output 'Y' (7 bytes) should be at least 8 bytes to hold the results",
      },
    },
  );
});

test("infer response: refuses tensors whose size is not that of their shape", () => {
  const mismatch = {
    error: { code: "INTERNAL", message: "output tensor shape does not match size of output for 'Y'" },
  };
  expect(encode([{ ...floats([1, 2]), shape: [1, 3] }])).toMatchObject(mismatch);
  for (const hex of ["01000000", "020000", "0100000041"]) {
    const data = Buffer.from(hex, "hex");
    expect(encode([{ name: "Y", datatype: "BYTES", shape: [2], data }])).toMatchObject(mismatch);
  }
});

test("infer response: has no classes for a tensor of strings or without elements", () => {
  const classes = { outputs: [requested({ classCount: 2 })] };
  expect(
    encode([{ name: "Y", datatype: "BYTES", shape: [1, 0], data: Buffer.alloc(0) }], classes),
  ).toMatchObject({
    error: {
      code: "INVALID_ARG",
      message: "class result not available for output due to unsupported type 'BYTES'",
    },
  });
  expect(encode([{ ...floats([]), shape: [1, 0] }], classes).ok).toBe(false);
});
