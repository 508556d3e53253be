import {
  ProtobufError,
  ProtobufReader,
  ProtobufWriter,
  WIRE_FIXED32,
  WIRE_FIXED64,
  WIRE_LENGTH,
  WIRE_VARINT,
} from "../../common/protobuf-wire.ts";
import { type DataType, elementByteSize } from "../../core/tensor/data-type.ts";
import { elementCount } from "../../core/tensor/shape.ts";
import { dataTypeOfOnnx } from "./element-types.ts";

/** What a graph input or output is; `sparse` and `optional` are further kinds of TypeProto. */
export type OnnxValueKind = "tensor" | "sequence" | "map" | "optional" | "sparse" | "unknown";

/** A declared graph input or output. */
export interface OnnxValueInfo {
  readonly name: string;
  readonly kind: OnnxValueKind;
  /** TensorProto.DataType of the elements; 0 where the value is no tensor. */
  readonly elementType: number;
  /** As declared; -1 for a symbolic or unknown dimension, [] for a scalar and for a tensor without a shape. */
  readonly shape: readonly number[];
}

/** The node that a message about a missing input names. */
export interface OnnxConsumer {
  readonly opType: string;
  readonly nodeName: string;
}

/** The parts of a ModelProto that ONNX Runtime's JavaScript interface does not tell. */
export interface OnnxModel {
  readonly irVersion: number;
  /** Graph inputs that have no initialiser, in the order of the file. */
  readonly inputs: readonly OnnxValueInfo[];
  /** Graph inputs that also have an initialiser: they may be left out (from IR version 4 on). */
  readonly overridable: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** Operators of the graph; those inside of subgraphs are not listed, the node that holds them is. */
  readonly opTypes: ReadonlySet<string>;
  /** First node, in the order of the file, that reads a graph input. */
  readonly consumers: ReadonlyMap<string, OnnxConsumer>;
  /** True if an initialiser lies in another file. */
  readonly externalData: boolean;
}

/** Bytes by position, so that a model of gigabytes is read without holding its weights. */
export interface ByteSource {
  readonly length: number;
  /** A view or copy of `length` bytes; the caller asks for no more than there is. */
  read(offset: number, length: number): Uint8Array;
}

export const bytesSource = (bytes: Uint8Array): ByteSource => ({
  length: bytes.length,
  read: (offset, length) => bytes.subarray(offset, offset + length),
});

/**
 * Reads the declarations of a model file; weights are stepped over.
 * Throws ProtobufError where the bytes are no ModelProto.
 */
export const readOnnxModel = (source: ByteSource): OnnxModel => {
  const model = new Cursor(source, 0, source.length);
  let irVersion = 0;
  let graph: Cursor | null = null;
  while (model.next()) {
    if (model.field === MODEL_IR_VERSION && model.wireType === WIRE_VARINT) irVersion = model.varint();
    else if (model.field === MODEL_GRAPH && model.wireType === WIRE_LENGTH) graph = model.message();
    else model.skip();
  }
  return readGraph(graph, irVersion);
};

const readGraph = (graph: Cursor | null, irVersion: number): OnnxModel => {
  const declared: OnnxValueInfo[] = [];
  const outputs: OnnxValueInfo[] = [];
  const initialisers = new Set<string>();
  const opTypes = new Set<string>();
  const firstReaders = new Map<string, OnnxConsumer>();
  let externalData = false;
  while (graph?.next()) {
    if (graph.wireType !== WIRE_LENGTH) graph.skip();
    else if (graph.field === GRAPH_NODE) readNode(graph.message(), opTypes, firstReaders);
    else if (graph.field === GRAPH_INITIALIZER) {
      const { name, external } = readTensorHeader(graph.message());
      initialisers.add(name);
      externalData ||= external;
    } else if (graph.field === GRAPH_INPUT) declared.push(readValueInfo(graph.bytesField()));
    else if (graph.field === GRAPH_OUTPUT) outputs.push(readValueInfo(graph.bytesField()));
    else graph.skip();
  }
  const consumers = new Map<string, OnnxConsumer>();
  for (const { name } of declared) {
    const consumer = firstReaders.get(name);
    if (consumer !== undefined) consumers.set(name, consumer);
  }
  return {
    irVersion,
    inputs: declared.filter(({ name }) => !initialisers.has(name)),
    overridable: irVersion < 4 ? [] : declared.filter(({ name }) => initialisers.has(name)),
    outputs,
    opTypes,
    consumers,
    externalData,
  };
};

