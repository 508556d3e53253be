import { ProtobufWriter } from "../../../common/protobuf-wire.ts";

/** A small ONNX graph, as one reads it in a report and as a file. */
export interface Graph {
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  readonly nodes: readonly GraphNode[];
  /** Values of inputs that a request may leave out. */
  readonly defaults?: Readonly<Record<string, readonly number[]>>;
}

export interface GraphTensor {
  readonly name: string;
  /** As in requests: `INT32`, `BYTES`. */
  readonly datatype: string;
  /** A text names a dimension of any size. */
  readonly dims: readonly (number | string)[];
}

export interface GraphNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number>>;
}

/** Numbers of onnx.TensorProto.DataType. */
const elementTypes: Readonly<Record<string, number>> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
};

export const elementType = (datatype: string): number => {
  const type = elementTypes[datatype];
  if (type === undefined) throw new Error(`ONNX has no type for ${datatype}`);
  return type;
};

const IR_VERSION = 8;
const OPSET = 13;
const ATTRIBUTE_INT = 2;

/** The model file: fields of onnx.proto3. */
export const graphBytes = ({ inputs, outputs, nodes, defaults = {} }: Graph): Buffer =>
  new ProtobufWriter()
    .varint(1, IR_VERSION)
    .message(7, (graph) => {
      for (const node of nodes) graph.message(1, (writer) => writeNode(writer, node));
      graph.string(2, "dialogue");
      for (const [name, values] of Object.entries(defaults))
        graph.message(5, (tensor) => {
          tensor.packedInts(1, [values.length]).varint(2, elementType("FP32"));
          tensor.string(8, name).bytes(9, Buffer.from(new Float32Array(values).buffer));
        });
      for (const tensor of inputs) graph.message(11, (writer) => writeTensor(writer, tensor));
      for (const tensor of outputs) graph.message(12, (writer) => writeTensor(writer, tensor));
    })
    .message(8, (opset) => void opset.string(1, "").varint(2, OPSET))
    .finish();

const writeNode = (writer: ProtobufWriter, { op, inputs, outputs, attributes = {} }: GraphNode): void => {
  for (const name of inputs) writer.string(1, name);
  for (const name of outputs) writer.string(2, name);
  writer.string(4, op);
  for (const [name, value] of Object.entries(attributes))
    writer.message(5, (attribute) => void attribute.string(1, name).int(3, value).varint(20, ATTRIBUTE_INT));
};

const writeTensor = (writer: ProtobufWriter, { name, datatype, dims }: GraphTensor): void => {
  writer.string(1, name).message(2, (type) => {
    type.message(1, (tensor) => {
      tensor.varint(1, elementType(datatype)).message(2, (shape) => {
        for (const dim of dims)
          shape.message(1, (one) => void (typeof dim === "string" ? one.string(2, dim) : one.int(1, dim)));
      });
    });
  });
};

/** In one line: its inputs, and what is done with them. */
export const graphText = ({ inputs, nodes, defaults = {} }: Graph): string =>
  [
    inputs.map(({ name, datatype, dims }) => `${name} ${datatype}[${dims.join()}]`).join(", "),
    ...Object.entries(defaults).map(([name, values]) => `${name} = [${values.join()}] if left out`),
    ...nodes.map(
      ({ op, inputs: from, outputs, attributes }) =>
        `${outputs.join()} = ${op}(${[...from, ...Object.entries(attributes ?? {}).map(([name, value]) => `${name} ${value}`)].join(", ")})`,
    ),
  ].join("; ");
