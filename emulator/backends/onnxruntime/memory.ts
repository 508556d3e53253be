import type { ModelContext } from "../../core/backend.ts";
import type { AllocationKind, MemoryDemand, PoolName } from "../../core/memory/memory-account.ts";
import { type ModelFolder, versionFolder } from "../../core/storage.ts";

export interface WeightsFactors {
  readonly inline: number;
  readonly inlineWithoutArena: number;
  readonly external: number;
}

/**
 * Bytes that one session holds, by byte of the model's files, as ONNX Runtime 1.19.2 of release 24.10 was measured:
 * weights inside the model file are kept twice while the CPU arena is on, once with it off; weights in other files are
 * kept once (spec/triton-core.md 5.2). A memory profile replaces them.
 */
export const weightsFactors: WeightsFactors = { inline: 2.0, inlineWithoutArena: 1.0, external: 1.0 };

/** Sizes of the files of one version. */
export interface ModelFileSizes {
  readonly model: number;
  /** Everything else in the version's folder that is no model file: weights that lie outside of the model. */
  readonly external: number;
}

export const modelFileSizes = (folder: ModelFolder, modelPath: string): ModelFileSizes => {
  const directory = modelPath.slice(0, modelPath.lastIndexOf("/") + 1);
  let model = 0;
  let external = 0;
  for (const { path, kind, byteSize } of folder.entries) {
    if (kind !== "file") continue;
    if (path === modelPath) model = byteSize;
    else if (path.startsWith(directory) && !path.endsWith(".onnx")) external += byteSize;
  }
  return { model, external };
};

/** What one session takes, for as long as it is open: `weights` of an instance, `staging` for auto-complete. */
export const sessionDemand = (
  sizes: ModelFileSizes,
  arena: boolean,
  pool: PoolName,
  kind: AllocationKind,
  factors: WeightsFactors,
): readonly MemoryDemand[] => {
  const inline = sizes.model * (arena ? factors.inline : factors.inlineWithoutArena);
  const bytes = Math.ceil(inline + sizes.external * factors.external);
  return bytes === 0 ? [] : [{ pool, kind, bytes }];
};

/** The model file, relative to the model folder: `<version>/<name>`, or `model.onnx` in a folder of that name. */
export const modelFilePath = ({ folder, config, version }: ModelContext): string => {
  const path = `${versionFolder(version)}/${config.default_model_filename === "" ? "model.onnx" : config.default_model_filename}`;
  const isFolder = folder.entries.some((entry) => entry.path === path && entry.kind === "folder");
  return isFolder ? `${path}/model.onnx` : path;
};