const readNode = (node: Cursor, opTypes: Set<string>, firstReaders: Map<string, OnnxConsumer>): void => {
  const inputs: string[] = [];
  let nodeName = "";
  let opType = "";
  while (node.next()) {
    if (node.field === NODE_INPUT) inputs.push(node.string());
    else if (node.field === NODE_NAME) nodeName = node.string();
    else if (node.field === NODE_OP_TYPE) opType = node.string();
    else node.skip();
  }
  opTypes.add(opType);
  for (const input of inputs) {
    if (!firstReaders.has(input)) firstReaders.set(input, { opType, nodeName });
  }
};

const readTensorHeader = (tensor: Cursor): { name: string; external: boolean } => {
  let name = "";
  let external = false;
  while (tensor.next()) {
    if (tensor.field === TENSOR_NAME) name = tensor.string();
    else if (tensor.field === TENSOR_DATA_LOCATION) external = tensor.varint() === 1;
    else tensor.skip();
  }
  return { name, external };
};

const readValueInfo = (bytes: Uint8Array): OnnxValueInfo => {
  const reader = new ProtobufReader(bytes);
  let name = "";
  let type: Pick<OnnxValueInfo, "kind" | "elementType" | "shape"> = {
    kind: "unknown",
    elementType: 0,
    shape: [],
  };
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) type = readType(reader.message());
    else reader.skip();
  }
  return { name, ...type };
};

const readType = (reader: ProtobufReader): Pick<OnnxValueInfo, "kind" | "elementType" | "shape"> => {
  let type: Pick<OnnxValueInfo, "kind" | "elementType" | "shape"> = {
    kind: "unknown",
    elementType: 0,
    shape: [],
  };
  while (reader.next()) {
    const kind = valueKinds.get(reader.field);
    if (kind === "tensor") type = readTensorType(reader.message());
    else {
      if (kind !== undefined) type = { kind, elementType: 0, shape: [] };
      reader.skip();
    }
  }
  return type;
};

const readTensorType = (reader: ProtobufReader): Pick<OnnxValueInfo, "kind" | "elementType" | "shape"> => {
  let elementType = 0;
  const shape: number[] = [];
  while (reader.next()) {
    if (reader.field === 1) elementType = reader.varint();
    else if (reader.field === 2) readShape(reader.message(), shape);
    else reader.skip();
  }
  return { kind: "tensor", elementType, shape };
};

const readShape = (reader: ProtobufReader, shape: number[]): void => {
  while (reader.next()) {
    if (reader.field !== 1) {
      reader.skip();
      continue;
    }
    const dimension = reader.message();
    let value = -1;
    while (dimension.next()) {
      if (dimension.field === 1) value = Math.max(-1, dimension.signedVarint());
      else dimension.skip();
    }
    shape.push(value);
  }
};

/** An initialiser that became an input: what is fed where a request leaves it out. */
export interface InitialiserValue {
  readonly name: string;
  readonly dataType: DataType;
  readonly shape: readonly number[];
  /** In the v2 binary layout. */
  readonly data: Uint8Array;
}

/**
 * The same model with some overridable initialisers taken out of the graph, which makes them required inputs, and the
 * values they had. onnxruntime-node feeds required inputs only.
 * @param readExternal bytes of another file, for an initialiser whose data lies there
 */
export const promoteInitialisers = (
  bytes: Uint8Array,
  names: ReadonlySet<string>,
  readExternal: (location: string, offset: number, length: number | null) => Uint8Array,
): { readonly model: Uint8Array; readonly values: readonly InitialiserValue[] } => {
  const values: InitialiserValue[] = [];
  const writer = new ProtobufWriter(bytes.length);
  const model = new ProtobufReader(bytes);
  for (let start = 0; model.next(); start = model.position) {
    if (model.field !== MODEL_GRAPH || model.wireType !== WIRE_LENGTH) {
      model.skip();
      writer.raw(bytes.subarray(start, model.position));
      continue;
    }
    const graph = model.bytesField();
    const reader = new ProtobufReader(graph);
    const kept = new ProtobufWriter(graph.length);
    for (let from = 0; reader.next(); from = reader.position) {
      const isInitialiser = reader.field === GRAPH_INITIALIZER && reader.wireType === WIRE_LENGTH;
      const content = isInitialiser ? reader.bytesField() : null;
      if (content === null) reader.skip();
      const name = content === null ? "" : readTensorHeader(wholeCursor(content)).name;
      if (content !== null && names.has(name)) values.push(readTensor(content, readExternal));
      else kept.raw(graph.subarray(from, reader.position));
    }
    writer.bytes(MODEL_GRAPH, kept.finish());
  }
  return { model: writer.finish(), values };
};

