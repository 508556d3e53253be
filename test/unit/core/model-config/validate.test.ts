import { expect, test } from "vitest";
import { normaliseConfig } from "../../../../emulator/core/model-config/normalise.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";
import { validateConfig, validateInputsOutputs } from "../../../../emulator/core/model-config/validate.ts";

// What 2.51.0 said about some hundred configurations is in prepare.test.ts; here is what could not be asked there.

const errorOf = (text: string): string | null => {
  const config = parseConfigText(text);
  if (!config.ok) throw config.error;
  const normalised = normaliseConfig(config.value);
  return (validateConfig(normalised) ?? validateInputsOutputs(normalised))?.message ?? null;
};

const io =
  'input { name: "X" data_type: TYPE_FP32 dims: 4 } output { name: "Y" data_type: TYPE_FP32 dims: 4 }';

test("validate: wants a name", () => {
  expect(errorOf('backend: "python"')).toBe("model configuration must specify 'name'");
});

test("validate: wants one known source of a batch output", () => {
  const model = `name: "m" backend: "python" ${io}`;
  expect(errorOf(`${model} batch_output {}`)).toBe(
    "batch output kind 'BATCH_SCATTER_WITH_INPUT_SHAPE' expects 1 source input, got 0 for m",
  );
  expect(errorOf(`${model} batch_output { source_input: "Z" }`)).toBe("unknown source input name 'Z' for m");
});

test("validate: accepts what only TensorRT may have, for TensorRT", () => {
  const model = 'name: "m" platform: "tensorrt_plan" backend: "tensorrt"';
  expect(
    errorOf(
      `${model} input { name: "X" data_type: TYPE_FP32 dims: 4 is_shape_tensor: true is_non_linear_format_io: true }`,
    ),
  ).toBeNull();
});

test("validate: names a tensor that nothing writes, when an output waits for it two steps away", () => {
  const step = (model: string, from: string, to: string): string =>
    `step { model_name: "${model}" input_map { key: "A" value: "${from}" } output_map { key: "B" value: "${to}" } }`;
  expect(
    errorOf(
      `name: "e" platform: "ensemble" output { name: "Y" } ensemble_scheduling { ${step("a", "T", "Y")} ${step("b", "lost", "T")} }`,
    ),
  ).toBe(
    "output 'Y' for ensemble 'e' is not written: at least one of its depending tensors, 'lost', is not connected",
  );
});
