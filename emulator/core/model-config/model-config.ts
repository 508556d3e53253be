/**
 * A model configuration as TypeScript sees it: the messages of `inference.ModelConfig` (release 24.10) with their own
 * field names, in declaration order. Scalars, lists and maps are always there, with proto3's defaults; sub-messages and
 * oneof members that are not set are absent. 64-bit integers are numbers, exact to 2^53.
 * Source of names and order: spec/triton-core.md 2.1 and spec/triton-wire.md 6.4, observed on 2.51.0.
 */
export interface ModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly runtime: string;
  readonly version_policy?: VersionPolicy;
  readonly max_batch_size: number;
  readonly input: readonly ModelInput[];
  readonly output: readonly ModelOutput[];
  readonly batch_input: readonly BatchInput[];
  readonly batch_output: readonly BatchOutput[];
  readonly optimization?: ModelOptimizationPolicy;
  readonly dynamic_batching?: ModelDynamicBatching;
  readonly sequence_batching?: ModelSequenceBatching;
  readonly ensemble_scheduling?: ModelEnsembling;
  readonly instance_group: readonly ModelInstanceGroup[];
  readonly default_model_filename: string;
  readonly cc_model_filenames: ReadonlyMap<string, string>;
  readonly metric_tags: ReadonlyMap<string, string>;
  readonly parameters: ReadonlyMap<string, ModelParameter>;
  readonly model_warmup: readonly ModelWarmup[];
  readonly model_operations?: { readonly op_library_filename: readonly string[] };
  readonly model_transaction_policy?: { readonly decoupled: boolean };
  readonly model_repository_agents?: { readonly agents: readonly ModelRepositoryAgent[] };
  readonly response_cache?: { readonly enable: boolean };
}

export interface VersionPolicy {
  readonly latest?: { readonly num_versions: number };
  readonly all?: Record<string, never>;
  readonly specific?: { readonly versions: readonly number[] };
}

/** `TYPE_FP32` and so on; `TYPE_INVALID` where nothing was said. */
export type ConfigDataType =
  | "TYPE_INVALID"
  | "TYPE_BOOL"
  | "TYPE_UINT8"
  | "TYPE_UINT16"
  | "TYPE_UINT32"
  | "TYPE_UINT64"
  | "TYPE_INT8"
  | "TYPE_INT16"
  | "TYPE_INT32"
  | "TYPE_INT64"
  | "TYPE_FP16"
  | "TYPE_FP32"
  | "TYPE_FP64"
  | "TYPE_STRING"
  | "TYPE_BF16";

export interface Reshape {
  readonly shape: readonly number[];
}

export interface ModelInput {
  readonly name: string;
  readonly data_type: ConfigDataType;
  readonly format: "FORMAT_NONE" | "FORMAT_NHWC" | "FORMAT_NCHW";
  readonly dims: readonly number[];
  readonly reshape?: Reshape;
  readonly is_shape_tensor: boolean;
  readonly allow_ragged_batch: boolean;
  readonly optional: boolean;
  readonly is_non_linear_format_io: boolean;
}

export interface ModelOutput {
  readonly name: string;
  readonly data_type: ConfigDataType;
  readonly dims: readonly number[];
  readonly reshape?: Reshape;
  readonly label_filename: string;
  readonly is_shape_tensor: boolean;
  readonly is_non_linear_format_io: boolean;
}

export interface BatchInput {
  readonly kind:
    | "BATCH_ELEMENT_COUNT"
    | "BATCH_ACCUMULATED_ELEMENT_COUNT"
    | "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO"
    | "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE"
    | "BATCH_ITEM_SHAPE"
    | "BATCH_ITEM_SHAPE_FLATTEN";
  readonly target_name: readonly string[];
  readonly data_type: ConfigDataType;
  readonly source_input: readonly string[];
}

export interface BatchOutput {
  readonly target_name: readonly string[];
  readonly kind: "BATCH_SCATTER_WITH_INPUT_SHAPE";
  readonly source_input: readonly string[];
}

export interface ModelOptimizationPolicy {
  readonly graph?: { readonly level: number };
  readonly priority: "PRIORITY_DEFAULT" | "PRIORITY_MAX" | "PRIORITY_MIN";
  readonly cuda?: {
    readonly graphs: boolean;
    readonly busy_wait_events: boolean;
    readonly graph_spec: readonly GraphSpec[];
    readonly output_copy_stream: boolean;
  };
  readonly execution_accelerators?: {
    readonly gpu_execution_accelerator: readonly Accelerator[];
    readonly cpu_execution_accelerator: readonly Accelerator[];
  };
  readonly input_pinned_memory?: { readonly enable: boolean };
  readonly output_pinned_memory?: { readonly enable: boolean };
  readonly gather_kernel_buffer_threshold: number;
  readonly eager_batching: boolean;
}

