import { fail, ok, type Result } from "../../common/status.ts";
import type { ModelConfig, ModelInstanceGroup } from "./model-config.ts";

/** Backends that get two instances a CPU group where no count is given. */
const backendsWithTwoCpuInstances = new Set(["onnxruntime", "tensorflow"]);
/** As the error text prints `--min-supported-compute-capability`. */
const minimumComputeCapability = "6.000000";

export interface InstanceGroupOptions {
  /** GPUs the server has; their ids count from 0. */
  readonly gpuCount: number;
}

/**
 * Gives every instance group its name, kind, count and GPUs, and checks them. Doing it twice changes nothing.
 * Errors: INVALID_ARG, the texts of spec/triton-core.md 2.7.
 */
export const normaliseInstanceGroups = (
  config: ModelConfig,
  options: InstanceGroupOptions,
): Result<ModelConfig> => {
  if (config.ensemble_scheduling !== undefined) return ok(config);
  const written =
    config.instance_group.length > 0 ? config.instance_group : [{ ...emptyGroup, name: config.name }];
  const groups = written.map((group, index) => resolve(config, group, index, options.gpuCount));
  for (const group of groups) {
    const problem = problemOf(config, group, options.gpuCount);
    if (problem !== null) return fail("INVALID_ARG", problem);
  }
  return ok({ ...config, instance_group: groups });
};

const emptyGroup: ModelInstanceGroup = {
  name: "",
  kind: "KIND_AUTO",
  count: 0,
  gpus: [],
  secondary_devices: [],
  profile: [],
  passive: false,
  host_policy: "",
};

const resolve = (
  config: ModelConfig,
  group: ModelInstanceGroup,
  index: number,
  gpuCount: number,
): ModelInstanceGroup => {
  const kind = group.kind === "KIND_AUTO" ? automaticKind(group, gpuCount) : group.kind;
  const defaultCount = kind === "KIND_CPU" && backendsWithTwoCpuInstances.has(config.backend) ? 2 : 1;
  return {
    ...group,
    name: group.name || `${config.name}_${index}`,
    kind,
    count: group.count < 1 ? defaultCount : group.count,
    gpus: kind === "KIND_GPU" && group.gpus.length === 0 ? [...Array(gpuCount).keys()] : group.gpus,
  };
};

const automaticKind = (group: ModelInstanceGroup, gpuCount: number): "KIND_GPU" | "KIND_CPU" =>
  gpuCount > 0 && group.gpus.every((id) => id >= 0 && id < gpuCount) ? "KIND_GPU" : "KIND_CPU";

const problemOf = (config: ModelConfig, group: ModelInstanceGroup, gpuCount: number): string | null => {
  const subject = `instance group ${group.name} of model ${config.name}`;
  if (group.kind === "KIND_GPU") {
    if (group.gpus.length === 0) return `${subject} has kind KIND_GPU but no GPUs are available`;
    const unknown = group.gpus.find((id) => id < 0 || id >= gpuCount);
    if (unknown !== undefined) {
      const known = [...Array(gpuCount).keys()].join(", ");
      return `${subject} specifies invalid or unsupported gpu id ${unknown}. GPUs with at least the minimum required CUDA compute compatibility of ${minimumComputeCapability} are: ${known}`;
    }
  } else if (group.gpus.length > 0) return `${subject} has kind ${group.kind} but specifies one or more GPUs`;
  if (config.platform !== "tensorrt_plan" && group.profile.length > 0) {
    // The missing space is the real server's.
    return `${subject} and platform ${config.platform}specifies profile field which is only supported for TensorRT models`;
  }
  return null;
};