const readTensor = (
  bytes: Uint8Array,
  readExternal: (location: string, offset: number, length: number | null) => Uint8Array,
): InitialiserValue => {
  const reader = new ProtobufReader(bytes);
  const shape: number[] = [];
  const fields: TensorFields = {
    raw: null,
    floats: [],
    ints: [],
    longs: [],
    doubles: [],
    strings: [],
    external: new Map(),
  };
  let name = "";
  let elementType = 0;
  let isExternal = false;
  while (reader.next()) {
    switch (reader.field) {
      case TENSOR_DIMS:
        readRepeated(reader, WIRE_VARINT, (one) => shape.push(one.signedVarint()));
        break;
      case TENSOR_DATA_TYPE:
        elementType = reader.varint();
        break;
      case 4:
        readRepeated(reader, WIRE_FIXED32, (one) => fields.floats.push(one.float()));
        break;
      case 5:
        readRepeated(reader, WIRE_VARINT, (one) => fields.ints.push(one.signedVarint()));
        break;
      case 6:
        fields.strings.push(reader.bytesField());
        break;
      case 7:
      case 11:
        readRepeated(reader, WIRE_VARINT, (one) => fields.longs.push(one.bigVarint()));
        break;
      case TENSOR_NAME:
        name = reader.string();
        break;
      case 9:
        fields.raw = reader.bytesField();
        break;
      case 10:
        readRepeated(reader, WIRE_FIXED64, (one) => fields.doubles.push(one.double()));
        break;
      case 13:
        readStringEntry(reader.message(), fields.external);
        break;
      case TENSOR_DATA_LOCATION:
        isExternal = reader.varint() === 1;
        break;
      default:
        reader.skip();
    }
  }
  const dataType = dataTypeOfOnnx(elementType);
  if (dataType === undefined)
    throw new ProtobufError(`initialiser '${name}' has element type ${elementType}`);
  if (isExternal) {
    const length = fields.external.get("length");
    fields.raw = readExternal(
      fields.external.get("location") ?? "",
      Number(fields.external.get("offset") ?? 0),
      length === undefined ? null : Number(length),
    );
  }
  return { name, dataType, shape, data: tensorBytes(dataType, elementCount(shape), fields) };
};

interface TensorFields {
  raw: Uint8Array | null;
  readonly floats: number[];
  readonly ints: number[];
  /** int64_data and uint64_data, as unsigned 64-bit values. */
  readonly longs: bigint[];
  readonly doubles: number[];
  readonly strings: Uint8Array[];
  readonly external: Map<string, string>;
}

const tensorBytes = (dataType: DataType, count: number, fields: TensorFields): Uint8Array => {
  if (dataType === "BYTES") return lengthPrefixed(fields.strings);
  if (fields.raw !== null) return fields.raw;
  const size = elementByteSize[dataType];
  const bytes = Buffer.alloc(count * size);
  const narrow = (index: number): number => fields.ints[index] ?? 0;
  for (let i = 0; i < count; i++) {
    const at = i * size;
    if (dataType === "FP32") bytes.writeFloatLE(fields.floats[i] ?? 0, at);
    else if (dataType === "FP64") bytes.writeDoubleLE(fields.doubles[i] ?? 0, at);
    else if (size === 8) bytes.writeBigUInt64LE(fields.longs[i] ?? 0n, at);
    else if (dataType === "UINT32") bytes.writeUInt32LE(Number(fields.longs[i] ?? 0n), at);
    else if (size === 4) bytes.writeInt32LE(narrow(i), at);
    else if (size === 2) bytes.writeUInt16LE(narrow(i) & 0xffff, at);
    else bytes.writeUInt8(narrow(i) & 0xff, at);
  }
  return bytes;
};

