import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parameterNames } from "../../../../emulator/backends/synthetic/declaration.ts";
import { SyntheticBackend } from "../../../../emulator/backends/synthetic/synthetic-backend.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { declaredMemoryNames } from "../../../../emulator/core/memory/declared-memory.ts";
import {
  type AllocationOwner,
  type MemoryDemand,
  type PoolName,
  UnlimitedMemoryAccount,
} from "../../../../emulator/core/memory/memory-account.ts";
import type { OutputTensor } from "../../../../emulator/core/tensor/inference-request.ts";
import {
  type Call,
  type CoreFixture,
  type FixtureModel,
  type FixtureOptions,
  int32,
  tensor,
  tritonServer,
} from "../../../support/core-fixture.ts";

/** As a configuration spells it: bytes are the core's, the rest the backend's. */
const parameterOf = (name: string): string =>
  declaredMemoryNames.includes(`memory.${name}`) ? `memory.${name}` : `synthetic.${name}`;

/** One INT32 input IN and output OUT of one element, one CPU instance, unless `fields` say so. */
const syntheticModel = (
  parameters: Readonly<Record<string, string>> = {},
  {
    fields = "",
    input = "dims: [ 1 ]",
    output = 'name: "OUT" data_type: TYPE_INT32 dims: [ 1 ]',
    group = "kind: KIND_CPU count: 1",
  }: {
    readonly fields?: string;
    readonly input?: string;
    readonly output?: string;
    readonly group?: string;
  } = {},
): string =>
  [
    'backend: "synthetic"',
    `input { name: "IN" data_type: TYPE_INT32 ${input} }`,
    `output { ${output} }`,
    `instance_group { ${group} }`,
    fields,
    ...Object.entries(parameters).map(
      ([name, value]) =>
        `parameters { key: "${parameterOf(name)}" value { string_value: ${JSON.stringify(value)} } }`,
    ),
  ].join("\n");

const server = (
  models: Readonly<Record<string, FixtureModel>>,
  { seed = 1, ...options }: FixtureOptions & { readonly seed?: number } = {},
): CoreFixture =>
  tritonServer({
    models,
    backends: (clock) => [new SyntheticBackend({ clock, random: new Random(seed) })],
    ...options,
  });

/** A server that has loaded `m`, however long that took. */
const loaded = (config: string, options: FixtureOptions & { readonly seed?: number } = {}): CoreFixture => {
  const fixture = server({ m: config }, options);
  const call = fixture.load("m");
  fixture.clock.runAll();
  if (call.error !== null) throw call.error;
  if (!call.done) throw new Error("m did not load");
  return fixture;
};

const loadError = (config: string, options: FixtureOptions = {}): string | undefined => {
  const fixture = server({ m: config }, options);
  const call = fixture.load("m");
  fixture.clock.runAll();
  return call.error === null ? undefined : fixture.index().find((row) => row.startsWith("m:1 "));
};

/** Sends one request and waits for it: its answer and how long it took. */
const ask = (fixture: CoreFixture, fields: Parameters<CoreFixture["infer"]>[1] = {}): Call => {
  const call = fixture.infer("m", fields);
  fixture.clock.runAll();
  if (call.error !== null) throw call.error;
  return call;
};

const runUs = (fixture: CoreFixture, fields: Parameters<CoreFixture["infer"]>[1] = {}): number => {
  const sentUs = fixture.clock.now();
  return ask(fixture, fields).answeredUs! - sentUs;
};

const outputsOf = (call: Call): readonly OutputTensor[] => call.responses[0]!.outputs;

const dataOf = (call: Call): number[] => [...outputsOf(call)[0]!.data];

/** Keeps what was asked for, by instance or model. */
class RecordingAccount extends UnlimitedMemoryAccount {
  readonly asked: Record<string, readonly MemoryDemand[]> = {};

  override reserve(owner: AllocationOwner, demands: readonly MemoryDemand[]) {
    this.asked[owner.instance ?? owner.model ?? ""] = demands;
    return super.reserve(owner, demands);
  }
}

