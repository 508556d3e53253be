import type {
  Accelerator,
  BatchInput,
  BatchOutput,
  ConfigDataType,
  EnsembleStep,
  GraphSpec,
  InitialState,
  ModelConfig,
  ModelDynamicBatching,
  ModelEnsembling,
  ModelInput,
  ModelInstanceGroup,
  ModelOptimizationPolicy,
  ModelOutput,
  ModelParameter,
  ModelQueuePolicy,
  ModelRepositoryAgent,
  ModelSequenceBatching,
  ModelWarmup,
  Reshape,
  SequenceControl,
  SequenceControlInput,
  SequenceState,
  VersionPolicy,
  WarmupInput,
} from "./model-config.ts";

/**
 * The messages of `inference.ModelConfig` (release 24.10) as data: field names, numbers and kinds in declaration order.
 * The text reader, the JSON reader and writer, the protobuf writer and the comparison all walk these tables, so a field
 * is added here and in `model-config.ts` and nowhere else. Numbers: the descriptors of tritonclient 2.51.0.
 */
export interface MessageSchema<T = unknown> {
  /** Full protobuf name, as error texts spell it. */
  readonly name: string;
  /** In declaration order. */
  readonly fields: ReadonlyMap<string, Field>;
  /** Never set: ties the table to the TypeScript type it describes. */
  readonly of?: T;
}

export interface EnumSchema<V extends string = string> {
  readonly name: string;
  /** The index of a name is its number. */
  readonly values: readonly V[];
}

export type IntegerKind = "int32" | "int64" | "uint32" | "uint64";

export type FieldType =
  | { readonly kind: "string" | "bool" | "float" | IntegerKind }
  | { readonly kind: "enum"; readonly enum: EnumSchema }
  | { readonly kind: "message"; readonly message: MessageSchema };

export interface Field {
  readonly number: number;
  readonly shape: "one" | "list" | "map";
  /** Of the value, of one element, of a map's values. */
  readonly type: FieldType;
  /** Kind of a map's keys; they are strings in TypeScript either way. */
  readonly key: "string" | "uint64";
  /** Name of the oneof the field belongs to. */
  readonly oneof: string | null;
  /** 64-bit integers are numbers on `/config`, but for those the real server forgets to convert (2.51.0). */
  readonly printedAsString: boolean;
}

/** A field whose TypeScript value is a V. */
interface TypedField<V> extends Field {
  readonly value?: V;
}

/** protobuf's JSON name of a field: `max_batch_size` → `maxBatchSize`. */
export const camelCase = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Full name of the message that protobuf makes up for the entries of a map field. */
export const mapEntryName = (schema: MessageSchema, field: string): string => {
  const camel = camelCase(field);
  return `${schema.name}.${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`;
};

/** Inclusive ranges of the integer kinds. */
export const integerRange: Record<IntegerKind, { readonly min: bigint; readonly max: bigint }> = {
  int32: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  int64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  uint32: { min: 0n, max: 2n ** 32n - 1n },
  uint64: { min: 0n, max: 2n ** 64n - 1n },
};

/** The value with every digit; a 64-bit maximum that a double had to round up is that maximum again. */
export const exactInteger = (kind: IntegerKind, value: number): bigint => {
  const exact = BigInt(value);
  const { max } = integerRange[kind];
  return exact > max ? max : exact;
};

export const isIntegerKind = (kind: FieldType["kind"]): kind is IntegerKind =>
  Object.hasOwn(integerRange, kind);

const field = <V>(number: number, shape: Field["shape"], type: FieldType): TypedField<V> => ({
  number,
  shape,
  type,
  key: "string",
  oneof: null,
  printedAsString: false,
});

const text = (number: number) => field<string>(number, "one", { kind: "string" });
const texts = (number: number) => field<readonly string[]>(number, "list", { kind: "string" });
const flag = (number: number) => field<boolean>(number, "one", { kind: "bool" });
const flags = (number: number) => field<readonly boolean[]>(number, "list", { kind: "bool" });
const float = (number: number) => field<number>(number, "one", { kind: "float" });
const floats = (number: number) => field<readonly number[]>(number, "list", { kind: "float" });
const integer = (number: number, kind: IntegerKind) => field<number>(number, "one", { kind });
const integers = (number: number, kind: IntegerKind) => field<readonly number[]>(number, "list", { kind });
const choice = <V extends string>(number: number, schema: EnumSchema<V>) =>
  field<V>(number, "one", { kind: "enum", enum: schema });
const one = <T>(number: number, message: MessageSchema<T>) =>
  field<T>(number, "one", { kind: "message", message });