const lengthPrefixed = (strings: readonly Uint8Array[]): Uint8Array => {
  const parts: Uint8Array[] = [];
  for (const text of strings) {
    const prefix = Buffer.alloc(4);
    prefix.writeUInt32LE(text.length);
    parts.push(prefix, text);
  }
  return Buffer.concat(parts);
};

/** Repeated scalars come packed, one by one, or both. */
const readRepeated = (
  reader: ProtobufReader,
  wireType: number,
  readOne: (reader: ProtobufReader) => void,
): void => {
  if (reader.wireType === wireType) {
    readOne(reader);
    return;
  }
  const packed = reader.message();
  while (packed.position < packed.end) readOne(packed);
};

const readStringEntry = (reader: ProtobufReader, into: Map<string, string>): void => {
  let key = "";
  let value = "";
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string();
    else reader.skip();
  }
  into.set(key, value);
};

/**
 * Walks a message of a ByteSource through a window, stepping over what is not asked for without reading it.
 * The wire rules are those of ProtobufReader; this one differs in where its bytes come from.
 */
class Cursor {
  readonly #source: ByteSource;
  readonly #window: Window;
  #position: number;
  readonly #end: number;
  field = 0;
  wireType = 0;

  constructor(
    source: ByteSource,
    start: number,
    end: number,
    window: Window = { start: 0, bytes: new Uint8Array(0) },
  ) {
    this.#source = source;
    this.#window = window;
    this.#position = start;
    this.#end = end;
  }

  next(): boolean {
    if (this.#position >= this.#end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0) throw new ProtobufError("field number 0");
    return true;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new ProtobufError("varint of more than 10 bytes");
  }

  bytesField(): Uint8Array {
    const start = this.#takeLength();
    return this.#bytes(start, this.#position - start);
  }

  string(): string {
    return Buffer.from(this.bytesField()).toString("utf8");
  }

  message(): Cursor {
    const start = this.#takeLength();
    return new Cursor(this.#source, start, this.#position, this.#window);
  }

  skip(): void {
    if (this.wireType === WIRE_VARINT) this.varint();
    else if (this.wireType === WIRE_LENGTH) this.#takeLength();
    else if (this.wireType === WIRE_FIXED64) this.#take(8);
    else if (this.wireType === WIRE_FIXED32) this.#take(4);
    else throw new ProtobufError(`wire type ${this.wireType}`);
  }

  #takeLength(): number {
    return this.#take(this.varint());
  }

  #take(length: number): number {
    const start = this.#position;
    if (length > this.#end - start) throw new ProtobufError("length beyond the end of the message");
    this.#position = start + length;
    return start;
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new ProtobufError("truncated message");
    const at = this.#position++;
    const index = at - this.#window.start;
    return index >= 0 && index < this.#window.bytes.length
      ? this.#window.bytes[index]!
      : this.#bytes(at, 1)[0]!;
  }

  #bytes(start: number, length: number): Uint8Array {
    const window = this.#window;
    if (start < window.start || start + length > window.start + window.bytes.length) {
      if (length > WINDOW_BYTES) return this.#source.read(start, length);
      window.start = start;
      window.bytes = this.#source.read(start, Math.min(WINDOW_BYTES, this.#source.length - start));
    }
    return window.bytes.subarray(start - window.start, start - window.start + length);
  }
}

interface Window {
  start: number;
  bytes: Uint8Array;
}

const wholeCursor = (bytes: Uint8Array): Cursor => new Cursor(bytesSource(bytes), 0, bytes.length);

const WINDOW_BYTES = 65536;
const MODEL_IR_VERSION = 1;
const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const GRAPH_INITIALIZER = 5;
const GRAPH_INPUT = 11;
const GRAPH_OUTPUT = 12;
const NODE_INPUT = 1;
const NODE_NAME = 3;
const NODE_OP_TYPE = 4;
const TENSOR_DIMS = 1;
const TENSOR_DATA_TYPE = 2;
const TENSOR_NAME = 8;
const TENSOR_DATA_LOCATION = 14;

/** Oneof fields of TypeProto. */
const valueKinds: ReadonlyMap<number, OnnxValueKind> = new Map([
  [1, "tensor"],
  [4, "sequence"],
  [5, "map"],
  [8, "sparse"],
  [9, "optional"],
]);