describe("synthetic backend: time", () => {
  test("a load takes load_us, an unload unload_us", () => {
    const fixture = server({ m: syntheticModel({ load_us: "2000000", unload_us: "30000" }) });
    const load = fixture.load("m");
    fixture.clock.advance(1_999_999);
    expect(load.done).toBe(false);
    fixture.clock.advance(1);
    expect(load).toEqual({ done: true, error: null });
    const unload = fixture.unload("m");
    expect(unload.done).toBe(true);
    fixture.clock.advance(29_999);
    expect(fixture.index()).toEqual(["m:1 UNLOADING"]);
    fixture.clock.advance(1);
    expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded"]);
  });

  test.each([
    ["instance", 3000],
    ["device", 1000],
  ])("weights per %s: a load of three instances takes %i us", (weightsPer, us) => {
    const config = syntheticModel(
      { load_us: "1000", weights_per: weightsPer },
      { group: "kind: KIND_CPU count: 3" },
    );
    expect(loaded(config).clock.now()).toBe(us);
  });

  test("the first run of an instance is cold, those after it warm, and rows add up", () => {
    const fixture = loaded(
      syntheticModel(
        { cold_us: "500000", warm_us: "1000", item_us: "10.5" },
        { fields: "max_batch_size: 8" },
      ),
    );
    expect(runUs(fixture, { rows: 1 })).toBeCloseTo(500_010.5, 6);
    expect(runUs(fixture, { rows: 1 })).toBeCloseTo(1010.5, 6);
    expect(runUs(fixture, { rows: 8 })).toBeCloseTo(1084, 6);
    expect(fixture.statistics("m").inference_stats.compute_infer.ns).toBe(502_105_000);
  });

  test("without cold_us the first run is as any other", () => {
    const fixture = loaded(syntheticModel({ warm_us: "700" }));
    expect([runUs(fixture), runUs(fixture)]).toEqual([700, 700]);
  });

  test("a warm-up takes the cold run", () => {
    const fixture = loaded(
      syntheticModel(
        { cold_us: "9000", warm_us: "100" },
        {
          fields:
            'model_warmup { name: "w" batch_size: 1 inputs { key: "IN" value { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } } }',
        },
      ),
    );
    expect(runUs(fixture)).toBe(100);
  });

  test("the same seed gives the same times, another one others", () => {
    const times = (seed: number): number[] => {
      const fixture = loaded(
        syntheticModel(
          { load_us: "uniform(1,1000)", warm_us: "lognormal(5000,0.4)", item_us: "exponential(30)" },
          { fields: "max_batch_size: 4" },
        ),
        { seed },
      );
      return [fixture.clock.now(), ...[1, 2, 3, 4].map((rows) => runUs(fixture, { rows }))];
    };
    expect(times(7)).toEqual(times(7));
    expect(new Set([...times(7), ...times(8)]).size).toBe(10);
  });
});

