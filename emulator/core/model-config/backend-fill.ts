import { fail, ok, type Result } from "../../common/status.ts";
import type { ModelFolder } from "../storage.ts";
import type { ModelConfig } from "./model-config.ts";

/** A kind of model that the server recognises by its files, and what it fills in for it. */
interface KnownModel {
  readonly backend: string;
  /** Empty where the backend has no platform name. */
  readonly platform: string;
  readonly filename: string;
  /** What the entry of that name in the version folder has to be. */
  readonly entry: "file" | "folder" | "any";
}

/** In the order in which the server tries them (spec/triton-core.md 2.4). */
const knownModels: readonly KnownModel[] = [
  { backend: "tensorflow", platform: "tensorflow_graphdef", filename: "model.graphdef", entry: "file" },
  { backend: "tensorflow", platform: "tensorflow_savedmodel", filename: "model.savedmodel", entry: "folder" },
  { backend: "tensorrt", platform: "tensorrt_plan", filename: "model.plan", entry: "file" },
  { backend: "onnxruntime", platform: "onnxruntime_onnx", filename: "model.onnx", entry: "any" },
  { backend: "openvino", platform: "", filename: "model.xml", entry: "file" },
  { backend: "pytorch", platform: "pytorch_libtorch", filename: "model.pt", entry: "file" },
  { backend: "python", platform: "", filename: "model.py", entry: "any" },
];

/** The backend a platform belongs to, or that is known by name; null for backends the server does not know. */
export const knownBackendOfPlatform = (platform: string): string | null =>
  knownModels.find((known) => known.platform !== "" && known.platform === platform)?.backend ?? null;

/** Backends that have platform names, so that both must fit together. */
export const isBackendWithPlatform = (backend: string): boolean =>
  knownModels.some((known) => known.backend === backend && known.platform !== "");

/**
 * Fills name, platform, backend and default_model_filename from what the configuration says, else from the files of the
 * first version folder in string order, else from a dot in the model's name.
 * Error: INVALID_ARG `Invalid model name: …` when nothing tells the backend.
 */
export const fillBackend = (
  config: ModelConfig,
  modelName: string,
  folder: ModelFolder,
): Result<ModelConfig> => {
  const named = config.name === "" ? { ...config, name: modelName } : config;
  const known = knownModels.find((candidate) => isKind(candidate, named, folder));
  if (known !== undefined) {
    return ok({
      ...named,
      platform: named.platform || known.platform,
      backend: named.backend || known.backend,
      default_model_filename: named.default_model_filename || known.filename,
    });
  }
  if (named.platform !== "" || named.backend !== "" || named.default_model_filename !== "") return ok(named);
  const dot = modelName.indexOf(".");
  if (dot < 0) {
    return fail(
      "INVALID_ARG",
      `Invalid model name: Could not determine backend for model '${modelName}' with no backend in model configuration. Expected model name of the form 'model.<backend_name>'.`,
    );
  }
  const backend = modelName.slice(dot + 1);
  return ok({ ...named, backend, default_model_filename: `model.${backend}` });
};

const isKind = (known: KnownModel, config: ModelConfig, folder: ModelFolder): boolean => {
  const { platform, backend, default_model_filename: filename } = config;
  // Two platforms share the TensorFlow backend, so there the platform decides and the backend's name does not.
  if (known.backend === "tensorflow") {
    if (platform !== "") return platform === known.platform;
    if (backend !== "" && backend !== known.backend) return false;
    return filename === "" ? hasEntry(known, folder) : filename === known.filename;
  }
  if (backend !== "") return backend === known.backend;
  if (known.platform !== "" && platform === known.platform) return true;
  if (filename === known.filename) return true;
  return platform === "" && filename === "" && hasEntry(known, folder);
};

const hasEntry = (known: KnownModel, folder: ModelFolder): boolean => {
  const version = firstSubfolder(folder);
  if (version === null) return false;
  const entry = folder.entries.find(({ path }) => path === `${version}/${known.filename}`);
  return entry !== undefined && (known.entry === "any" || known.entry === entry.kind);
};

const firstSubfolder = (folder: ModelFolder): string | null => {
  const names = folder.entries.filter(({ kind, path }) => kind === "folder" && !path.includes("/"));
  return names.map(({ path }) => path).sort(byBytes)[0] ?? null;
};

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
