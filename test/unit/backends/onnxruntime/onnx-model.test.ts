import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  bytesSource,
  promoteInitialisers,
  readOnnxModel,
} from "../../../../emulator/backends/onnxruntime/onnx-model.ts";
import { ProtobufError, ProtobufWriter } from "../../../../emulator/common/protobuf-wire.ts";
import { graph } from "./load-model.ts";

const read = (file: string) => readOnnxModel(bytesSource(readFileSync(graph(file))));

const noExternal = (): Uint8Array => {
  throw new Error("no external data expected");
};

/** A model with one initialiser that is also an input, and another one that is not. */
const modelWith = (writeTensor: (tensor: ProtobufWriter) => void, irVersion = 8): Uint8Array =>
  new ProtobufWriter()
    .varint(1, irVersion)
    .message(7, (g) => {
      g.message(1, (node) =>
        node.string(1, "W").string(1, "K").string(2, "Y").string(3, "adds").string(4, "Add"),
      );
      g.message(5, (tensor) => writeTensor(tensor.string(8, "W")));
      g.message(5, (tensor) => tensor.string(8, "K").varint(2, 1).bytes(9, new Uint8Array(200_000)));
      g.message(11, (value) => value.string(1, "W"));
      g.message(12, (value) => value.string(1, "Y"));
    })
    .string(2, "producer")
    .finish();

test("ONNX model: lists inputs, outputs and operators with kinds, types and shapes", () => {
  const model = read("all_types.onnx");
  expect(model.irVersion).toBe(8);
  expect(model.inputs).toHaveLength(13);
  expect(model.inputs[0]).toEqual({ name: "x_bool", kind: "tensor", elementType: 9, shape: [-1, -1] });
  expect(model.outputs.at(-1)).toEqual({ name: "y_str", kind: "tensor", elementType: 8, shape: [-1, -1] });
  expect([...model.opTypes]).toEqual(["Identity"]);
  expect(model.externalData).toBe(false);
});

test.each([
  ["seq_out.onnx", "outputs", "sequence"],
  ["seq_in.onnx", "inputs", "sequence"],
  ["zipmap.onnx", "outputs", "sequence"],
  ["map_in.onnx", "inputs", "map"],
  ["opt_in.onnx", "inputs", "optional"],
] as const)("ONNX model: tells what is no tensor, %s", (file, side, kind) => {
  expect(read(file)[side][0]?.kind).toBe(kind);
});

test("ONNX model: tells scalars, fixed and free dimensions apart", () => {
  expect(read("scalar.onnx").inputs[0]?.shape).toEqual([]);
  expect(read("no_shape.onnx").inputs[0]?.shape).toEqual([]);
  expect(read("zero_dim.onnx").inputs[0]?.shape).toEqual([2, 0]);
  expect(read("dyn.onnx").inputs[0]?.shape).toEqual([-1, -1, 2]);
});

test("ONNX model: an initialiser that is also an input is overridable, from IR version 4 on", () => {
  const model = read("optional.onnx");
  expect(model.inputs.map(({ name }) => name)).toEqual(["X"]);
  expect(model.overridable.map(({ name }) => name)).toEqual(["W"]);
  const old = readOnnxModel(bytesSource(modelWith((tensor) => tensor.varint(2, 1), 3)));
  expect(old.overridable).toEqual([]);
  expect(old.inputs).toEqual([]);
});

test("ONNX model: names the first reader of an input, and says that weights lie in another file", () => {
  expect(read("add_dyn.onnx").consumers.get("A")).toEqual({ opType: "Add", nodeName: "plus" });
  expect(read("external.onnx").externalData).toBe(true);
});

test("ONNX model: reads no weights", () => {
  const bytes = modelWith((tensor) => tensor.varint(2, 1));
  let most = 0;
  const model = readOnnxModel({
    length: bytes.length,
    read: (offset, length) => {
      most = Math.max(most, length);
      return bytes.subarray(offset, offset + length);
    },
  });
  expect(model.overridable.map(({ name }) => name)).toEqual(["W"]);
  expect(most).toBeLessThan(100_000);
});