describe("synthetic backend: memory", () => {
  const bytes = {
    host_weights_bytes: "1000",
    gpu_weights_bytes: "20KiB",
    host_arena_bytes_per_row: "7",
    gpu_arena_bytes_per_row: "11",
    gpu_workspace_bytes: "1MiB",
  };
  const used = (fixture: CoreFixture, ...pools: PoolName[]): number[] =>
    pools.map((pool) => fixture.account.used(pool));
  const onGpus = (count: number) => ({
    fields: "max_batch_size: 4",
    group: `kind: KIND_GPU count: ${count}`,
  });

  test("instances hold what is declared, each on its own GPU, until they are unloaded", () => {
    const fixture = loaded(syntheticModel(bytes, onGpus(2)), { gpuCount: 2 });
    const gpu = 2 * (20 * 1024 + 4 * 11 + 1024 * 1024);
    expect(used(fixture, "host", "gpu:0", "gpu:1")).toEqual([4 * (1000 + 4 * 7), gpu, gpu]);
    fixture.unload("m");
    fixture.clock.runAll();
    expect(used(fixture, "host", "gpu:0", "gpu:1")).toEqual([0, 0, 0]);
  });

  test("weights_per device: the host holds them once, and each GPU once", () => {
    const fixture = loaded(syntheticModel({ ...bytes, weights_per: "device" }, onGpus(3)), { gpuCount: 2 });
    const gpu = 20 * 1024 + 3 * (4 * 11 + 1024 * 1024);
    expect(used(fixture, "host", "gpu:0", "gpu:1")).toEqual([1000 + 6 * 4 * 7, gpu, gpu]);
  });

  const staged = { host_weights_bytes: "10", host_staging_bytes: "300", gpu_staging_bytes: "5" };

  test("staging is asked for with the weights: by each instance", () => {
    const account = new RecordingAccount();
    loaded(syntheticModel(staged, onGpus(2)), { gpuCount: 1, account });
    const demands = [
      { pool: "host", kind: "weights", bytes: 10 },
      { pool: "host", kind: "staging", bytes: 300 },
      { pool: "gpu:0", kind: "staging", bytes: 5 },
    ];
    expect(account.asked).toEqual({ m: [], m_0_0: demands, m_0_1: demands });
  });

  test("staging is asked for with the weights: once where every device holds them once", () => {
    const account = new RecordingAccount();
    loaded(syntheticModel({ ...staged, weights_per: "device" }, onGpus(1)), { gpuCount: 2, account });
    expect(account.asked).toEqual({
      m: [
        { pool: "host", kind: "weights", bytes: 10 },
        { pool: "host", kind: "staging", bytes: 300 },
        { pool: "gpu:0", kind: "staging", bytes: 5 },
        { pool: "gpu:1", kind: "staging", bytes: 5 },
      ],
      m_0_0: [],
      m_0_1: [],
    });
  });

  test("a model that does not batch has an arena of one row", () => {
    const fixture = loaded(syntheticModel({ host_arena_bytes_per_row: "13" }));
    expect(used(fixture, "host")).toEqual([13]);
  });

  test("a failed load holds nothing", () => {
    const fixture = server({ m: syntheticModel({ host_weights_bytes: "10", load_us: "soon" }) });
    expect(fixture.load("m").error).not.toBeNull();
    expect(used(fixture, "host")).toEqual([0]);
  });
});

