import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { InferenceSession, listSupportedBackends, type Tensor as OrtTensor, Tensor } from "onnxruntime-node";
import { ProtobufError } from "../../common/protobuf-wire.ts";
import type { DataType } from "../../core/tensor/data-type.ts";
import { elementCount } from "../../core/tensor/shape.ts";
import { dataTypeOfOrt, onnxTypeOfOrt } from "./element-types.ts";
import {
  type ByteSource,
  type InitialiserValue,
  type OnnxModel,
  type OnnxValueInfo,
  promoteInitialisers,
  readOnnxModel,
} from "./onnx-model.ts";
import { tellsCudaUnusable } from "./runtime-error.ts";
import type {
  FileFingerprint,
  ModelDescription,
  OnnxTensorInfo,
  OpenRequest,
  RunInput,
  RunOutput,
  SessionFailure,
} from "./session-protocol.ts";
import { readStringElements, writeStringElements } from "./string-elements.ts";

/** Thrown where a session cannot be opened or run; the text is ready for the wire but for ONNX Runtime's prefix. */
export class SessionError extends Error {
  readonly failure: SessionFailure;

  constructor(failure: SessionFailure) {
    super(failure.text);
    this.name = "SessionError";
    this.failure = failure;
  }
}

/** What went wrong, from anything that was thrown. */
export const failureOf = (error: unknown): SessionFailure =>
  error instanceof SessionError
    ? error.failure
    : { kind: "ort", text: error instanceof Error ? error.message : String(error) };

/**
 * A session of ONNX Runtime on the thread that opened it, in terms of the v2 binary layout. Runs block that thread.
 * The only module that touches onnxruntime-node.
 */
export class OrtSession {
  readonly description: ModelDescription;
  readonly #session: InferenceSession | null;
  /** What is fed for promoted initialisers that a run leaves out. */
  readonly #defaults: readonly OrtDefault[];

  private constructor(
    session: InferenceSession | null,
    description: ModelDescription,
    defaults: readonly OrtDefault[],
  ) {
    this.#session = session;
    this.description = description;
    this.#defaults = defaults;
  }

  static async open(request: OpenRequest): Promise<OrtSession> {
    for (const library of request.libraries) refuseLibrary(library);
    const fingerprint = fingerprintOf(request.path);
    if (request.expect !== null && !sameFile(fingerprint, request.expect)) {
      throw new SessionError({
        kind: "internal",
        text: `model file ${request.path} changed since it was loaded`,
      });
    }
    const model = readDeclarations(request.path);
    const promote = new Set(
      request.promote.filter((name) => model?.overridable.some((info) => info.name === name)),
    );
    const promoted = promote.size === 0 ? null : promoteFile(request.path, promote);
    const opened = await createSession(request, promoted?.model ?? request.path);
    const description = describe(opened.session, model, promote);
    return new OrtSession(
      opened.session,
      {
        ...description,
        fingerprint,
        unusable: opened.unusable,
        providerRefused: opened.providerRefused,
      },
      (promoted?.values ?? []).map((value) => ({
        name: value.name,
        tensor: toOrtTensor(value.dataType, value.shape, value.data),
      })),
    );
  }