test("ONNX model: refuses what is no protobuf message", () => {
  expect(() => read("text.onnx")).toThrow(ProtobufError);
  expect(() => read("truncated.onnx")).toThrow(ProtobufError);
  expect(read("empty.onnx").inputs).toEqual([]);
});

test("ONNX model: a promoted initialiser leaves the graph, the rest stays byte for byte", () => {
  const bytes = readFileSync(graph("optional.onnx"));
  const { model, values } = promoteInitialisers(bytes, new Set(["W"]), noExternal);
  const after = readOnnxModel(bytesSource(model));
  expect(after.inputs.map(({ name }) => name)).toEqual(["X", "W"]);
  expect(after.overridable).toEqual([]);
  expect(after.outputs).toEqual(read("optional.onnx").outputs);
  expect(values.map(({ name, dataType, shape }) => ({ name, dataType, shape }))).toEqual([
    { name: "W", dataType: "FP32", shape: [2] },
  ]);
  expect(new Float32Array(new Uint8Array(values[0]!.data).buffer)).toEqual(Float32Array.of(10, 20));
  expect(promoteInitialisers(bytes, new Set(["other"]), noExternal).model).toEqual(bytes);
});

test.each<[string, (tensor: ProtobufWriter) => void, string, Uint8Array]>([
  [
    "float_data",
    (t) =>
      t
        .varint(1, 2)
        .varint(2, 1)
        .bytes(4, bytes(Float32Array.of(1.5, -2))),
    "FP32",
    bytes(Float32Array.of(1.5, -2)),
  ],
  ["double_data", (t) => t.varint(1, 1).varint(2, 11).double(10, 0.25), "FP64", bytes(Float64Array.of(0.25))],
  [
    "int32_data as INT8",
    (t) => t.varint(1, 2).varint(2, 3).packedInts(5, [-1, 2]),
    "INT8",
    Uint8Array.of(255, 2),
  ],
  [
    "int32_data as FP16 bits",
    (t) => t.varint(1, 1).varint(2, 10).packedInts(5, [0x3c00]),
    "FP16",
    Uint8Array.of(0, 0x3c),
  ],
  ["int32_data", (t) => t.varint(1, 1).varint(2, 6).int(5, -7), "INT32", bytes(Int32Array.of(-7))],
  [
    "int64_data",
    (t) => t.varint(1, 1).varint(2, 7).packedInts(7, [-7]),
    "INT64",
    bytes(BigInt64Array.of(-7n)),
  ],
  [
    "uint64_data as UINT32",
    (t) => t.varint(1, 1).varint(2, 12).varint(11, 4_000_000_000),
    "UINT32",
    bytes(Uint32Array.of(4_000_000_000)),
  ],
  [
    "string_data",
    (t) => t.varint(1, 2).varint(2, 8).string(6, "ab").string(6, ""),
    "BYTES",
    Uint8Array.of(2, 0, 0, 0, 97, 98, 0, 0, 0, 0),
  ],
  ["a scalar", (t) => t.varint(2, 9).varint(5, 1), "BOOL", Uint8Array.of(1)],
])("ONNX model: keeps the value of a promoted initialiser in %s", (_, write, dataType, data) => {
  const { values } = promoteInitialisers(modelWith(write), new Set(["W"]), noExternal);
  expect(values[0]?.dataType).toBe(dataType);
  expect(new Uint8Array(values[0]!.data)).toEqual(data);
});

test("ONNX model: takes the value of a promoted initialiser from another file", () => {
  const { values } = promoteInitialisers(
    modelWith((t) => {
      t.varint(1, 1).varint(2, 2).varint(14, 1);
      t.message(13, (entry) => entry.string(1, "location").string(2, "w.bin"));
      t.message(13, (entry) => entry.string(1, "offset").string(2, "4"));
      t.message(13, (entry) => entry.string(1, "length").string(2, "1"));
    }),
    new Set(["W"]),
    (location, offset, length) => {
      expect([location, offset, length]).toEqual(["w.bin", 4, 1]);
      return Uint8Array.of(9);
    },
  );
  expect(values[0]?.data).toEqual(Uint8Array.of(9));
});

function bytes(array: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer);
}