describe("synthetic backend: answers", () => {
  const hash = { outputs: "hash" };
  const batching = { fields: "max_batch_size: 4" };

  test("zeros by default, empty strings where the output is one of strings", () => {
    expect(dataOf(ask(loaded(syntheticModel()), { value: 5 }))).toEqual([0, 0, 0, 0]);
    const strings = loaded(syntheticModel({}, { output: 'name: "OUT" data_type: TYPE_STRING dims: [ 2 ]' }));
    expect(dataOf(ask(strings))).toEqual(new Array(8).fill(0));
  });

  test("hash: the same input gives the same answer on another server, another input another", () => {
    const answer = (value: number): number[] => dataOf(ask(loaded(syntheticModel(hash)), { value }));
    expect(answer(5)).toEqual(answer(5));
    expect(answer(5)).not.toEqual(answer(6));
  });

  test("hash: outputs differ from each other, and the shape of an input counts", () => {
    const fixture = loaded(
      syntheticModel(hash, {
        input: "dims: [ -1, -1 ]",
        fields: 'output { name: "MORE" data_type: TYPE_INT32 dims: [ 1 ] }',
      }),
    );
    const answer = (...shape: number[]) => outputsOf(ask(fixture, { inputs: [tensor({ shape })] }));
    const [out, more] = answer(2, 3);
    expect(out!.data).not.toEqual(more!.data);
    expect(answer(3, 2)[0]!.data).not.toEqual(out!.data);
  });

  test("hash: a row's answer does not depend on the rows beside it", () => {
    const fixture = loaded(syntheticModel(hash, batching));
    const together = dataOf(ask(fixture, { inputs: [tensor({ shape: [2, 1], data: int32(3, 4) })] }));
    const alone = [3, 4].flatMap((value) => dataOf(ask(fixture, { value })));
    expect(together).toEqual(alone);
    expect(together.slice(0, 4)).not.toEqual(together.slice(4));
  });

  test.each([
    ["TYPE_BOOL", 1],
    ["TYPE_UINT8", 1],
    ["TYPE_INT16", 2],
    ["TYPE_INT32", 4],
    ["TYPE_UINT64", 8],
    ["TYPE_FP16", 2],
    ["TYPE_BF16", 2],
    ["TYPE_FP32", 4],
    ["TYPE_FP64", 8],
  ])("hash: %s outputs have values of their type", (type, size) => {
    const fixture = loaded(syntheticModel(hash, { output: `name: "OUT" data_type: ${type} dims: [ 50 ]` }));
    const { data } = outputsOf(ask(fixture))[0]!;
    expect(data.byteLength).toBe(50 * size);
    expect(
      new Set(
        Buffer.from(data)
          .toString("hex")
          .match(new RegExp(`.{${2 * size}}`, "g")),
      ).size,
    ).toBeGreaterThan(1);
    if (type === "TYPE_BOOL") expect(Math.max(...data)).toBe(1);
    const halves = { TYPE_FP16: [0x38, 0x3b], TYPE_BF16: [0x3f, 0x3f] }[type];
    if (halves !== undefined) {
      const high = [...data].filter((_, index) => index % 2 === 1);
      expect(Math.min(...high)).toBeGreaterThanOrEqual(halves[0]!);
      expect(Math.max(...high)).toBeLessThanOrEqual(halves[1]!);
    }
    if (type === "TYPE_FP32") {
      const values = [...new Float32Array(data.slice().buffer)];
      expect(values.every((value) => value >= 0 && value <= 1)).toBe(true);
    }
  });

  test("hash: strings are eight hexadecimal digits each", () => {
    const fixture = loaded(
      syntheticModel(hash, { output: 'name: "OUT" data_type: TYPE_STRING dims: [ 2 ]' }),
    );
    const text = Buffer.from(outputsOf(ask(fixture))[0]!.data).toString("latin1");
    const [before, first, between, second, ...more] = text.split(/([0-9a-f]{8})/);
    expect([before, between, ...more]).toEqual(["\b\0\0\0", "\b\0\0\0", ""]);
    expect(first).not.toBe(second);
  });

  test("hash: rows of strings are told apart by their own bytes", () => {
    const config = syntheticModel(hash, batching).replace("TYPE_INT32", "TYPE_STRING");
    const fixture = loaded(config);
    const strings = (...texts: string[]) =>
      tensor({
        datatype: "BYTES",
        shape: [texts.length, 1],
        data: Buffer.concat(texts.map((text) => Buffer.concat([int32(text.length), Buffer.from(text)]))),
      });
    const [together, long, short] = [strings("long text", "x"), strings("long text"), strings("x")].map(
      (input) => dataOf(ask(fixture, { inputs: [input] })),
    );
    expect(together).toEqual([...long!, ...short!]);
    expect(long).not.toEqual(short);
  });

  test("dimensions of -1 are those of the input, the others stay", () => {
    const fixture = loaded(
      syntheticModel(
        {},
        { ...batching, input: "dims: [ -1, 2 ]", output: 'name: "OUT" data_type: TYPE_FP16 dims: [ -1, 7 ]' },
      ),
    );
    const call = ask(fixture, { inputs: [tensor({ shape: [3, 5, 2] })] });
    expect(outputsOf(call)[0]).toMatchObject({ shape: [3, 5, 7], datatype: "FP16" });
    expect(outputsOf(call)[0]!.data.byteLength).toBe(3 * 5 * 7 * 2);
  });

  test("only outputs that are asked for are made", () => {
    const fixture = loaded(
      syntheticModel({}, { fields: 'output { name: "MORE" data_type: TYPE_INT8 dims: [ 2 ] }' }),
    );
    expect(outputsOf(ask(fixture)).map(({ name }) => name)).toEqual(["OUT", "MORE"]);
    expect(outputsOf(ask(fixture, { requestedOutputs: ["MORE"] })).map(({ name }) => name)).toEqual(["MORE"]);
  });

  test("an output too large to make is an error of the request", () => {
    const fixture = loaded(
      syntheticModel({}, { output: 'name: "OUT" data_type: TYPE_INT8 dims: [ 65536, 65536 ]' }),
    );
    const call = fixture.infer("m", { id: "big" });
    fixture.clock.runAll();
    expect(call.error?.asString()).toBe(
      "Internal: [request id: big] output 'OUT' would have 4294967296 bytes, the synthetic backend makes at most 2147483648",
    );
  });
});

