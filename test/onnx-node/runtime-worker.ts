/**
 * Says for each case whether ONNX Runtime's CPU provider itself gets it right, without any server. A process of its own,
 * because some models end it. Arguments: folder of the cases, index of the first one. One JSON line a case.
 */
import * as ort from "onnxruntime-node";
import { isTensor, type NodeCase, type NodeTensor, readCases } from "./cases.ts";
import { difference } from "./compare.ts";

// onnxruntime-node 1.30 finds no bytes in a Float16Array; where there is none it takes the bits as they are.
Reflect.deleteProperty(globalThis, "Float16Array");

const TYPES: Readonly<Record<string, ort.Tensor.Type>> = {
  BOOL: "bool",
  UINT8: "uint8",
  UINT16: "uint16",
  UINT32: "uint32",
  UINT64: "uint64",
  INT8: "int8",
  INT16: "int16",
  INT32: "int32",
  INT64: "int64",
  FP16: "float16",
  FP32: "float32",
  FP64: "float64",
  BYTES: "string",
};
const DATATYPES = new Map(Object.entries(TYPES).map(([datatype, type]) => [type, datatype]));

const [folder = "", start = "0"] = process.argv.slice(2);
const { cases } = readCases(folder);
for (const [index, nodeCase] of cases.entries()) {
  if (index < Number(start)) continue;
  process.stdout.write(`${JSON.stringify({ index, reason: await reasonOf(nodeCase) })}\n`);
}

/** Null when all outputs are as expected. */
async function reasonOf(nodeCase: NodeCase): Promise<string | null> {
  for (const { inputs, outputs } of nodeCase.sets) {
    const other = [...inputs, ...outputs].find((value) => !isTensor(value));
    if (other !== undefined) return `onnxruntime-node has no ${other.kind} values`;
  }
  let session: ort.InferenceSession | null = null;
  try {
    session = await ort.InferenceSession.create(nodeCase.model, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
    });
    for (const { inputs, outputs } of nodeCase.sets) {
      const feeds: Record<string, ort.Tensor> = {};
      for (const value of inputs) if (isTensor(value)) feeds[value.name] = toRuntime(value);
      const results = await session.run(feeds);
      for (const value of outputs) {
        if (!isTensor(value)) continue;
        const result = results[value.name];
        const differs = difference(result && fromRuntime(result), value, nodeCase);
        if (differs !== null) return `ONNX Runtime answers ${differs}`;
      }
    }
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    await session?.release();
  }
}

function toRuntime({ datatype, shape, data }: NodeTensor): ort.Tensor {
  const bytes = new Uint8Array(data).buffer;
  switch (datatype) {
    case "BYTES":
      return new ort.Tensor("string", stringsOf(data), shape);
    case "BOOL":
      return new ort.Tensor("bool", new Uint8Array(bytes), shape);
    case "UINT8":
      return new ort.Tensor("uint8", new Uint8Array(bytes), shape);
    case "INT8":
      return new ort.Tensor("int8", new Int8Array(bytes), shape);
    case "UINT16":
      return new ort.Tensor("uint16", new Uint16Array(bytes), shape);
    case "INT16":
      return new ort.Tensor("int16", new Int16Array(bytes), shape);
    case "UINT32":
      return new ort.Tensor("uint32", new Uint32Array(bytes), shape);
    case "INT32":
      return new ort.Tensor("int32", new Int32Array(bytes), shape);
    case "UINT64":
      return new ort.Tensor("uint64", new BigUint64Array(bytes), shape);
    case "INT64":
      return new ort.Tensor("int64", new BigInt64Array(bytes), shape);
    case "FP16":
      return new ort.Tensor("float16", new Uint16Array(bytes), shape);
    case "FP32":
      return new ort.Tensor("float32", new Float32Array(bytes), shape);
    case "FP64":
      return new ort.Tensor("float64", new Float64Array(bytes), shape);
    default:
      throw new Error(`no tensor of type ${datatype}`);
  }
}

function fromRuntime(tensor: ort.Tensor) {
  const { data } = tensor;
  const bytes = Array.isArray(data)
    ? Buffer.concat(data.map(lengthPrefixed))
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { datatype: DATATYPES.get(tensor.type) ?? tensor.type, shape: tensor.dims, data: bytes };
}

function stringsOf(data: Buffer): string[] {
  const strings: string[] = [];
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt32LE(at);
    strings.push(data.toString("utf8", at + 4, at + 4 + length));
    at += 4 + length;
  }
  return strings;
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}
