import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { OnnxRuntimeBackend } from "../../../../emulator/backends/onnxruntime/onnxruntime-backend.ts";
import type { Log } from "../../../../emulator/common/log.ts";
import type { Result, TritonError } from "../../../../emulator/common/status.ts";
import { SystemClock } from "../../../../emulator/common/system-clock.ts";
import type {
  BackendModel,
  ExecutionReport,
  InstanceSpec,
  ModelContext,
  ModelInstance,
} from "../../../../emulator/core/backend.ts";
import { emptyModelConfig } from "../../../../emulator/core/model-config/message.ts";
import type {
  ModelConfig,
  ModelInput,
  ModelOutput,
} from "../../../../emulator/core/model-config/model-config.ts";
import type { ModelFolder, ModelFolderEntry } from "../../../../emulator/core/storage.ts";
import {
  InferenceRequest,
  type InferenceRequestFields,
  type InferenceResponse,
  type InputTensor,
} from "../../../../emulator/core/tensor/inference-request.ts";

export const graph = (file: string): string =>
  fileURLToPath(new URL(`../../../../fixtures/conformance/models/onnx/${file}`, import.meta.url));

/** Folders of models, made below one temporary folder that `remove` takes away. */
export class ModelFolders {
  readonly #root = mkdtempSync(join(tmpdir(), "onnx-models-"));
  #count = 0;

