import { expect, test } from "vitest";
import { ProtobufError, ProtobufWriter } from "../../../../../emulator/common/protobuf-wire.ts";
import { decodeInferRequest } from "../../../../../emulator/frontends/grpc/codec/infer-request.ts";
import { encodeRequest } from "../../../../support/grpc-messages.ts";

const encode = (message: object): Buffer => encodeRequest("ModelInfer", message);

test("ModelInferRequest: reads everything another library writes", () => {
  const read = decodeInferRequest(
    encode({
      model_name: "m",
      model_version: "3",
      id: "größer",
      parameters: {
        b: { bool_param: true },
        i: { int64_param: "-9223372036854775808" },
        s: { string_param: "x" },
        d: { double_param: 0.5 },
        u: { uint64_param: "18446744073709551615" },
        n: {},
      },
      inputs: [
        {
          name: "IN",
          datatype: "INT32",
          shape: ["-1", "0", "4611686018427387904"],
          parameters: { shared_memory_byte_size: { int64_param: 16 } },
        },
      ],
      outputs: [{ name: "OUT", parameters: { classification: { int64_param: 2 } } }],
      raw_input_contents: [Buffer.from([1, 2, 3]), Buffer.alloc(0)],
    }),
  );
  expect(read).toEqual({
    modelName: "m",
    modelVersion: "3",
    id: "größer",
    parameters: new Map([
      ["b", { kind: "bool", value: true }],
      ["i", { kind: "int64", value: -9223372036854775808n }],
      ["s", { kind: "string", value: "x" }],
      ["d", { kind: "double", value: 0.5 }],
      ["u", { kind: "uint64", value: 18446744073709551615n }],
      ["n", { kind: "unset" }],
    ]),
    inputs: [
      {
        name: "IN",
        datatype: "INT32",
        shape: [-1, 0, 2 ** 62],
        parameters: new Map([["shared_memory_byte_size", { kind: "int64", value: 16 }]]),
        contents: null,
      },
    ],
    outputs: [{ name: "OUT", parameters: new Map([["classification", { kind: "int64", value: 2 }]]) }],
    rawInputContents: [Buffer.from([1, 2, 3]), Buffer.alloc(0)],
  });
});

test("ModelInferRequest: raw contents are views of the message", () => {
  const bytes = encode({ raw_input_contents: [Buffer.from("tensor")] });
  expect(decodeInferRequest(bytes).rawInputContents[0]?.buffer).toBe(bytes.buffer);
});

test("ModelInferRequest: reads a shape that is not packed, and skips fields it does not know", () => {
  const bytes = new ProtobufWriter()
    .message(5, (input) => input.string(1, "IN").varint(3, 2).varint(3, 3).varint(99, 1))
    .varint(1, 7)
    .double(200, 1)
    .finish();
  expect(decodeInferRequest(bytes)).toMatchObject({ modelName: "", inputs: [{ name: "IN", shape: [2, 3] }] });
});

test("ModelInferRequest: of two parameters with the same key the last one counts", () => {
  const parameter = (value: string): Buffer =>
    new ProtobufWriter()
      .message(4, (entry) => entry.string(1, "k").message(2, (inner) => inner.string(3, value)))
      .finish();
  expect(decodeInferRequest(Buffer.concat([parameter("a"), parameter("b")])).parameters).toEqual(
    new Map([["k", { kind: "string", value: "b" }]]),
  );
});

test.each([
  ["a length beyond the end", [0x0a, 0x7f]],
  ["a string that is not UTF-8", [0x0a, 0x01, 0xff]],
  ["a truncated varint", [0x08, 0x80]],
  ["a varint of eleven bytes", [0x08, ...new Array<number>(11).fill(0x80), 0]],
  ["contents that are cut off", [0x2a, 0x03, 0x2a, 0x01, 0x12]],
])("ModelInferRequest: %s is no message", (_, bytes) => {
  expect(() => decodeInferRequest(Uint8Array.from(bytes))).toThrow(ProtobufError);
});
