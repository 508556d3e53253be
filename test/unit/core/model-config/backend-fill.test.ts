import { expect, test } from "vitest";
import { fillBackend } from "../../../../emulator/core/model-config/backend-fill.ts";
import { emptyModelConfig } from "../../../../emulator/core/model-config/message.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { modelFolder } from "./recorded.ts";

const filled = (written: Partial<ModelConfig>, files: readonly string[], name = "m"): string => {
  const result = fillBackend({ ...emptyModelConfig(), ...written }, name, modelFolder(name, files));
  if (!result.ok) return result.error.message;
  const { platform, backend, default_model_filename } = result.value;
  return `${backend} | ${platform} | ${default_model_filename}`;
};

test.each([
  ["1/model.graphdef", "tensorflow | tensorflow_graphdef | model.graphdef"],
  ["1/model.savedmodel/saved_model.pb", "tensorflow | tensorflow_savedmodel | model.savedmodel"],
  ["1/model.plan", "tensorrt | tensorrt_plan | model.plan"],
  ["1/model.onnx", "onnxruntime | onnxruntime_onnx | model.onnx"],
  ["1/model.onnx/model.onnx", "onnxruntime | onnxruntime_onnx | model.onnx"],
  ["1/model.xml", "openvino |  | model.xml"],
  ["1/model.pt", "pytorch | pytorch_libtorch | model.pt"],
  ["1/model.py", "python |  | model.py"],
])("backend fill: recognises %s", (file, expected) => {
  expect(filled({}, [file])).toBe(expected);
});

test("backend fill: prefers the model that is tried first, when a version folder holds several", () => {
  expect(filled({}, ["1/model.py", "1/model.onnx"])).toBe("onnxruntime | onnxruntime_onnx | model.onnx");
});

test("backend fill: looks only into the first subfolder in string order", () => {
  expect(filled({}, ["10/model.py", "2/model.onnx"])).toBe("python |  | model.py");
  expect(filled({}, ["configs/a.pbtxt", "data/model.onnx"])).toContain("Could not determine backend");
});

test("backend fill: refuses a file where a folder is wanted and the other way round", () => {
  expect(filled({}, ["1/model.savedmodel"])).toContain("Could not determine backend");
  expect(filled({}, ["1/model.pt/x"])).toContain("Could not determine backend");
});

test.each<[Partial<ModelConfig>, string]>([
  [{ platform: "tensorrt_plan" }, "tensorrt | tensorrt_plan | model.plan"],
  [{ backend: "pytorch" }, "pytorch | pytorch_libtorch | model.pt"],
  [{ default_model_filename: "model.py" }, "python |  | model.py"],
  [{ default_model_filename: "model.savedmodel" }, "tensorflow | tensorflow_savedmodel | model.savedmodel"],
  [{ backend: "onnxruntime", default_model_filename: "a.onnx" }, "onnxruntime | onnxruntime_onnx | a.onnx"],
  [{ default_model_filename: "a.onnx" }, " |  | a.onnx"],
  [{ backend: "tensorflow" }, "tensorflow |  | "],
  [{ backend: "identity" }, "identity |  | "],
  [{ platform: "ensemble" }, " | ensemble | "],
])("backend fill: goes by what is written before the files, for %o", (written, expected) => {
  expect(filled(written, ["1/model.onnx"])).toBe(expected);
});

test("backend fill: takes the backend from the model's name, when nothing else tells it", () => {
  expect(filled({}, ["1/"], "a.identity.x")).toBe("identity.x |  | model.identity.x");
  expect(filled({}, [], "plain")).toBe(
    "Invalid model name: Could not determine backend for model 'plain' with no backend in model configuration. Expected model name of the form 'model.<backend_name>'.",
  );
});

test("backend fill: names the model after its folder, when it has no name", () => {
  const result = fillBackend(emptyModelConfig(), "folder", modelFolder("folder", ["1/model.py"]));
  expect(result.ok && result.value.name).toBe("folder");
});