const list = <T>(number: number, message: MessageSchema<T>) =>
  field<readonly T[]>(number, "list", { kind: "message", message });
const textMap = (number: number) => field<ReadonlyMap<string, string>>(number, "map", { kind: "string" });
const map = <T>(number: number, message: MessageSchema<T>) =>
  field<ReadonlyMap<string, T>>(number, "map", { kind: "message", message });
const oneof = <V>(name: string, member: TypedField<V>): TypedField<V> => ({ ...member, oneof: name });
const printedAsString = <V>(member: TypedField<V>): TypedField<V> => ({ ...member, printedAsString: true });
const keyedByNumber = <V>(member: TypedField<V>): TypedField<V> => ({ ...member, key: "uint64" });

const message = <T>(
  name: string,
  fields: { readonly [K in keyof Required<T>]: TypedField<Required<T>[K]> },
): MessageSchema<T> => ({
  name: `inference.${name}`,
  fields: new Map<string, Field>(Object.entries<Field>(fields)),
});

const enumeration = <V extends string>(name: string, values: readonly V[]): EnumSchema<V> => ({
  name: `inference.${name}`,
  values,
});

export const dataTypeEnum = enumeration<ConfigDataType>("DataType", [
  "TYPE_INVALID",
  "TYPE_BOOL",
  "TYPE_UINT8",
  "TYPE_UINT16",
  "TYPE_UINT32",
  "TYPE_UINT64",
  "TYPE_INT8",
  "TYPE_INT16",
  "TYPE_INT32",
  "TYPE_INT64",
  "TYPE_FP16",
  "TYPE_FP32",
  "TYPE_FP64",
  "TYPE_STRING",
  "TYPE_BF16",
]);

const reshape = message<Reshape>("ModelTensorReshape", { shape: integers(1, "int64") });

const modelInput = message<ModelInput>("ModelInput", {
  name: text(1),
  data_type: choice(2, dataTypeEnum),
  format: choice(3, enumeration("ModelInput.Format", ["FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW"])),
  dims: integers(4, "int64"),
  reshape: one(5, reshape),
  is_shape_tensor: flag(6),
  allow_ragged_batch: flag(7),
  optional: flag(8),
  is_non_linear_format_io: flag(9),
});

const modelOutput = message<ModelOutput>("ModelOutput", {
  name: text(1),
  data_type: choice(2, dataTypeEnum),
  dims: integers(3, "int64"),
  reshape: one(5, reshape),
  label_filename: text(4),
  is_shape_tensor: flag(6),
  is_non_linear_format_io: flag(7),
});

const batchInput = message<BatchInput>("BatchInput", {
  kind: choice(
    1,
    enumeration("BatchInput.Kind", [
      "BATCH_ELEMENT_COUNT",
      "BATCH_ACCUMULATED_ELEMENT_COUNT",
      "BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO",
      "BATCH_MAX_ELEMENT_COUNT_AS_SHAPE",
      "BATCH_ITEM_SHAPE",
      "BATCH_ITEM_SHAPE_FLATTEN",
    ]),
  ),
  target_name: texts(2),
  data_type: choice(3, dataTypeEnum),
  source_input: texts(4),
});

const batchOutput = message<BatchOutput>("BatchOutput", {
  target_name: texts(1),
  kind: choice(2, enumeration("BatchOutput.Kind", ["BATCH_SCATTER_WITH_INPUT_SHAPE"])),
  source_input: texts(3),
});

const versionPolicy = message<VersionPolicy>("ModelVersionPolicy", {
  latest: oneof(
    "policy_choice",
    one(
      1,
      message<{ readonly num_versions: number }>("ModelVersionPolicy.Latest", {
        num_versions: integer(1, "uint32"),
      }),
    ),
  ),
  all: oneof("policy_choice", one(2, message<Record<string, never>>("ModelVersionPolicy.All", {}))),
  specific: oneof(
    "policy_choice",
    one(
      3,
      message<{ readonly versions: readonly number[] }>("ModelVersionPolicy.Specific", {
        versions: integers(1, "int64"),
      }),
    ),
  ),
});

const graphShape = message<{ readonly dim: readonly number[] }>(
  "ModelOptimizationPolicy.Cuda.GraphSpec.Shape",
  {
    dim: printedAsString(integers(1, "int64")),
  },
);

const accelerator = message<Accelerator>("ModelOptimizationPolicy.ExecutionAccelerators.Accelerator", {
  name: text(1),
  parameters: textMap(2),
});

const pinnedMemoryBuffer = message<{ readonly enable: boolean }>(
  "ModelOptimizationPolicy.PinnedMemoryBuffer",
  {
    enable: flag(1),
  },
);

