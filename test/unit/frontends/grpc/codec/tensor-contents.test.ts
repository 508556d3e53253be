import { describe, expect, test } from "vitest";
import { ProtobufReader, ProtobufWriter } from "../../../../../emulator/common/protobuf-wire.ts";
import { decodeInferRequest } from "../../../../../emulator/frontends/grpc/codec/infer-request.ts";
import { TensorContents } from "../../../../../emulator/frontends/grpc/codec/tensor-contents.ts";
import { encodeRequest } from "../../../../support/grpc-messages.ts";

const read = (contents: object): TensorContents => {
  const message = decodeInferRequest(encodeRequest("ModelInfer", { inputs: [{ contents }] }));
  const found = message.inputs[0]?.contents;
  if (found === null || found === undefined) throw new Error("no contents");
  return found;
};

const bytesOf = (contents: TensorContents, datatype: string): number[] | string => {
  const result = contents.toBytes(datatype, "IN", "m");
  return result.ok ? [...result.value] : `${result.error.code} ${result.error.message}`;
};

const little = (array: ArrayBufferView): number[] => [
  ...new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
];

test.each([
  ["BOOL", { bool_contents: [true, false, true] }, [1, 0, 1]],
  ["INT8", { int_contents: [1, -1, 300] }, [1, 255, 44]],
  ["INT16", { int_contents: [1, -2, 70000] }, little(Int16Array.of(1, -2, 4464))],
  ["INT32", { int_contents: [1, -2, 2147483647] }, little(Int32Array.of(1, -2, 2147483647))],
  [
    "INT64",
    { int64_contents: ["1", "-9223372036854775808"] },
    little(BigInt64Array.of(1n, -9223372036854775808n)),
  ],
  ["UINT8", { uint_contents: [1, 256] }, [1, 0]],
  ["UINT16", { uint_contents: [65535] }, [255, 255]],
  ["UINT32", { uint_contents: [4294967295] }, [255, 255, 255, 255]],
  ["UINT64", { uint64_contents: ["18446744073709551615"] }, new Array<number>(8).fill(255)],
  ["FP32", { fp32_contents: [0.5, -1] }, little(Float32Array.of(0.5, -1))],
  ["FP64", { fp64_contents: [0.1] }, little(Float64Array.of(0.1))],
  ["BYTES", { bytes_contents: [Buffer.from("ab"), Buffer.alloc(0)] }, [2, 0, 0, 0, 97, 98, 0, 0, 0, 0]],
  ["FP16", {}, []],
])("InferTensorContents: %s in its field becomes the tensor's bytes", (datatype, contents, expected) => {
  expect(bytesOf(read(contents), datatype)).toEqual(expected);
});

test("InferTensorContents: reads elements that are not packed, and pieces of one message", () => {
  const contents = new TensorContents();
  contents.merge(new ProtobufReader(new ProtobufWriter().varint(2, 1).int(2, -1).finish()));
  contents.merge(new ProtobufReader(new ProtobufWriter().packedInts(2, [3]).finish()));
  expect(bytesOf(contents, "INT32")).toEqual(little(Int32Array.of(1, -1, 3)));
});

describe("InferTensorContents: refuses", () => {
  const subject = "INVALID_ARG unexpected explicit tensor data for input tensor 'IN' for model 'm'";

  test("a field that is not the type's", () => {
    expect(bytesOf(read({ fp32_contents: [1] }), "INT32")).toBe(
      `${subject} of type 'FP32', expected datatype 'INT32'`,
    );
    expect(bytesOf(read({ int_contents: [1] }), "FP16")).toBe(
      `${subject} of type 'INT32', expected datatype 'FP16'`,
    );
  });

  test("any field for a type that is none", () => {
    expect(bytesOf(read({ bytes_contents: [Buffer.from("a")] }), "STRING")).toBe(
      `${subject} of type 'BYTES', expected datatype '<invalid>'`,
    );
  });

  test("a second field", () => {
    expect(bytesOf(read({ int_contents: [1], int64_contents: [1] }), "INT32")).toBe(
      `${subject}, binary data was already supplied.`,
    );
  });
});
