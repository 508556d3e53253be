import { expect, test } from "vitest";
import {
  modelFilePath,
  modelFileSizes,
  sessionDemand,
  weightsFactors,
} from "../../../../emulator/backends/onnxruntime/memory.ts";
import type { ModelFolderEntry } from "../../../../emulator/core/storage.ts";
import { config, context } from "./load-model.ts";

const file = (path: string, byteSize: number): ModelFolderEntry => ({
  path,
  kind: "file",
  byteSize,
  changedMs: 0,
});
const directory = (path: string): ModelFolderEntry => ({ path, kind: "folder", byteSize: 0, changedMs: 0 });
const folder = (...entries: readonly ModelFolderEntry[]) => ({
  path: "/m",
  changedMs: 0,
  entries,
  config: null,
});

test("memory: weights in the model file count twice, once without the arena, those beside it once", () => {
  const sizes = modelFileSizes(
    folder(
      file("1/model.onnx", 100),
      file("1/weights.bin", 30),
      file("1/other.onnx", 1000),
      file("2/weights.bin", 500),
    ),
    "1/model.onnx",
  );
  expect(sizes).toEqual({ model: 100, external: 30 });
  expect(sessionDemand(sizes, true, "host", "weights", weightsFactors)).toEqual([
    { pool: "host", kind: "weights", bytes: 230 },
  ]);
  expect(sessionDemand(sizes, false, "gpu:1", "weights", weightsFactors)).toEqual([
    { pool: "gpu:1", kind: "weights", bytes: 130 },
  ]);
});

test("memory: nothing is asked for where there is no file", () => {
  expect(
    sessionDemand(modelFileSizes(folder(), "1/model.onnx"), true, "host", "staging", weightsFactors),
  ).toEqual([]);
});

test("model file: default_model_filename of the version, model.onnx inside a folder of that name", () => {
  expect(modelFilePath(context(folder(), { version: 3 }))).toBe("3/model.onnx");
  expect(modelFilePath(context(folder(), { config: config({ default_model_filename: "net.onnx" }) }))).toBe(
    "1/net.onnx",
  );
  expect(modelFilePath(context(folder(directory("1/model.onnx"))))).toBe("1/model.onnx/model.onnx");
});