const optimizationPolicy = message<ModelOptimizationPolicy>("ModelOptimizationPolicy", {
  graph: one(
    1,
    message<{ readonly level: number }>("ModelOptimizationPolicy.Graph", { level: integer(1, "int32") }),
  ),
  priority: choice(
    2,
    enumeration("ModelOptimizationPolicy.ModelPriority", [
      "PRIORITY_DEFAULT",
      "PRIORITY_MAX",
      "PRIORITY_MIN",
    ]),
  ),
  cuda: one(
    3,
    message<NonNullable<ModelOptimizationPolicy["cuda"]>>("ModelOptimizationPolicy.Cuda", {
      graphs: flag(1),
      busy_wait_events: flag(2),
      graph_spec: list(
        3,
        message<GraphSpec>("ModelOptimizationPolicy.Cuda.GraphSpec", {
          batch_size: integer(1, "int32"),
          input: map(2, graphShape),
          graph_lower_bound: one(
            3,
            message<NonNullable<GraphSpec["graph_lower_bound"]>>(
              "ModelOptimizationPolicy.Cuda.GraphSpec.LowerBound",
              {
                batch_size: integer(1, "int32"),
                input: map(2, graphShape),
              },
            ),
          ),
        }),
      ),
      output_copy_stream: flag(4),
    }),
  ),
  execution_accelerators: one(
    4,
    message<NonNullable<ModelOptimizationPolicy["execution_accelerators"]>>(
      "ModelOptimizationPolicy.ExecutionAccelerators",
      { gpu_execution_accelerator: list(1, accelerator), cpu_execution_accelerator: list(2, accelerator) },
    ),
  ),
  input_pinned_memory: one(5, pinnedMemoryBuffer),
  output_pinned_memory: one(6, pinnedMemoryBuffer),
  gather_kernel_buffer_threshold: integer(7, "uint32"),
  eager_batching: flag(8),
});

const queuePolicy = message<ModelQueuePolicy>("ModelQueuePolicy", {
  timeout_action: choice(1, enumeration("ModelQueuePolicy.TimeoutAction", ["REJECT", "DELAY"])),
  default_timeout_microseconds: integer(2, "uint64"),
  allow_timeout_override: flag(3),
  max_queue_size: integer(4, "uint32"),
});

const dynamicBatching = message<ModelDynamicBatching>("ModelDynamicBatching", {
  preferred_batch_size: integers(1, "int32"),
  max_queue_delay_microseconds: integer(2, "uint64"),
  preserve_ordering: flag(3),
  priority_levels: integer(4, "uint64"),
  default_priority_level: integer(5, "uint64"),
  default_queue_policy: one(6, queuePolicy),
  priority_queue_policy: keyedByNumber(map(7, queuePolicy)),
});

const sequenceControl = message<SequenceControl>("ModelSequenceBatching.Control", {
  kind: choice(
    1,
    enumeration("ModelSequenceBatching.Control.Kind", [
      "CONTROL_SEQUENCE_START",
      "CONTROL_SEQUENCE_READY",
      "CONTROL_SEQUENCE_END",
      "CONTROL_SEQUENCE_CORRID",
    ]),
  ),
  int32_false_true: integers(2, "int32"),
  fp32_false_true: floats(3),
  bool_false_true: flags(5),
  data_type: choice(4, dataTypeEnum),
});

const initialState = message<InitialState>("ModelSequenceBatching.InitialState", {
  data_type: choice(1, dataTypeEnum),
  dims: printedAsString(integers(2, "int64")),
  zero_data: oneof("state_data", flag(3)),
  data_file: oneof("state_data", text(4)),
  name: text(5),
});

const sequenceBatching = message<ModelSequenceBatching>("ModelSequenceBatching", {
  direct: oneof(
    "strategy_choice",
    one(
      3,
      message<NonNullable<ModelSequenceBatching["direct"]>>("ModelSequenceBatching.StrategyDirect", {
        max_queue_delay_microseconds: integer(1, "uint64"),
        minimum_slot_utilization: float(2),
      }),
    ),
  ),
  oldest: oneof(
    "strategy_choice",
    one(
      4,
      message<NonNullable<ModelSequenceBatching["oldest"]>>("ModelSequenceBatching.StrategyOldest", {
        max_candidate_sequences: integer(1, "int32"),
        preferred_batch_size: integers(2, "int32"),
        max_queue_delay_microseconds: integer(3, "uint64"),
        preserve_ordering: flag(4),
      }),
    ),
  ),
  max_sequence_idle_microseconds: integer(1, "uint64"),
  control_input: list(
    2,
    message<SequenceControlInput>("ModelSequenceBatching.ControlInput", {
      name: text(1),
      control: list(2, sequenceControl),
    }),
  ),
  state: list(
    5,
    message<SequenceState>("ModelSequenceBatching.State", {
      input_name: text(1),
      output_name: text(2),
      data_type: choice(3, dataTypeEnum),
      dims: integers(4, "int64"),
      initial_state: list(5, initialState),
      use_same_buffer_for_input_output: flag(6),
      use_growable_memory: flag(7),
    }),
  ),
  iterative_sequence: flag(6),
});

