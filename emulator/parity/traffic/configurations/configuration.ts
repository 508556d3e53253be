import type { Chance } from "../chance.ts";
import type { Graph, GraphTensor } from "./graphs.ts";
import { anyField } from "./noise.ts";
import { modelConfigProto } from "./proto.ts";
import {
  bool,
  float,
  integer,
  integers,
  list,
  map,
  message,
  text,
  texts,
  type Written,
  type WrittenField,
  type WrittenMessage,
  word,
} from "./written.ts";

/** A configuration for a graph, sound but for a mistake here and there. */
export const configurationFor = (graph: Graph, chance: Chance): WrittenMessage => {
  const writer = new Configuration(graph, chance);
  return writer.whole();
};

/** A value of an enum by its name. */
export const enumWord = (name: string, value: string): Written =>
  word(value, modelConfigProto.enums.get(name)?.indexOf(value) ?? -1);

const dataType = (type: string): Written => enumWord("DataType", `TYPE_${type}`);

class Configuration {
  readonly #graph: Graph;
  readonly #chance: Chance;

  constructor(graph: Graph, chance: Chance) {
    this.#graph = graph;
    this.#chance = chance;
  }

  whole(): WrittenMessage {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ...(chance.oneIn(4)
        ? [["name", text(chance.oneIn(8) ? "another" : "{a}")] satisfies WrittenField]
        : []),
      ...this.#backend(),
      ...this.#batching(),
      ...this.#tensors(),
      ...this.#aspects(),
    ];
    while (chance.oneIn(5)) {
      const field = anyField(chance, "ModelConfig");
      if (field !== null) fields.push(field);
    }
    if (chance.oneIn(3)) shuffle(fields, chance);
    return message(...fields);
  }

  #backend(): WrittenField[] {
    const backend: WrittenField = ["backend", text("onnxruntime")];
    const platform: WrittenField = ["platform", text("onnxruntime_onnx")];
    return this.#chance.weighted<WrittenField[]>([
      [8, [backend]],
      [4, [platform]],
      [2, [platform, backend]],
      [2, []],
      [
        1,
        [
          [
            "backend",
            text(this.#chance.pick(["none", "tensorrt", "ensemble", "onnx", "", "pytorch", "tensorflow"])),
          ],
          ...(this.#chance.oneIn(2) ? [platform] : []),
        ],
      ],
      [
        1,
        [
          ["platform", text(this.#chance.pick(["none", "ensemble", "tensorrt_plan", "", "onnxruntime"]))],
          ...(this.#chance.oneIn(2) ? [backend] : []),
        ],
      ],
    ]);
  }

  #batching(): WrittenField[] {
    const usual = this.#graph.batches ? 4 : 0;
    const size = this.#chance.weighted<number | null>([
      [8, usual],
      [2, null],
      [1, 0],
      [1, this.#chance.pick([1, 2, 8, -1])],
    ]);
    return size === null ? [] : [["max_batch_size", integer(size)]];
  }

  #tensors(): WrittenField[] {
    const chance = this.#chance;
    const inputs = this.#some(
      this.#graph.inputs.filter(({ name }) => !chance.oneIn(isControl(name) ? 2 : 40)),
    );
    const outputs = this.#some(this.#graph.outputs.filter(() => !chance.oneIn(20)));
    return chance.weighted<() => WrittenField[]>([
      [
        8,
        () => [
          ["input", list(inputs.map((one) => this.#input(one)))],
          ["output", list(outputs.map((one) => this.#output(one)))],
        ],
      ],
      [3, () => []],
      [1, () => [["input", list(inputs.map((one) => this.#input(one)))]]],
      [1, () => [["output", list(outputs.map((one) => this.#output(one)))]]],
    ])();
  }

  /** In another order at times, one twice, one of another name. */
  #some(tensors: readonly GraphTensor[]): GraphTensor[] {
    const chance = this.#chance;
    const some = [...tensors];
    if (chance.oneIn(6)) shuffle(some, chance);
    if (chance.oneIn(25) && some[0] !== undefined) some.push(some[0]);
    if (chance.oneIn(25)) some.push({ name: chance.pick(["X", "Y", "Q"]), type: "FP32", dims: [1] });
    return some;
  }

  #tensor({ name, type, dims }: GraphTensor): WrittenField[] {
    const chance = this.#chance;
    const fields: WrittenField[] = [];
    if (!chance.oneIn(60)) fields.push(["name", text(chance.oneIn(40) ? "Q" : name)]);
    if (!chance.oneIn(40))
      fields.push([
        "data_type",
        dataType(chance.oneIn(30) ? chance.pick(["INVALID", "FP32", "INT32", "BF16"]) : type),
      ]);
    const shape = this.#shape(dims);
    if (shape !== null) fields.push(["dims", integers(shape)]);
    if (chance.oneIn(12)) fields.push(["reshape", message(["shape", integers(this.#reshape(dims))])]);
    return fields;
  }

  #shape(dims: readonly number[]): readonly number[] | null {
    const chance = this.#chance;
    const shape = this.#graph.batches && chance.oneIn(12) ? [-1, ...dims] : dims;
    return chance.weighted<() => readonly number[] | null>([
      [24, () => shape],
      [3, () => shape.map((dim) => (chance.oneIn(2) ? -1 : dim))],
      [1, () => shape.map((dim) => (chance.oneIn(2) ? chance.pick([0, 1, 2, 3, -2]) : dim))],
      [1, () => []],
      [1, () => [...shape, 1]],
      [1, () => (shape.includes(4) ? [2, 2] : [1, ...shape])],
      [1, () => null],
    ])();
  }

  #reshape(dims: readonly number[]): readonly number[] {
    return this.#chance.pick([dims, [1, ...dims], [...dims, 1], [], [2, 2], [-1], [0]]);
  }

  #input(tensor: GraphTensor): Written {
    const chance = this.#chance;
    const fields = this.#tensor(tensor);
    if (chance.oneIn(20)) fields.push(["format", enumWord("ModelInput.Format", chance.pick(formats))]);
    if (chance.oneIn(12)) fields.push(["optional", bool(!chance.oneIn(4))]);
    if (chance.oneIn(12)) fields.push(["allow_ragged_batch", bool(!chance.oneIn(4))]);
    this.#forTensorRt(fields);
    return message(...fields);
  }

  #output(tensor: GraphTensor): Written {
    const chance = this.#chance;
    const fields = this.#tensor(tensor);
    if (chance.oneIn(12))
      fields.push([
        "label_filename",
        text(chance.pick(["labels.txt", "labels.txt", "none.txt", "../labels.txt", ""])),
      ]);
    this.#forTensorRt(fields);
    return message(...fields);
  }

  #forTensorRt(fields: WrittenField[]): void {
    if (this.#chance.oneIn(40)) fields.push(["is_shape_tensor", bool(!this.#chance.oneIn(3))]);
    if (this.#chance.oneIn(40)) fields.push(["is_non_linear_format_io", bool(!this.#chance.oneIn(3))]);
  }

  /** What a configuration may say beside its tensors; few of it in one. */
  #aspects(): WrittenField[] {
    const chance = this.#chance;
    const fields: WrittenField[] = [];
    const perhaps = (times: number, make: () => WrittenField[]): void => {
      if (chance.oneIn(times)) fields.push(...make());
    };
    perhaps(6, () => [["version_policy", this.#versionPolicy()]]);
    perhaps(4, () => [
      ["instance_group", list(chance.times(chance.pick([1, 1, 1, 2]), () => this.#instanceGroup()))],
    ]);
    perhaps(6, () => this.#optimization());
    perhaps(4, () => [["parameters", this.#parameters()]]);
    perhaps(6, () => [["model_warmup", list(chance.times(chance.pick([1, 1, 2]), () => this.#warmup()))]]);
    perhaps(12, () => [["response_cache", message(["enable", bool(!chance.oneIn(4))])]]);
    perhaps(16, () => [["model_transaction_policy", message(["decoupled", bool(chance.oneIn(2))])]]);
    perhaps(16, () => [["metric_tags", map({ a: text("b"), "": text("é") })]]);
    perhaps(16, () => [
      ["cc_model_filenames", map({ "7.5": text(chance.pick(["model.onnx", "none.onnx"])) })],
    ]);
    perhaps(10, () => [
      [
        "default_model_filename",
        text(chance.pick(["model.onnx", "other.onnx", "none.onnx", "", "model.plan"])),
      ],
    ]);
    perhaps(24, () => [["model_operations", message(["op_library_filename", texts(["none.so"])])]]);
    perhaps(40, () => [
      ["model_repository_agents", message(["agents", list([message(["name", text("none")])])])],
    ]);
    perhaps(10, () => [["batch_input", list([this.#batchInput()])]]);
    perhaps(12, () => [["batch_output", list([this.#batchOutput()])]]);
    const sequenced = this.#graph.name.startsWith("control") || this.#graph.name === "state";
    const [dynamic, sequence] = sequenced ? [12, 2] : [5, 8];
    perhaps(dynamic, () => [["dynamic_batching", this.#dynamicBatching()]]);
    perhaps(sequence, () => [["sequence_batching", this.#sequenceBatching()]]);
    return fields;
  }

  #versionPolicy(): Written {
    const chance = this.#chance;
    return chance.pick<() => Written>([
      () => message(["all", message()]),
      () => message(["latest", message(["num_versions", integer(chance.below(4))])]),
      () =>
        message([
          "specific",
          message(["versions", integers(chance.pick([[1], [1, 2], [], [7], [1, 1], [0], [-1]]))]),
        ]),
      () => message(["latest", message()]),
      () => message(),
    ])();
  }

  #instanceGroup(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [];
    const perhaps = (times: number, name: string, make: () => Written): void => {
      if (chance.oneIn(times)) fields.push([name, make()]);
    };
    perhaps(4, "name", () => text(chance.pick(["a", "", "{a}_0", "a b"])));
    if (!chance.oneIn(4))
      fields.push([
        "kind",
        enumWord(
          "ModelInstanceGroup.Kind",
          chance.weighted([
            [8, "KIND_CPU"],
            [2, "KIND_AUTO"],
            [1, "KIND_GPU"],
            [1, "KIND_MODEL"],
          ]),
        ),
      ]);
    perhaps(2, "count", () => integer(chance.pick([1, 1, 2, 3, 0, -1])));
    perhaps(10, "gpus", () => integers(chance.pick([[0], [0, 1], [], [-1]])));
    perhaps(12, "profile", () => texts(chance.pick([["a"], [], ["1", "2"]])));
    perhaps(10, "passive", () => bool(chance.oneIn(3)));
    perhaps(10, "host_policy", () => text(chance.pick(["a", "", "cpu", "numa_0"])));
    perhaps(12, "secondary_devices", () =>
      list([message(["device_id", integer(chance.pick([0, 1, 2n ** 53n + 1n]))])]),
    );
    perhaps(8, "rate_limiter", () =>
      message(
        [
          "resources",
          list([
            message(
              ["name", text(chance.pick(["R", ""]))],
              ["global", bool(chance.oneIn(2))],
              ["count", integer(chance.below(4))],
            ),
          ]),
        ],
        ["priority", integer(chance.below(4))],
      ),
    );
    return message(...fields);
  }

  #optimization(): WrittenField[] {
    const chance = this.#chance;
    return [
      [
        "optimization",
        chance.pick<() => Written>([
          () => message(["graph", message(["level", integer(chance.pick([-1, 0, 1, 2, 5]))])]),
          () => message(["input_pinned_memory", message(["enable", bool(false)])]),
          () => message(["output_pinned_memory", message()]),
          () => message(["priority", enumWord("ModelOptimizationPolicy.ModelPriority", "PRIORITY_MAX")]),
          () => message(["eager_batching", bool(true)]),
          () =>
            message([
              "execution_accelerators",
              message([
                chance.pick(["cpu_execution_accelerator", "gpu_execution_accelerator"]),
                list([
                  message(
                    [
                      "name",
                      text(chance.pick(["openvino", "tensorrt", "none", "auto_mixed_precision", "cuda", ""])),
                    ],
                    ...(chance.oneIn(2)
                      ? [["parameters", map({ a: text("b") })] satisfies WrittenField]
                      : []),
                  ),
                ]),
              ]),
            ]),
          () => message(...[anyField(chance, "ModelOptimizationPolicy")].filter((one) => one !== null)),
        ])(),
      ],
    ];
  }

  #parameters(): Written {
    const chance = this.#chance;
    const value = (): Written => {
      const said = chance.pick(["0", "1", "2", "3", "-1", "x", "", "true", "1.5", " 1", "1x", "99"]);
      return chance.oneIn(12) ? message() : message(["string_value", text(said)]);
    };
    return map(
      Object.fromEntries(chance.times(chance.pick([1, 1, 2]), () => [chance.pick(parameterNames), value()])),
    );
  }

  #warmup(): Written {
    const chance = this.#chance;
    const inputs = this.#graph.inputs.filter(() => !chance.oneIn(12));
    const fields: WrittenField[] = [];
    if (!chance.oneIn(6)) fields.push(["name", text(chance.pick(["w", "w", "", "é"]))]);
    if (!chance.oneIn(5)) fields.push(["batch_size", integer(chance.pick([1, 1, 1, 0, 2, 4, 5]))]);
    fields.push([
      "inputs",
      map(Object.fromEntries(inputs.map((input) => [input.name, this.#warmupInput(input)]))),
    ]);
    if (chance.oneIn(3)) fields.push(["count", integer(chance.below(4))]);
    return message(...fields);
  }

  #warmupInput({ type, dims }: GraphTensor): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [];
    if (!chance.oneIn(20)) fields.push(["data_type", dataType(chance.oneIn(16) ? "INT8" : type)]);
    const shape = dims.map((dim) => (dim === -1 && !chance.oneIn(6) ? 2 : dim));
    if (!chance.oneIn(20)) fields.push(["dims", integers(chance.oneIn(10) ? [3] : shape)]);
    const said = chance.pick(["zero_data", "zero_data", "random_data", "input_data_file", null]);
    if (said === "input_data_file")
      fields.push([said, text(chance.pick(["data", "short", "none", "../data"]))]);
    else if (said !== null) fields.push([said, bool(!chance.oneIn(5))]);
    return message(...fields);
  }

  #batchInput(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["kind", enumWord("BatchInput.Kind", chance.pick(modelConfigProto.enums.get("BatchInput.Kind") ?? []))],
      ["target_name", texts(chance.pick([["COUNT"], ["COUNT"], ["X"], [], ["a", "b"]]))],
      ["data_type", dataType(chance.pick(["FP32", "FP32", "INT32", "INT64"]))],
      ["source_input", texts(chance.pick([["X"], ["X"], ["Q"], [], ["X", "X"]]))],
    ];
    return message(...fields.filter(() => !chance.oneIn(16)));
  }

  #batchOutput(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["kind", enumWord("BatchOutput.Kind", "BATCH_SCATTER_WITH_INPUT_SHAPE")],
      ["target_name", texts(chance.pick([["Y"], ["Y"], ["Q"], ["Y", "Y"], ["Y", "N"]]))],
      ["source_input", texts(chance.pick([["X"], ["X"], ["Q"], [], ["X", "X"]]))],
    ];
    return message(...fields.filter(() => !chance.oneIn(16)));
  }

  #dynamicBatching(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [];
    const perhaps = (times: number, name: string, make: () => Written): void => {
      if (chance.oneIn(times)) fields.push([name, make()]);
    };
    perhaps(3, "preferred_batch_size", () => integers(chance.pick([[2], [4], [2, 4], [8], [0], [-1], []])));
    perhaps(4, "max_queue_delay_microseconds", () => integer(chance.pick([0, 100, 1000])));
    perhaps(5, "preserve_ordering", () => bool(!chance.oneIn(4)));
    perhaps(4, "priority_levels", () => integer(chance.pick([0, 1, 2, 3, 5])));
    perhaps(4, "default_priority_level", () => integer(chance.pick([0, 1, 2, 3])));
    perhaps(5, "default_queue_policy", () => this.#queuePolicy());
    perhaps(6, "priority_queue_policy", () => ({
      kind: "map",
      entries: chance.times(
        chance.between(1, 2),
        () => [integer(chance.below(4)), this.#queuePolicy()] as const,
      ),
    }));
    return message(...fields);
  }

  #queuePolicy(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["timeout_action", enumWord("ModelQueuePolicy.TimeoutAction", chance.pick(["REJECT", "DELAY"]))],
      ["default_timeout_microseconds", integer(chance.pick([0, 60_000_000]))],
      ["allow_timeout_override", bool(chance.oneIn(2))],
      ["max_queue_size", integer(chance.pick([0, 8, 100]))],
    ];
    return message(...fields.filter(() => chance.oneIn(2)));
  }

  #sequenceBatching(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [];
    const perhaps = (times: number, name: string, make: () => Written): void => {
      if (chance.oneIn(times)) fields.push([name, make()]);
    };
    if (chance.oneIn(3))
      fields.push(
        chance.pick<() => WrittenField>([
          () => [
            "direct",
            message(
              ["max_queue_delay_microseconds", integer(chance.pick([0, 100]))],
              ["minimum_slot_utilization", float(chance.pick([0, 0.5, 1, 1.5, -0.1, Number.NaN]))],
            ),
          ],
          () => ["oldest", this.#oldest()],
        ])(),
      );
    perhaps(4, "max_sequence_idle_microseconds", () => integer(chance.pick([0, 5_000_000])));
    const controls = this.#controls();
    if (controls.length > 0) fields.push(["control_input", list(controls)]);
    if (this.#graph.name === "state" ? !chance.oneIn(4) : chance.oneIn(6))
      fields.push(["state", list(chance.times(chance.pick([1, 1, 1, 2]), () => this.#state()))]);
    perhaps(20, "iterative_sequence", () => bool(true));
    return message(...fields);
  }

  #oldest(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["max_candidate_sequences", integer(chance.pick([4, 4, 1, 0, -1]))],
      ["preferred_batch_size", integers(chance.pick([[2], [4], [8], [0], []]))],
      ["max_queue_delay_microseconds", integer(chance.pick([0, 100]))],
      ["preserve_ordering", bool(chance.oneIn(2))],
    ];
    return message(...fields.filter(() => !chance.oneIn(3)));
  }

  #controls(): Written[] {
    const chance = this.#chance;
    const type = this.#graph.inputs.find(({ name }) => name === "START")?.type ?? "FP32";
    const kinds = ["START", "READY", "END", "CORRID"].filter(() => !chance.oneIn(6));
    const known = this.#graph.inputs.some(({ name }) => name === "START");
    if (!known && !chance.oneIn(3)) return [];
    return kinds.map((kind) => {
      const controls = chance.times(chance.oneIn(20) ? 2 : 1, () => this.#control(kind, type));
      return message(["name", text(chance.oneIn(30) ? "Q" : kind)], ["control", list(controls)]);
    });
  }

  #control(kind: string, type: string): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["kind", enumWord("ModelSequenceBatching.Control.Kind", `CONTROL_SEQUENCE_${kind}`)],
    ];
    const pair = chance.pick([[0, 1], [0, 1], [0, 1], [1, 0], [0, 2], [1], []]);
    const said = chance.oneIn(16) ? chance.pick(["FP32", "INT32", "BOOL"]) : type;
    if (kind === "CORRID") {
      fields.push([
        "data_type",
        dataType(
          chance.weighted([
            [12, "UINT64"],
            [1, "STRING"],
            [1, "FP32"],
            [1, "INT64"],
            [1, "INT32"],
          ]),
        ),
      ]);
      if (!chance.oneIn(20)) return message(...fields);
    }
    if (said === "BOOL") fields.push(["bool_false_true", list(pair.map((one) => bool(one === 1)))]);
    else if (said === "INT32") fields.push(["int32_false_true", integers(pair)]);
    else fields.push(["fp32_false_true", list(pair.map(float))]);
    return message(...fields);
  }

  #stateDims(): Written {
    return integers(
      this.#chance.weighted([
        [10, [1]],
        [1, [-1]],
        [1, [2]],
        [1, []],
      ]),
    );
  }

  #state(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["input_name", text(chance.oneIn(10) ? "IN" : "STATE_IN")],
      ["output_name", text(chance.oneIn(10) ? "OUT" : "STATE_OUT")],
      ["data_type", dataType(chance.oneIn(10) ? "FP32" : "INT32")],
      ["dims", this.#stateDims()],
    ];
    if (chance.oneIn(2))
      fields.push([
        "initial_state",
        list(chance.times(chance.pick([1, 1, 1, 2]), () => this.#initialState())),
      ]);
    if (chance.oneIn(10)) fields.push(["use_same_buffer_for_input_output", bool(true)]);
    if (chance.oneIn(20)) fields.push(["use_growable_memory", bool(true)]);
    return message(...fields.filter(() => !chance.oneIn(24)));
  }

  #initialState(): Written {
    const chance = this.#chance;
    const fields: WrittenField[] = [
      ["name", text("z")],
      ["data_type", dataType(chance.oneIn(10) ? "FP32" : "INT32")],
      ["dims", this.#stateDims()],
      chance.weighted<WrittenField>([
        [4, ["zero_data", bool(true)]],
        [1, ["zero_data", bool(false)]],
        [2, ["data_file", text(chance.pick(["four", "short", "none"]))]],
      ]),
    ];
    return message(...fields.filter(() => !chance.oneIn(16)));
  }
}

const formats = ["FORMAT_NONE", "FORMAT_NHWC", "FORMAT_NCHW"];

const parameterNames = [
  "intra_op_thread_count",
  "inter_op_thread_count",
  "execution_mode",
  "enable_mem_arena",
  "enable_mem_pattern",
  "memory.enable_memory_arena_shrinkage",
  "session.set_denormal_as_zero",
  "session.intra_op.allow_spinning",
  "use_device_allocator_for_initializers",
  "disable_prepacking",
  "enable_global_threadpool",
  "optimization.minimal_build_optimizations",
  "default-max-batch-size",
  "level",
  "x",
  "",
];

const isControl = (name: string): boolean =>
  ["START", "END", "READY", "CORRID", "STATE_IN", "COUNT"].includes(name);

const shuffle = <T>(items: T[], chance: Chance): void => {
  for (let index = items.length - 1; index > 0; index--) {
    const other = chance.below(index + 1);
    const [a, b] = [items[index], items[other]];
    if (a === undefined || b === undefined) continue;
    items[index] = b;
    items[other] = a;
  }
};
