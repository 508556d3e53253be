import { expect, test } from "vitest";
import { normaliseInstanceGroups } from "../../../../emulator/core/model-config/instance-groups.ts";
import type { ModelConfig } from "../../../../emulator/core/model-config/model-config.ts";
import { parseConfigText } from "../../../../emulator/core/model-config/text-format.ts";

const normalised = (groups: string, gpuCount: number, backend = "python"): ModelConfig | string => {
  const config = parseConfigText(`name: "m" backend: "${backend}" ${groups}`);
  if (!config.ok) throw config.error;
  const result = normaliseInstanceGroups(config.value, { gpuCount });
  return result.ok ? result.value : result.error.message;
};

const summary = (groups: string, gpuCount: number, backend?: string): string[] | string => {
  const config = normalised(groups, gpuCount, backend);
  if (typeof config === "string") return config;
  return config.instance_group.map(({ name, kind, count, gpus }) => `${name} ${kind} ${count} [${gpus}]`);
};

test("instance groups: adds one that is named after the model, when none is written", () => {
  expect(summary("", 0)).toEqual(["m KIND_CPU 1 []"]);
  expect(summary("", 2)).toEqual(["m KIND_GPU 1 [0,1]"]);
});

test("instance groups: makes two CPU instances of ONNX Runtime models, when no count is written", () => {
  expect(summary("", 0, "onnxruntime")).toEqual(["m KIND_CPU 2 []"]);
  expect(
    summary("instance_group { kind: KIND_CPU } instance_group { kind: KIND_MODEL }", 0, "onnxruntime"),
  ).toEqual(["m_0 KIND_CPU 2 []", "m_1 KIND_MODEL 1 []"]);
  expect(summary("instance_group { kind: KIND_GPU }", 1, "onnxruntime")).toEqual(["m_0 KIND_GPU 1 [0]"]);
});

test("instance groups: numbers the groups without a name by their place", () => {
  expect(summary('instance_group { name: "a" count: 3 } instance_group { count: -1 }', 0)).toEqual([
    "a KIND_CPU 3 []",
    "m_1 KIND_CPU 1 []",
  ]);
});

test("instance groups: turns AUTO into CPU, when one of its GPUs is not there", () => {
  expect(summary("instance_group { gpus: 1 }", 2)).toEqual(["m_0 KIND_GPU 1 [1]"]);
  expect(summary("instance_group { gpus: 2 }", 2)).toBe(
    "instance group m_0 of model m has kind KIND_CPU but specifies one or more GPUs",
  );
});

test.each([
  ["instance_group { kind: KIND_GPU }", 0, "has kind KIND_GPU but no GPUs are available"],
  [
    "instance_group { kind: KIND_GPU gpus: 5 }",
    2,
    "specifies invalid or unsupported gpu id 5. GPUs with at least the minimum required CUDA compute compatibility of 6.000000 are: 0, 1",
  ],
  ["instance_group { kind: KIND_MODEL gpus: 0 }", 1, "has kind KIND_MODEL but specifies one or more GPUs"],
  [
    'instance_group { profile: "p" }',
    0,
    "and platform specifies profile field which is only supported for TensorRT models",
  ],
])("instance groups: refuses %s with %i GPUs", (groups, gpuCount, problem) => {
  expect(normalised(groups, gpuCount)).toBe(`instance group m_0 of model m ${problem}`);
});

test("instance groups: changes nothing, when done again or for an ensemble", () => {
  const once = normalised("instance_group { count: 2 }", 1);
  if (typeof once === "string") throw new Error(once);
  expect(normaliseInstanceGroups(once, { gpuCount: 1 })).toEqual({ ok: true, value: once });
  expect(summary('platform: "ensemble" ensemble_scheduling {}', 1)).toEqual([]);
});