const ensembling = message<ModelEnsembling>("ModelEnsembling", {
  step: list(
    1,
    message<EnsembleStep>("ModelEnsembling.Step", {
      model_name: text(1),
      model_version: integer(2, "int64"),
      input_map: textMap(3),
      output_map: textMap(4),
      model_namespace: text(5),
    }),
  ),
});

type RateLimiter = NonNullable<ModelInstanceGroup["rate_limiter"]>;

const instanceGroup = message<ModelInstanceGroup>("ModelInstanceGroup", {
  name: text(1),
  kind: choice(
    4,
    enumeration("ModelInstanceGroup.Kind", ["KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"]),
  ),
  count: integer(2, "int32"),
  rate_limiter: one(
    6,
    message<RateLimiter>("ModelRateLimiter", {
      resources: list(
        1,
        message<RateLimiter["resources"][number]>("ModelRateLimiter.Resource", {
          name: text(1),
          global: flag(2),
          count: integer(3, "uint32"),
        }),
      ),
      priority: integer(2, "uint32"),
    }),
  ),
  gpus: integers(3, "int32"),
  secondary_devices: list(
    8,
    message<ModelInstanceGroup["secondary_devices"][number]>("ModelInstanceGroup.SecondaryDevice", {
      kind: choice(1, enumeration("ModelInstanceGroup.SecondaryDevice.SecondaryDeviceKind", ["KIND_NVDLA"])),
      device_id: printedAsString(integer(2, "int64")),
    }),
  ),
  profile: texts(5),
  passive: flag(7),
  host_policy: text(9),
});

const warmup = message<ModelWarmup>("ModelWarmup", {
  name: text(1),
  batch_size: integer(2, "uint32"),
  inputs: map(
    3,
    message<WarmupInput>("ModelWarmup.Input", {
      data_type: choice(1, dataTypeEnum),
      dims: integers(2, "int64"),
      zero_data: oneof("input_data_type", flag(3)),
      random_data: oneof("input_data_type", flag(4)),
      input_data_file: oneof("input_data_type", text(5)),
    }),
  ),
  count: integer(4, "uint32"),
});

export const modelConfigSchema = message<ModelConfig>("ModelConfig", {
  name: text(1),
  platform: text(2),
  backend: text(17),
  runtime: text(25),
  version_policy: one(3, versionPolicy),
  max_batch_size: integer(4, "int32"),
  input: list(5, modelInput),
  output: list(6, modelOutput),
  batch_input: list(20, batchInput),
  batch_output: list(21, batchOutput),
  optimization: one(12, optimizationPolicy),
  dynamic_batching: oneof("scheduling_choice", one(11, dynamicBatching)),
  sequence_batching: oneof("scheduling_choice", one(13, sequenceBatching)),
  ensemble_scheduling: oneof("scheduling_choice", one(15, ensembling)),
  instance_group: list(7, instanceGroup),
  default_model_filename: text(8),
  cc_model_filenames: textMap(9),
  metric_tags: textMap(10),
  parameters: map(14, message<ModelParameter>("ModelParameter", { string_value: text(1) })),
  model_warmup: list(16, warmup),
  model_operations: one(
    18,
    message<NonNullable<ModelConfig["model_operations"]>>("ModelOperations", {
      op_library_filename: texts(1),
    }),
  ),
  model_transaction_policy: one(
    19,
    message<NonNullable<ModelConfig["model_transaction_policy"]>>("ModelTransactionPolicy", {
      decoupled: flag(1),
    }),
  ),
  model_repository_agents: one(
    23,
    message<NonNullable<ModelConfig["model_repository_agents"]>>("ModelRepositoryAgents", {
      agents: list(
        1,
        message<ModelRepositoryAgent>("ModelRepositoryAgents.Agent", {
          name: text(1),
          parameters: textMap(2),
        }),
      ),
    }),
  ),
  response_cache: one(
    24,
    message<NonNullable<ModelConfig["response_cache"]>>("ModelResponseCache", { enable: flag(1) }),
  ),
});
