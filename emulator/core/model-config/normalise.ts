import type { ModelConfig, ModelOptimizationPolicy } from "./model-config.ts";

const defaultSequenceIdleMicroseconds = 1_000_000;

/** Writes the defaults of the server into what was left open (spec/triton-core.md 2.5). Doing it twice changes nothing. */
export const normaliseConfig = (config: ModelConfig): ModelConfig => {
  const preferred = (sizes: readonly number[]): readonly number[] =>
    sizes.length === 0 && config.max_batch_size > 0 ? [config.max_batch_size] : sizes;
  const { dynamic_batching: dynamic, sequence_batching: sequence } = config;
  return {
    ...config,
    version_policy: config.version_policy ?? { latest: { num_versions: 1 } },
    ...(config.ensemble_scheduling === undefined && { optimization: pinned(config.optimization) }),
    ...(dynamic !== undefined && {
      dynamic_batching: { ...dynamic, preferred_batch_size: preferred(dynamic.preferred_batch_size) },
    }),
    ...(sequence !== undefined && {
      sequence_batching: {
        ...sequence,
        max_sequence_idle_microseconds:
          sequence.max_sequence_idle_microseconds || defaultSequenceIdleMicroseconds,
        ...(sequence.oldest !== undefined && {
          oldest: {
            ...sequence.oldest,
            preferred_batch_size: preferred(sequence.oldest.preferred_batch_size),
          },
        }),
      },
    }),
  };
};

const pinned = (written: ModelOptimizationPolicy | undefined): ModelOptimizationPolicy => {
  const optimization = written ?? emptyOptimization;
  return {
    ...optimization,
    input_pinned_memory: optimization.input_pinned_memory ?? { enable: true },
    output_pinned_memory: optimization.output_pinned_memory ?? { enable: true },
  };
};

const emptyOptimization: ModelOptimizationPolicy = {
  priority: "PRIORITY_DEFAULT",
  gather_kernel_buffer_threshold: 0,
  eager_batching: false,
};
