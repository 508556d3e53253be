import { fail, ok, type Result } from "../../common/status.ts";
import type { Accelerator, ModelConfig } from "../../core/model-config/model-config.ts";

/** What a session is opened with, in plain data that goes to a worker. */
export interface SessionOptions {
  readonly intraOpThreads: number;
  readonly interOpThreads: number;
  readonly executionMode: "sequential" | "parallel";
  readonly graphOptimizationLevel: "disabled" | "basic" | "extended" | "all";
  readonly enableCpuMemArena: boolean;
  readonly enableMemPattern: boolean;
}

/** Options of a model that are looked at once, when it is opened. */
export interface ModelOptions {
  readonly session: SessionOptions;
  /** `memory.enable_memory_arena_shrinkage`, looked at by every run; "" = off. */
  readonly arenaShrinkage: string;
}

/** `--backend-config=onnxruntime,...` as far as this backend knows it. */
export interface BackendOptions {
  readonly defaultMaxBatchSize: number;
  /** Threads of the pool that all sessions share; null = each session has its own. */
  readonly globalThreadPool: { readonly intraOpThreads: number; readonly interOpThreads: number } | null;
}

export const readBackendOptions = (config: ReadonlyMap<string, string>): Result<BackendOptions> => {
  const enabled = readBoolean(config.get("enable-global-threadpool") ?? "0");
  if (!enabled.ok) return enabled;
  const batch = readInteger(config.get("default-max-batch-size") ?? "4");
  if (!batch.ok) return batch;
  if (!enabled.value) return ok({ defaultMaxBatchSize: batch.value, globalThreadPool: null });
  const intra = readInteger(config.get("intra_op_thread_count") ?? "0");
  if (!intra.ok) return intra;
  const inter = readInteger(config.get("inter_op_thread_count") ?? "0");
  if (!inter.ok) return inter;
  return ok({
    defaultMaxBatchSize: batch.value,
    globalThreadPool: { intraOpThreads: intra.value, interOpThreads: inter.value },
  });
};

/**
 * Reads the model's `parameters` and `optimization` (spec/triton-core.md 5.1). Where the configuration says nothing,
 * one thread per session and no spinning: ONNX Runtime's own default, a spinning pool as large as the machine for every
 * instance, costs ten times the processor time of a small run. Unknown parameters are ignored, as the real backend does.
 * @param cpuCount what a parallel execution mode gets where no thread count is given
 */
export const readModelOptions = (
  config: ModelConfig,
  backend: BackendOptions,
  cpuCount: number,
): Result<ModelOptions> => {
  const text = (key: string): string | undefined => config.parameters.get(key)?.string_value;
  const mode = readInteger(text("execution_mode") ?? "0");
  if (!mode.ok) return mode;
  if (mode.value !== 0 && mode.value !== 1) {
    return fail(
      "INVALID_ARG",
      `Invalid configuration value provided. Expected values for  execution_mode are 0 or 1 but got ${mode.value} .`,
    );
  }
  const intra = readInteger(text("intra_op_thread_count") ?? "0");
  if (!intra.ok) return intra;
  const inter = readInteger(text("inter_op_thread_count") ?? "0");
  if (!inter.ok) return inter;
  const arena = readBoolean(text("enable_mem_arena") ?? "1");
  if (!arena.ok) return arena;
  const pattern = readBoolean(text("enable_mem_pattern") ?? "1");
  if (!pattern.ok) return pattern;
  const parallel = mode.value === 1;
  return ok({
    session: {
      intraOpThreads: threads(intra.value, backend.globalThreadPool?.intraOpThreads ?? 0, 1),
      interOpThreads: threads(
        inter.value,
        backend.globalThreadPool?.interOpThreads ?? 0,
        parallel ? cpuCount : 1,
      ),
      executionMode: parallel ? "parallel" : "sequential",
      graphOptimizationLevel: optimizationLevel(config.optimization?.graph?.level ?? 0),
      enableCpuMemArena: arena.value,
      enableMemPattern: pattern.value,
    },
    arenaShrinkage: text("memory.enable_memory_arena_shrinkage") ?? "",
  });
};