export interface GraphSpec {
  readonly batch_size: number;
  readonly input: ReadonlyMap<string, { readonly dim: readonly number[] }>;
  readonly graph_lower_bound?: {
    readonly batch_size: number;
    readonly input: ReadonlyMap<string, { readonly dim: readonly number[] }>;
  };
}

export interface Accelerator {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}

export interface ModelQueuePolicy {
  readonly timeout_action: "REJECT" | "DELAY";
  readonly default_timeout_microseconds: number;
  readonly allow_timeout_override: boolean;
  readonly max_queue_size: number;
}

export interface ModelDynamicBatching {
  readonly preferred_batch_size: readonly number[];
  readonly max_queue_delay_microseconds: number;
  readonly preserve_ordering: boolean;
  readonly priority_levels: number;
  readonly default_priority_level: number;
  readonly default_queue_policy?: ModelQueuePolicy;
  readonly priority_queue_policy: ReadonlyMap<string, ModelQueuePolicy>;
}

export interface ModelSequenceBatching {
  readonly direct?: {
    readonly max_queue_delay_microseconds: number;
    readonly minimum_slot_utilization: number;
  };
  readonly oldest?: {
    readonly max_candidate_sequences: number;
    readonly preferred_batch_size: readonly number[];
    readonly max_queue_delay_microseconds: number;
    readonly preserve_ordering: boolean;
  };
  readonly max_sequence_idle_microseconds: number;
  readonly control_input: readonly SequenceControlInput[];
  readonly state: readonly SequenceState[];
  readonly iterative_sequence: boolean;
}

export interface SequenceControlInput {
  readonly name: string;
  readonly control: readonly SequenceControl[];
}

export interface SequenceControl {
  readonly kind:
    | "CONTROL_SEQUENCE_START"
    | "CONTROL_SEQUENCE_READY"
    | "CONTROL_SEQUENCE_END"
    | "CONTROL_SEQUENCE_CORRID";
  readonly int32_false_true: readonly number[];
  readonly fp32_false_true: readonly number[];
  readonly bool_false_true: readonly boolean[];
  readonly data_type: ConfigDataType;
}

export interface SequenceState {
  readonly input_name: string;
  readonly output_name: string;
  readonly data_type: ConfigDataType;
  readonly dims: readonly number[];
  readonly initial_state: readonly InitialState[];
  readonly use_same_buffer_for_input_output: boolean;
  readonly use_growable_memory: boolean;
}

export interface InitialState {
  readonly data_type: ConfigDataType;
  readonly dims: readonly number[];
  readonly name: string;
  readonly zero_data?: boolean;
  readonly data_file?: string;
}

export interface ModelEnsembling {
  readonly step: readonly EnsembleStep[];
}

export interface EnsembleStep {
  readonly model_name: string;
  readonly model_version: number;
  readonly input_map: ReadonlyMap<string, string>;
  readonly output_map: ReadonlyMap<string, string>;
  readonly model_namespace: string;
}

export interface ModelInstanceGroup {
  readonly name: string;
  readonly kind: "KIND_AUTO" | "KIND_GPU" | "KIND_CPU" | "KIND_MODEL";
  readonly count: number;
  readonly rate_limiter?: {
    readonly resources: readonly {
      readonly name: string;
      readonly global: boolean;
      readonly count: number;
    }[];
    readonly priority: number;
  };
  readonly gpus: readonly number[];
  readonly secondary_devices: readonly { readonly kind: "KIND_NVDLA"; readonly device_id: number }[];
  readonly profile: readonly string[];
  readonly passive: boolean;
  readonly host_policy: string;
}

export interface ModelParameter {
  readonly string_value: string;
}

export interface ModelWarmup {
  readonly name: string;
  readonly batch_size: number;
  readonly inputs: ReadonlyMap<string, WarmupInput>;
  readonly count: number;
}

export interface WarmupInput {
  readonly data_type: ConfigDataType;
  readonly dims: readonly number[];
  readonly zero_data?: boolean;
  readonly random_data?: boolean;
  readonly input_data_file?: string;
}

export interface ModelRepositoryAgent {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}