  /** @param files path in the model folder -> file of fixtures/conformance/models/onnx */
  make(files: Readonly<Record<string, string>>): ModelFolder {
    const path = join(this.#root, String(this.#count++));
    mkdirSync(join(path, "1"), { recursive: true });
    for (const [name, file] of Object.entries(files)) {
      mkdirSync(dirname(join(path, name)), { recursive: true });
      copyFileSync(graph(file), join(path, name));
    }
    return { path, changedMs: 0, entries: entriesOf(path, ""), config: null };
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

const entriesOf = (root: string, below: string): ModelFolderEntry[] =>
  readdirSync(join(root, below), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): ModelFolderEntry[] => {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory())
        return [{ path, kind: "folder", byteSize: 0, changedMs: 0 }, ...entriesOf(root, path)];
      return [{ path, kind: "file", byteSize: statSync(join(root, path)).size, changedMs: 0 }];
    });

/** A log that keeps what it is told. */
export class RecordingLog implements Log {
  readonly lines: string[] = [];
  info = (message: string): void => void this.lines.push(`I ${message}`);
  warning = (message: string): void => void this.lines.push(`W ${message}`);
  error = (message: string): void => void this.lines.push(`E ${message}`);
  verbose = (): void => {};
}

export const onnxBackend = (): OnnxRuntimeBackend =>
  new OnnxRuntimeBackend({
    clock: new SystemClock(),
    log: new RecordingLog(),
    workerThreads: 2,
    cpuCount: 2,
  });

export const config = (fields: Partial<ModelConfig>): ModelConfig => ({
  ...emptyModelConfig(),
  name: "m",
  backend: "onnxruntime",
  platform: "onnxruntime_onnx",
  default_model_filename: "model.onnx",
  ...fields,
});

export const input = (
  name: string,
  data_type: ModelInput["data_type"],
  dims: readonly number[],
): ModelInput => ({
  name,
  data_type,
  format: "FORMAT_NONE",
  dims,
  is_shape_tensor: false,
  allow_ragged_batch: false,
  optional: false,
  is_non_linear_format_io: false,
});

export const output = (
  name: string,
  data_type: ModelOutput["data_type"],
  dims: readonly number[],
): ModelOutput => ({
  name,
  data_type,
  dims,
  label_filename: "",
  is_shape_tensor: false,
  is_non_linear_format_io: false,
});

export const parameters = (values: Readonly<Record<string, string>>): ModelConfig["parameters"] =>
  new Map(Object.entries(values).map(([key, string_value]) => [key, { string_value }]));

export const context = (folder: ModelFolder, fields: Partial<ModelContext> = {}): ModelContext => ({
  name: "m",
  version: 1,
  folder,
  config: config({}),
  autoComplete: true,
  backendConfig: new Map(),
  log: new RecordingLog(),
  ...fields,
});

export const initialize = (backend: OnnxRuntimeBackend, of: ModelContext): Promise<Result<BackendModel>> =>
  new Promise((resolve) => backend.initializeModel(of, resolve));

export const cpuInstance = (index = 0): InstanceSpec => ({
  name: `m_${index}`,
  kind: "KIND_CPU",
  deviceId: 0,
});

export const createInstance = (
  model: BackendModel,
  of: ModelConfig,
  spec: InstanceSpec = cpuInstance(),
): Promise<Result<ModelInstance>> =>
  new Promise((resolve) => model.createInstance(of, { ...spec, kill: () => {} }, resolve));

export interface LoadedModel {
  readonly config: ModelConfig;
  readonly model: BackendModel;
  readonly instances: readonly ModelInstance[];
}

/** Loads as the core does: model, then its instances, on the completed configuration. */
export const load = async (
  backend: OnnxRuntimeBackend,
  of: ModelContext,
  instanceCount = 1,
): Promise<LoadedModel | TritonError> => {
  const opened = await initialize(backend, of);
  if (!opened.ok) return opened.error;
  const model = opened.value;
  const completed = model.completedConfig ?? of.config;
  const instances: ModelInstance[] = [];
  for (let i = 0; i < instanceCount; i++) {
    const made = await createInstance(model, completed, cpuInstance(i));
    if (!made.ok) {
      model.finalize();
      return made.error;
    }
    instances.push(made.value);
  }
  return { config: completed, model, instances };
};

export const loaded = async (
  backend: OnnxRuntimeBackend,
  of: ModelContext,
  instanceCount = 1,
): Promise<LoadedModel> => {
  const result = await load(backend, of, instanceCount);
  if (result instanceof Error) throw result;
  return result;
};

export const unload = async ({ model, instances }: LoadedModel): Promise<void> => {
  for (const instance of instances) await new Promise<void>((resolve) => instance.release(resolve));
  model.finalize();
};

export const request = (
  inputs: readonly InputTensor[],
  fields: Partial<InferenceRequestFields> & { readonly batchSize?: number } = {},
): InferenceRequest => {
  const made = new InferenceRequest({ inputs, respond: () => {}, ...fields });
  made.batchSize = fields.batchSize ?? inputs[0]?.shape[0] ?? 0;
  return made;
};

export interface Execution {
  readonly responses: readonly InferenceResponse[];
  readonly report: ExecutionReport;
}

export const execute = (instance: ModelInstance, batch: readonly InferenceRequest[]): Promise<Execution> =>
  new Promise((resolve) => {
    const responses: InferenceResponse[] = [];
    instance.execute(batch, {
      respond: (index, response) => {
        responses[index] = response;
      },
      done: (report) => resolve({ responses, report }),
    });
  });

const bytesOf = (
  array: Float32Array | Int32Array | BigInt64Array | Float64Array | Uint8Array | Uint16Array,
): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export const fp32 = (name: string, shape: readonly number[], values: readonly number[]): InputTensor => ({
  name,
  datatype: "FP32",
  shape,
  data: bytesOf(Float32Array.from(values)),
});

export const int32 = (name: string, shape: readonly number[], values: readonly number[]): InputTensor => ({
  name,
  datatype: "INT32",
  shape,
  data: bytesOf(Int32Array.from(values)),
});

export const int64 = (name: string, shape: readonly number[], values: readonly number[]): InputTensor => ({
  name,
  datatype: "INT64",
  shape,
  data: bytesOf(BigInt64Array.from(values, BigInt)),
});

/** Numbers of an output, whatever its type. */
export const numbers = (response: InferenceResponse | undefined, name: string): number[] => {
  const tensor = response?.outputs.find((one) => one.name === name);
  if (tensor === undefined) throw new Error(`no output ${name}: ${response?.error?.message ?? "no error"}`);
  const copy = new Uint8Array(tensor.data);
  switch (tensor.datatype) {
    case "FP32":
      return [...new Float32Array(copy.buffer)];
    case "INT32":
      return [...new Int32Array(copy.buffer)];
    case "INT64":
      return [...new BigInt64Array(copy.buffer)].map(Number);
    default:
      return [...copy];
  }
};