/** 0 and below mean "not said". */
const threads = (own: number, global: number, otherwise: number): number => {
  if (own > 0) return own;
  return global > 0 ? global : otherwise;
};

const optimizationLevel = (level: number): SessionOptions["graphOptimizationLevel"] => {
  if (level === -1) return "basic";
  if (level === 1) return "extended";
  return level === 2 ? "disabled" : "all";
};

/** Options that only a GPU instance looks at, accelerators of either list included. */
export const checkInstanceOptions = (config: ModelConfig, onGpu: boolean): Result<null> => {
  const accelerators = config.optimization?.execution_accelerators;
  if (!onGpu) {
    // No accelerator of the CPU list is built in; the GPU list is not looked at.
    const [first] = accelerators?.cpu_execution_accelerator ?? [];
    return first === undefined ? ok(null) : unknownAccelerator(first.name);
  }
  for (const accelerator of accelerators?.gpu_execution_accelerator ?? []) {
    const checked = checkGpuAccelerator(accelerator);
    if (!checked.ok) return checked;
  }
  for (const [key, allowed] of gpuChoices) {
    const text = config.parameters.get(key)?.string_value;
    if (text === undefined) continue;
    const value = readInteger(text);
    if (!value.ok) return value;
    if (value.value < 0 || value.value > allowed) {
      return fail("INVALID_ARG", `unsupported ${key} value '${value.value}' is requested`);
    }
  }
  return ok(null);
};

const checkGpuAccelerator = ({ name, parameters }: Accelerator): Result<null> => {
  if (name === "cuda") return ok(null);
  if (name !== "tensorrt") return unknownAccelerator(name);
  for (const key of parameters.keys()) {
    if (!tensorRtParameters.has(key)) {
      return fail("INVALID_ARG", `unknown parameter '${key}' is provided for TensorRT Execution Accelerator`);
    }
  }
  return ok(null);
};

const unknownAccelerator = (name: string): Result<null> =>
  fail("INVALID_ARG", `unknown Execution Accelerator '${name}' is requested`);

/** Parameters of CUDA with a fixed range, and the largest value. */
const gpuChoices: readonly (readonly [string, number])[] = [
  ["cudnn_conv_algo_search", 2],
  ["arena_extend_strategy", 1],
];

const tensorRtParameters: ReadonlySet<string> = new Set([
  "precision_mode",
  "max_workspace_size_bytes",
  "int8_calibration_table_name",
  "int8_use_native_calibration_table",
  "trt_engine_cache_enable",
  "trt_engine_cache_path",
  "trt_engine_cache_prefix",
  "trt_dump_subgraphs",
  "trt_force_sequential_engine_build",
  "trt_context_memory_sharing_enable",
  "trt_layer_norm_fp32_fallback",
  "trt_timing_cache_enable",
  "trt_timing_cache_path",
  "trt_force_timing_cache",
  "trt_detailed_build_log",
  "trt_build_heuristics_enable",
  "trt_sparsity_enable",
  "trt_builder_optimization_level",
  "trt_auxiliary_streams",
  "trt_tactic_sources",
  "trt_extra_plugin_lib_paths",
  "trt_profile_min_shapes",
  "trt_profile_max_shapes",
  "trt_profile_opt_shapes",
  "trt_cuda_graph_enable",
  "trt_max_partition_iterations",
  "trt_min_subgraph_size",
]);

/** As `std::stoi` reads: leading blanks, a sign, digits, and whatever follows is left alone. */
const readInteger = (text: string): Result<number> => {
  const match = /^[ \t\n\v\f\r]*([+-]?\d+)/.exec(text);
  const value = match === null ? Number.NaN : Number(match[1]);
  // Beyond int32 the real server aborts; a refusal is all that is left of that here.
  if (!Number.isInteger(value) || value > 2147483647 || value < -2147483648) {
    return fail("INVALID_ARG", `failed to convert '${text}' to integral number`);
  }
  return ok(value);
};

const readBoolean = (text: string): Result<boolean> => {
  const lower = text.toLowerCase();
  if (lower === "1" || lower === "true") return ok(true);
  if (lower === "0" || lower === "false") return ok(false);
  return fail("INVALID_ARG", `failed to convert '${text}' to boolean`);
};