  /** @param outputs names to fetch; at least one */
  async run(inputs: readonly RunInput[], outputs: readonly string[]): Promise<RunOutput[]> {
    const session = this.#session;
    if (session === null) {
      throw new SessionError({
        kind: "internal",
        text: this.description.unusable ?? "the session is closed",
      });
    }
    const feeds: Record<string, OrtTensor> = {};
    for (const { name, tensor } of this.#defaults) feeds[name] = tensor;
    for (const { name, dataType, shape, data } of inputs) feeds[name] = toOrtTensor(dataType, shape, data);
    const results = await session.run(feeds, outputs);
    return outputs.map((name) => fromOrtTensor(name, results[name]));
  }

  async close(): Promise<void> {
    await this.#session?.release();
  }
}

interface OrtDefault {
  readonly name: string;
  readonly tensor: OrtTensor;
}

const createSession = async (
  request: OpenRequest,
  model: string | Uint8Array,
): Promise<{ session: InferenceSession | null; unusable: string | null; providerRefused: string | null }> => {
  const { options, provider } = request;
  const sessionOptions: InferenceSession.SessionOptions = {
    intraOpNumThreads: options.intraOpThreads,
    interOpNumThreads: options.interOpThreads,
    executionMode: options.executionMode,
    graphOptimizationLevel: options.graphOptimizationLevel,
    enableCpuMemArena: options.enableCpuMemArena,
    enableMemPattern: options.enableMemPattern,
    extra: {
      session: {
        intra_op: { allow_spinning: "0" },
        inter_op: { allow_spinning: "0" },
        // Where a rewritten model's other weights lie; a model opened by path finds them by itself.
        ...(typeof model === "string"
          ? {}
          : { model_external_initializers_file_folder_path: dirname(request.path) }),
      },
    },
  };
  const create = (
    executionProviders: readonly InferenceSession.ExecutionProviderConfig[],
  ): Promise<InferenceSession> =>
    typeof model === "string"
      ? InferenceSession.create(model, { ...sessionOptions, executionProviders })
      : InferenceSession.create(model, { ...sessionOptions, executionProviders });
  let providerRefused: string | null = null;
  try {
    if (provider.name === "cuda" && !listSupportedBackends().some(({ name }) => name === "cuda")) {
      providerRefused = "onnxruntime-node has no CUDA on this platform";
    } else if (provider.name === "cuda") {
      try {
        const session = await create([{ name: "cuda", deviceId: provider.deviceId }, "cpu"]);
        return { session, unusable: null, providerRefused };
      } catch (error) {
        const { text } = failureOf(error);
        if (!tellsCudaUnusable(text)) throw error;
        providerRefused = text;
      }
    }
    return { session: await create(["cpu"]), unusable: null, providerRefused };
  } catch (error) {
    // The model is valid, but the JavaScript interface has no type for one of its inputs or outputs.
    const { text } = failureOf(error);
    if (!text.startsWith("Unsupported data type: ")) throw error;
    return { session: null, unusable: text, providerRefused };
  }
};

/** ONNX Runtime's own view where it gives one, the file's declarations for the rest. */
const describe = (
  session: InferenceSession | null,
  model: OnnxModel | null,
  promoted: ReadonlySet<string>,
): Omit<ModelDescription, "fingerprint" | "unusable" | "providerRefused"> => {
  const declared = {
    inputs: model?.inputs ?? [],
    overridable: model?.overridable ?? [],
    outputs: model?.outputs ?? [],
  };
  const known = new Map<string, OnnxTensorInfo>();
  for (const value of [...(session?.inputMetadata ?? []), ...(session?.outputMetadata ?? [])]) {
    if (!value.isTensor) continue;
    const shape = value.shape.map((dim) => (typeof dim === "number" ? dim : -1));
    known.set(value.name, { name: value.name, elementType: onnxTypeOfOrt(value.type) ?? 0, shape });
  }
  const infoOf = ({ name, elementType, shape }: OnnxValueInfo): OnnxTensorInfo =>
    known.get(name) ?? { name, elementType, shape };
  const odd = [...declared.inputs, ...declared.overridable, ...declared.outputs].find(
    ({ kind }) => kind !== "tensor",
  );
  return {
    inputs: declared.inputs.map(infoOf),
    overridable: declared.overridable.map(({ name, elementType, shape }) =>
      promoted.has(name)
        ? infoOf({ name, kind: "tensor", elementType, shape })
        : { name, elementType, shape },
    ),
    outputs: declared.outputs.map(infoOf),
    notTensor: odd === undefined ? null : { name: odd.name, onnxType: onnxTypeNames[odd.kind] },
    consumers: model?.consumers ?? new Map(),
    runTimeFollowsShapes: model !== null && !model.externalData && !hasOpOf(model.opTypes, dataDependentOps),
  };
};

const onnxTypeNames: Record<OnnxValueInfo["kind"], string> = {
  tensor: "ONNX_TYPE_TENSOR",
  sequence: "ONNX_TYPE_SEQUENCE",
  map: "ONNX_TYPE_MAP",
  optional: "ONNX_TYPE_UNKNOWN",
  sparse: "ONNX_TYPE_SPARSETENSOR",
  unknown: "ONNX_TYPE_UNKNOWN",
};

/** Operators whose work follows from the values of their inputs, and those that hold subgraphs. */
const dataDependentOps: ReadonlySet<string> = new Set([
  "Loop",
  "Scan",
  "If",
  "SequenceMap",
  "Expand",
  "Tile",
  "Range",
  "ConstantOfShape",
  "Resize",
  "Upsample",
  "Pad",
  "OneHot",
  "RandomNormal",
  "RandomUniform",
  "Multinomial",
  "NonMaxSuppression",
  "BlackmanWindow",
  "HannWindow",
  "HammingWindow",
  "MelWeightMatrix",
  "DFT",
  "BeamSearch",
  "GreedySearch",
  "Sampling",
]);

const hasOpOf = (opTypes: ReadonlySet<string>, ops: ReadonlySet<string>): boolean => {
  for (const op of opTypes) {
    if (ops.has(op)) return true;
  }
  return false;
};

/** null where the file is no model: then ONNX Runtime says so in its own words. */
const readDeclarations = (path: string): OnnxModel | null => {
  try {
    return withFile(path, readOnnxModel);
  } catch (error) {
    if (error instanceof ProtobufError || isSystemError(error)) return null;
    throw error;
  }
};

const withFile = <T>(path: string, use: (source: ByteSource) => T): T => {
  const file = openSync(path, "r");
  try {
    const length = fstatSync(file).size;
    return use({
      length,
      read: (offset, byteLength) => {
        const bytes = Buffer.allocUnsafe(byteLength);
        const got = readSync(file, bytes, 0, byteLength, offset);
        return bytes.subarray(0, got);
      },
    });
  } finally {
    closeSync(file);
  }
};

const promoteFile = (
  path: string,
  names: ReadonlySet<string>,
): { readonly model: Uint8Array; readonly values: readonly InitialiserValue[] } =>
  promoteInitialisers(readFileSync(path), names, (location, offset, length) =>
    withFile(join(dirname(path), location), (source) =>
      source.read(offset, length ?? source.length - offset),
    ),
  );

/** onnxruntime-node has no way to register an operator library; a missing one fails in the real words. */
const refuseLibrary = (library: string): never => {
  if (existsSync(library)) {
    throw new SessionError({
      kind: "internal",
      text: `operator library ${library} cannot be loaded by onnxruntime-node`,
    });
  }
  throw new SessionError({
    kind: "ort",
    text: `Failed to load library ${library} with error: ${library}: cannot open shared object file: No such file or directory`,
  });
};

export const fingerprintOf = (path: string): FileFingerprint => {
  try {
    const { size, mtimeMs, ino } = statSync(path);
    return { byteSize: size, mtimeMs, ino };
  } catch (error) {
    if (isSystemError(error))
      throw new SessionError({ kind: "internal", text: `failed to stat file ${path}` });
    throw error;
  }
};

const sameFile = (a: FileFingerprint, b: FileFingerprint): boolean =>
  a.byteSize === b.byteSize && a.mtimeMs === b.mtimeMs && a.ino === b.ino;

const isSystemError = (error: unknown): boolean =>
  error instanceof Error && "code" in error && "syscall" in error;

const toOrtTensor = (dataType: DataType, shape: readonly number[], data: Uint8Array): OrtTensor => {
  switch (dataType) {
    case "FP32":
      return new Tensor("float32", view(Float32Array, data, 4), shape);
    case "INT32":
      return new Tensor("int32", view(Int32Array, data, 4), shape);
    case "INT64":
      return new Tensor("int64", view(BigInt64Array, data, 8), shape);
    case "BYTES":
      return new Tensor("string", readStringElements(data, elementCount(shape)), shape);
    case "BOOL":
      return new Tensor("bool", data, shape);
    case "UINT8":
      return new Tensor("uint8", data, shape);
    case "INT8":
      return new Tensor("int8", view(Int8Array, data, 1), shape);
    case "UINT16":
      return new Tensor("uint16", view(Uint16Array, data, 2), shape);
    case "INT16":
      return new Tensor("int16", view(Int16Array, data, 2), shape);
    case "FP16":
      return halfTensor(view(Uint16Array, data, 2), shape);
    case "UINT32":
      return new Tensor("uint32", view(Uint32Array, data, 4), shape);
    case "UINT64":
      return new Tensor("uint64", view(BigUint64Array, data, 8), shape);
    case "FP64":
      return new Tensor("float64", view(Float64Array, data, 8), shape);
    case "BF16":
      throw new SessionError({ kind: "internal", text: "BF16 tensors cannot be given to ONNX Runtime" });
  }
};

/**
 * Where JavaScript has Float16Array, Tensor turns its data into one, and onnxruntime-node 1.30 then reads 0 bytes of it;
 * of a Uint16Array it reads all.
 */
const halfTensor = (data: Uint16Array, shape: readonly number[]): OrtTensor =>
  Object.defineProperty(new Tensor("float16", data, shape), "data", { value: data });

type ViewConstructor<T> = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => T;

/** The same bytes as elements; copied only where they are not aligned. */
const view = <T>(type: ViewConstructor<T>, data: Uint8Array, elementBytes: number): T => {
  if (data.byteOffset % elementBytes === 0) {
    return new type(data.buffer, data.byteOffset, data.byteLength / elementBytes);
  }
  const copy = new Uint8Array(data);
  return new type(copy.buffer, 0, copy.byteLength / elementBytes);
};

const fromOrtTensor = (name: string, tensor: OrtTensor | undefined): RunOutput => {
  const dataType = tensor === undefined ? undefined : dataTypeOfOrt(tensor.type);
  if (tensor === undefined || dataType === undefined) {
    throw new SessionError({ kind: "internal", text: `output '${name}' cannot be read from ONNX Runtime` });
  }
  return { name, dataType, shape: tensor.dims, data: bytesOf(tensor.data) };
};

const bytesOf = (data: OrtTensor["data"]): Uint8Array =>
  Array.isArray(data)
    ? writeStringElements(data)
    : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