describe("synthetic backend: declarations that are refused", () => {
  const twoInputs = {
    input: "dims: [ -1 ]",
    output: 'name: "OUT" data_type: TYPE_INT32 dims: [ -1 ]',
    fields: 'input { name: "OTHER" data_type: TYPE_INT32 dims: [ 4 ] }',
  };
  test.each<[string, string, Parameters<typeof syntheticModel>[1], string]>([
    [
      "warm_us",
      "fast",
      {},
      "is 'fast', expected microseconds from 0 to 86400000000 (a day), uniform(lowest,highest), normal(mean,deviation), " +
        "lognormal(median,deviation of the logarithm, at most 10) or exponential(mean)",
    ],
    ["outputs", "random", {}, "is 'random', expected zeros or hash"],
    ["shape_of.NONE", "IN", {}, "is 'IN', but the model has no output 'NONE': it has 'OUT'"],
    ["shape_of.OUT", "NONE", {}, "is 'NONE', expected the name of an input: 'IN'"],
    [
      "shape_of.OUT",
      "IN",
      { output: 'name: "OUT" data_type: TYPE_INT32 dims: [ -1, 3 ]' },
      "is 'IN', expected an input that is not optional and has 2 dimensions, as the output has",
    ],
    [
      "latency",
      "5",
      {},
      `is '5', but the synthetic backend knows no such parameter, only ${parameterNames.join(", ")}; bytes are stated as 'memory.'`,
    ],
  ])("%s: %j", (name, value, shape, text) => {
    expect(loadError(syntheticModel({ [name]: value }, shape))).toBe(
      `m:1 UNAVAILABLE Invalid argument: model 'm': parameter '${parameterOf(name)}' ${text}`,
    );
  });

  test("two inputs could give a free dimension: the model has to say which", () => {
    expect(loadError(syntheticModel({}, twoInputs))).toBe(
      "m:1 UNAVAILABLE Invalid argument: model 'm': output 'OUT' has a dimension of -1, so parameter " +
        "'synthetic.shape_of.OUT' has to name the input that gives it, one of 'IN', 'OTHER'",
    );
    expect(loadError(syntheticModel({ "shape_of.OUT": "OTHER" }, twoInputs))).toBeUndefined();
  });

  test("parameters of other people are left alone", () => {
    const config = `${syntheticModel()}\nparameters { key: "intra_op_thread_count" value { string_value: "x" } }`;
    expect(loadError(config)).toBeUndefined();
  });
});

describe("docs/synthetic-backend.md", () => {
  const page = readFileSync(new URL("../../../../docs/synthetic-backend.md", import.meta.url), "utf8");
  const snippets = [...page.matchAll(/^```\n(name: "(\w+)".*?)^```$/gms)];

  test.each(snippets.map(([, config, name]) => [name!, config!]))("its model %s loads", (name, config) => {
    const fixture = server({ [name]: config }, { gpuCount: 1 });
    const call = fixture.load(name);
    fixture.clock.runAll();
    expect(call).toEqual({ done: true, error: null });
    expect(fixture.account.used("host") + fixture.account.used("gpu:0")).toBeGreaterThan(2 ** 28);
  });

  test("has both snippets, and its table every parameter and no other", () => {
    expect(snippets).toHaveLength(2);
    const table = page.split("## Parameters")[1]!.split("\n\n")[1]!;
    const named = [...table.matchAll(/`(synthetic\.[\w.<>]+)`/g)].map(([, name]) => name);
    expect(named.sort()).toEqual([...parameterNames].sort());
  });
});
