import { expect, test } from "vitest";
import { ok, type Result, type TritonError } from "../../../emulator/common/status.ts";
import {
  type Call,
  type CoreFixture,
  epochMs,
  modelConfig,
  tritonServer,
} from "../../support/core-fixture.ts";
import {
  backendDocument,
  profilesOf,
  serverDocument,
  smallMachine,
  startLedger,
} from "../../support/ledger-fixture.ts";
import { LimitedAccount } from "../../support/limited-account.ts";
import { backendError } from "../../support/scripted-backend.ts";

/** Its warm-up run takes time. */
const slowToLoad = modelConfig(
  `model_warmup { name: "w" batch_size: 1 inputs { key: "IN" value { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } } }`,
);

/** Ends the server and keeps what the end says. */
const stop = (fixture: CoreFixture, timeoutSecs = 30): { clean: boolean | null } => {
  const ended: { clean: boolean | null } = { clean: null };
  fixture.server.stop(timeoutSecs, (clean) => {
    if (ended.clean !== null) throw new Error("stop: answered twice");
    ended.clean = clean;
  });
  return ended;
};

const logOfStop = (fixture: CoreFixture): string[] =>
  fixture.logged.slice(fixture.logged.indexOf("Waiting for in-flight requests to complete."));

test("start, control mode none: loads every model before the server is live", () => {
  const fixture = tritonServer({ modelControlMode: "none", models: { a: modelConfig(), b: modelConfig() } });
  expect(fixture.startError).toBeNull();
  expect([fixture.server.isLive(), fixture.server.isReady()]).toEqual([true, true]);
  expect(fixture.index()).toEqual(["a:1 READY", "b:1 READY"]);
});

test("start, explicit: loads nothing but the models named", () => {
  const models = { a: modelConfig(), b: modelConfig() };
  expect(tritonServer({ models }).index()).toEqual(["a", "b"]);
  expect(tritonServer({ models, startupModels: ["b"] }).index()).toEqual(["a", "b:1 READY"]);
  expect(tritonServer({ models, startupModels: ["*"] }).index()).toEqual(["a:1 READY", "b:1 READY"]);
});

test("server that starts: is not live until its models are loaded", () => {
  const fixture = tritonServer();
  expect(fixture.started).toBe(true);
  const slow = tritonServer({
    modelControlMode: "none",
    models: {
      m: slowToLoad,
    },
  });
  expect([slow.started, slow.server.isLive(), slow.server.isReady()]).toEqual([false, false, false]);
  slow.clock.runAll();
  expect([slow.started, slow.server.isLive(), slow.server.isReady()]).toEqual([true, true, true]);
});

test("start: fails with the text of the control mode, when a model fails and exit-on-error is set", () => {
  const models = { good: modelConfig(), bad: `backend: "nosuch"` };
  const errorOf = (options: Parameters<typeof tritonServer>[0]): string | undefined =>
    tritonServer({ models, ...options }).startError?.asString();
  expect(errorOf({ modelControlMode: "none" })).toBe("Internal: failed to load all models");
  expect(errorOf({ startupModels: ["nope"] })).toBe("Internal: failed to load all models");
  expect(errorOf({ startupModels: ["good", "bad"] })).toBe(
    "Invalid argument: load failed for model 'bad': version 1 is at UNAVAILABLE state: Invalid argument: unable to find backend library for backend 'nosuch', try specifying runtime on the model configuration.;\n",
  );
  expect(errorOf({ modelControlMode: "none", exitOnError: false })).toBeUndefined();
});

test("start: fails in every mode, when a repository is not there", () => {
  for (const modelControlMode of ["none", "poll", "explicit"] as const) {
    const fixture = tritonServer({ modelControlMode, modelRepositories: ["absent"], exitOnError: false });
    expect(fixture.startError?.code).toBe("INTERNAL");
  }
});

test("readiness: a failed model counts only with strict readiness", () => {
  for (const strictReadiness of [true, false]) {
    const fixture = tritonServer({ models: { bad: `backend: "nosuch"` }, strictReadiness });
    fixture.load("bad");
    expect(fixture.server.isReady()).toBe(!strictReadiness);
  }
});

test("metadata: gives the ready versions, and shapes with the batch dimension", () => {
  const fixture = tritonServer({
    models: { m: { config: modelConfig("max_batch_size: 4 version_policy { all { } }"), versions: [1, 2] } },
    loaded: ["m"],
  });
  const io = [{ datatype: "INT32", shape: [-1, 1] }];
  const inputs = [{ name: "IN", ...io[0] }];
  const outputs = [{ name: "OUT", ...io[0] }];
  expect(fixture.server.modelMetadata("m", -1)).toEqual(
    ok({ name: "m", versions: ["1", "2"], platform: "scripted", inputs, outputs }),
  );
  expect(fixture.server.modelMetadata("m", 1)).toMatchObject({ value: { versions: ["1"] } });
  expect(fixture.server.modelMetadata("x", -1)).toMatchObject({ error: { code: "NOT_FOUND" } });
});

test("statistics: of an unknown model or version are INVALID_ARG; all ready versions without a name", () => {
  const fixture = tritonServer({
    models: {
      b: modelConfig(),
      a: { config: modelConfig("version_policy { all { } }"), versions: [2, 10] },
      c: modelConfig(),
    },
    loaded: ["b", "a"],
  });
  const messageOf = (result: Result<unknown>): string | null => (result.ok ? null : result.error.asString());
  expect(messageOf(fixture.server.statistics("nope", -1))).toBe(
    "Invalid argument: requested model 'nope' is not available",
  );
  expect(messageOf(fixture.server.statistics("c", -1))).toBe(
    "Invalid argument: requested model 'c' is not available",
  );
  expect(messageOf(fixture.server.statistics("b", 9))).toBe(
    "Invalid argument: requested model version is not available for model 'b'",
  );
  const all = fixture.server.statistics(null, -1);
  expect(all.ok && all.value.map(({ name, version }) => `${name}:${version}`)).toEqual([
    "a:2",
    "a:10",
    "b:1",
  ]);
});

test("statistics: charge each request of a batch in full and keep the runs by batch size", () => {
  const fixture = tritonServer({
    models: { m: modelConfig("max_batch_size: 8 dynamic_batching { }") },
    loaded: ["m"],
  });
  fixture.backend.executeUs = 1_000;
  fixture.infer("m", { rows: 2 });
  fixture.infer("m", { rows: 3 });
  fixture.clock.runAll();
  const third = { count: 2, ns: 500_000 };
  expect(fixture.statistics("m")).toMatchObject({
    last_inference: epochMs + 1,
    inference_count: 5,
    execution_count: 1,
    inference_stats: {
      success: { count: 2, ns: 2_000_000 },
      fail: { count: 0, ns: 0 },
      queue: { count: 2, ns: 0 },
      compute_input: third,
      compute_infer: { count: 2, ns: 1_000_000 },
      compute_output: third,
    },
    batch_stats: [
      {
        batch_size: 5,
        compute_input: { count: 1, ns: 250_000 },
        compute_infer: { count: 1, ns: 500_000 },
        compute_output: { count: 1, ns: 250_000 },
      },
    ],
  });
});

test("statistics and metrics: a reload resets the first and continues the second; an unload ends both but failures", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  const reload = (): void => {
    fixture.clock.advance(5_000);
    fixture.storage.touch("repository/m/1/model.bin");
    fixture.load("m");
  };
  fixture.backend.responsesOf = (request) => [
    request.id === "bad"
      ? { final: true, error: backendError("x"), outputs: [] }
      : { final: true, outputs: [] },
  ];
  for (const id of ["a", "b", "bad"]) fixture.infer("m", { id });
  fixture.clock.runAll();
  reload();
  expect(fixture.statistics("m").inference_count).toBe(0);
  expect(fixture.metricsOf("m")).toMatchObject({ success: 2, inferences: 2, executions: 3 });
  fixture.infer("m");
  fixture.clock.runAll();
  expect(fixture.metricsOf("m").success).toBe(3);
  expect(fixture.statistics("m").inference_count).toBe(1);
  fixture.unload("m");
  expect(fixture.metrics.models()).toEqual([]);
  expect(fixture.metrics.failures().find(({ reason }) => reason === "BACKEND")?.count).toBe(1);
  fixture.load("m");
  expect(fixture.metricsOf("m")).toMatchObject({ success: 0, failures: { BACKEND: 1 } });
});

test("refused request: is counted nowhere", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  expect(fixture.infer("m", { inputs: [] }).error?.code).toBe("INVALID_ARG");
  expect(fixture.statistics("m").inference_stats.fail.count).toBe(0);
  expect(fixture.metricsOf("m").failures.OTHER).toBe(0);
});

test("stop: with nothing in flight unloads everything at once", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  expect(stop(fixture)).toEqual({ clean: true });
  expect(logOfStop(fixture)).toEqual([
    "Waiting for in-flight requests to complete.",
    "Timeout 30: Found 0 model versions that have in-flight inferences",
    "All models are stopped, unloading models",
    "successfully unloaded 'm' version 1",
    "Timeout 30: Found 0 live models and 0 in-flight non-inference requests",
  ]);
  expect(fixture.account.used("host")).toBe(0);
  expect([fixture.server.isLive(), fixture.server.isReady()]).toEqual([true, false]);
});

test("stop: counts the seconds while a batcher holds requests, refuses new ones, and ends with the last answer", () => {
  const fixture = tritonServer({ models: { m: modelConfig("dynamic_batching { }") }, loaded: ["m"] });
  fixture.backend.executeUs = 3_000_000;
  const calls: Call[] = [];
  for (let i = 0; i < 4; i++) {
    calls.push(fixture.infer("m"));
    fixture.clock.advance(200_000);
  }
  const ended = stop(fixture, 30);
  expect(fixture.infer("m", { id: "late" }).error?.asString()).toBe(
    "Unavailable: [request id: late] Server is stopping, scheduler for model has stopped accepting new inference requests",
  );
  fixture.clock.advance(5_000_000);
  expect(fixture.infer("m").error?.asString()).toBe(
    "Not found: Request for unknown model: 'm' has no available versions",
  );
  fixture.clock.advance(6_199_999);
  expect(ended.clean).toBeNull();
  fixture.clock.advance(1);
  expect(ended.clean).toBe(true);
  expect(calls.map(({ error, open }) => [error, open])).toEqual(new Array(4).fill([null, false]));
  expect(logOfStop(fixture).slice(0, 9)).toEqual([
    "Waiting for in-flight requests to complete.",
    "Timeout 30: Found 1 model versions that have in-flight inferences",
    "Model 'm' (version 1) has 1 in-flight inferences",
    "Timeout 29: Found 1 model versions that have in-flight inferences",
    "Model 'm' (version 1) has 1 in-flight inferences",
    "Timeout 28: Found 1 model versions that have in-flight inferences",
    "Model 'm' (version 1) has 1 in-flight inferences",
    "Timeout 27: Found 0 model versions that have in-flight inferences",
    "All models are stopped, unloading models",
  ]);
});

test("stop: without a batcher unloads at once, and what instances have before them is answered", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.executeUs = 1_500_000;
  const calls = [fixture.infer("m"), fixture.infer("m")];
  const ended = stop(fixture, 10);
  expect(fixture.infer("m").error?.asString()).toBe(
    "Not found: Request for unknown model: 'm' has no available versions",
  );
  fixture.clock.advance(3_000_000);
  expect(ended.clean).toBe(true);
  expect(calls.map(({ error, open }) => [error, open])).toEqual(new Array(2).fill([null, false]));
  expect(logOfStop(fixture)).toEqual([
    "Waiting for in-flight requests to complete.",
    "Timeout 10: Found 0 model versions that have in-flight inferences",
    "All models are stopped, unloading models",
    "Timeout 10: Found 1 live models and 0 in-flight non-inference requests",
    "Timeout 9: Found 1 live models and 0 in-flight non-inference requests",
    "Timeout 8: Found 1 live models and 0 in-flight non-inference requests",
    "successfully unloaded 'm' version 1",
    "Timeout 7: Found 0 live models and 0 in-flight non-inference requests",
  ]);
});

test("stop: says each second that a load is under way", () => {
  const fixture = tritonServer({ models: { m: slowToLoad } });
  fixture.backend.executeUs = 1_500_000;
  const load = fixture.load("m");
  const ended = stop(fixture, 10);
  fixture.clock.advance(1_999_999);
  expect([load.done, load.error, ended.clean]).toEqual([true, null, null]);
  fixture.clock.advance(1);
  expect(ended.clean).toBe(true);
  const busy = "a related model 'm' to a load/unload request is currently loading or unloading";
  expect(logOfStop(fixture).filter((line) => !line.startsWith("successfully loaded"))).toEqual([
    "Waiting for in-flight requests to complete.",
    "Timeout 10: Found 0 model versions that have in-flight inferences",
    busy,
    "Timeout 9: Found 0 model versions that have in-flight inferences",
    busy,
    "Timeout 8: Found 0 model versions that have in-flight inferences",
    "All models are stopped, unloading models",
    "successfully unloaded 'm' version 1",
    "Timeout 8: Found 0 live models and 0 in-flight non-inference requests",
  ]);
});

test("stop: gives up, when a load takes longer than it may, without unloading anything before", () => {
  const fixture = tritonServer({ models: { m: slowToLoad } });
  fixture.backend.executeUs = 7_000_000;
  fixture.load("m");
  const ended = stop(fixture, 2);
  fixture.clock.advance(1_999_999);
  expect(ended.clean).toBeNull();
  fixture.clock.advance(1);
  expect(ended.clean).toBe(false);
  expect(logOfStop(fixture)).not.toContain("All models are stopped, unloading models");
  fixture.clock.runAll();
});

test("stop: gives up once, when the time is over, whatever ends later", () => {
  for (const queued of [1, 3]) {
    const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
    fixture.backend.executeUs = 7_000_000;
    for (let i = 0; i < queued; i++) fixture.infer("m");
    const ended = stop(fixture, 2);
    fixture.clock.advance(1_999_999);
    expect(ended.clean).toBeNull();
    fixture.clock.advance(1);
    expect(ended.clean).toBe(false);
    fixture.clock.runAll();
  }
});

test("stop: gives up, when an instance does not go", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.releaseUs = 5_000_000;
  const ended = stop(fixture, 1);
  fixture.clock.runAll();
  expect(ended.clean).toBe(false);
});

test("stop with no time left: still unloads what is idle", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  expect(stop(fixture, 0)).toEqual({ clean: true });
});

test("stop: waits for a load that is under way and unloads what it loaded", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  fixture.backend.initializeUs = 2_000_000;
  const load = fixture.load("m");
  const ended = stop(fixture);
  fixture.clock.advance(1_000_000);
  expect(ended.clean).toBeNull();
  fixture.clock.runAll();
  expect([ended.clean, load.done]).toEqual([true, true]);
  expect(fixture.account.used("host")).toBe(0);
  expect(fixture.backend.events.at(-1)).toBe("finalize m:1");
});

test("stop: refuses loads and unloads from then on, those that wait included", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  let waiting: TritonError | null = null;
  fixture.server.loadModel("m", [], (error) => (waiting = error));
  stop(fixture);
  expect(fixture.load("m").error?.asString()).toBe("Unavailable: Server exiting");
  expect(fixture.unload("m").error?.asString()).toBe("Unavailable: Server exiting");
  expect(waiting).toMatchObject({ code: "UNAVAILABLE" });
  expect(fixture.backend.events).toEqual([]);
});

test("stop while the server starts: it does not become ready afterwards", () => {
  const fixture = tritonServer({
    modelControlMode: "poll",
    models: {
      m: slowToLoad,
    },
  });
  expect(fixture.started).toBe(false);
  const ended = stop(fixture);
  fixture.clock.runAll();
  expect([ended.clean, fixture.server.isReady()]).toEqual([true, false]);
});

test("memory: a load that is refused anything fails, and gives back what it had", () => {
  const cause = (what: string): string =>
    `load failed for model 'm': version 1 is at UNAVAILABLE state: Unavailable: no room for ${what};\n`;
  for (const [limit, what, events] of [
    [999, "m", []],
    [1_099, "m_0_0", ["initialize m:1", "finalize m:1"]],
    [1_199, "m_0_1", ["initialize m:1", "create m:1 m_0_0", "release m:1 m_0_0", "finalize m:1"]],
  ] as const) {
    const fixture = tritonServer({ models: { m: modelConfig("", 2) }, account: new LimitedAccount(limit) });
    expect(fixture.load("m").error?.message).toBe(cause(what));
    expect(fixture.account.used("host")).toBe(0);
    expect(fixture.backend.events).toEqual(events);
  }
  const enough = tritonServer({ models: { m: modelConfig("", 2) }, account: new LimitedAccount(1_200) });
  expect(enough.load("m").error).toBeNull();
});

test("memory: what completing a configuration takes is gone before the first instance asks", () => {
  const fixture = tritonServer({ models: { m: modelConfig("", 2) }, account: new LimitedAccount(1_000) });
  fixture.backend.predictMemory = () => [{ pool: "host", kind: "staging", bytes: 1_000 }];
  expect(fixture.load("m").error).toBeNull();
  expect(fixture.account.used("host")).toBe(200);
});

test("memory: what loading an instance takes is gone before the next one asks", () => {
  const fixture = tritonServer({ models: { m: modelConfig("", 3) }, account: new LimitedAccount(1_100) });
  fixture.backend.instanceKind = "staging";
  expect(fixture.load("m").error).toBeNull();
  expect(fixture.account.used("host")).toBe(1_000);
});

test("memory: with a ledger each allocation says whose it is, and a GPU's refusal is the load's error", () => {
  const profiles = profilesOf(serverDocument(), backendDocument("scripted", { library: 30 }));
  const { ledger } = startLedger({ machine: smallMachine, profiles });
  const fixture = tritonServer({ models: { m: modelConfig() }, account: ledger });
  fixture.backend.modelBytes = 500;
  expect(fixture.load("m").error).toBeNull();
  expect(ledger.allocations()).toMatchObject([
    { owner: { backend: "scripted" }, kind: "library", bytes: 30 },
    { owner: { backend: "scripted", model: "m", version: 1 }, kind: "weights", bytes: 500 },
    { owner: { model: "m", version: 1, instance: "m_0_0" }, kind: "arena", bytes: 100 },
  ]);
  fixture.unload("m");
  expect(ledger.used("host")).toBe(30);
  fixture.backend.predictMemory = () => [{ pool: "gpu:0", kind: "weights", bytes: 101 }];
  expect(fixture.load("m").error?.message).toBe(
    "load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: no 101 on GPU 0;\n",
  );
});

test("memory: a reload needs room for both copies, and the old one stays where there is none", () => {
  const account = new LimitedAccount(2_000);
  const fixture = tritonServer({ models: { m: modelConfig() }, account, loaded: ["m"] });
  fixture.clock.advance(5_000);
  fixture.storage.touch("repository/m/1/model.bin");
  expect(fixture.load("m").error?.code).toBe("INVALID_ARG");
  expect([fixture.index(), account.used("host")]).toEqual([["m:1 READY"], 1_100]);
  account.limit = 2_200;
  expect(fixture.load("m").error).toBeNull();
  expect(account.used("host")).toBe(1_100);
});

test("memory: an instance that is refused in an in-place update leaves the others", () => {
  const account = new LimitedAccount(1_250);
  const fixture = tritonServer({ models: { m: modelConfig() }, account, loaded: ["m"] });
  fixture.clock.advance(5_000);
  fixture.storage.write("repository/m/config.pbtxt", modelConfig("", 3));
  expect(fixture.load("m").error?.message).toContain("no room for m_0_2");
  expect(account.used("host")).toBe(1_100);
  expect(fixture.infer("m").error).toBeNull();
  fixture.clock.runAll();
});

const gpuModel = `backend: "scripted"
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { kind: KIND_GPU count: 2 }
parameters { key: "memory.gpu_weights_bytes" value { string_value: "30" } }`;

test("memory: a GPU that is fuller than its limit with an instance refuses it, and gets its bytes back", () => {
  const profiles = profilesOf(serverDocument(), backendDocument("scripted"));
  const load = (limit: number) => {
    const { ledger } = startLedger({ machine: smallMachine, profiles });
    const modelLoadGpuLimit = new Map([[0, limit]]);
    const fixture = tritonServer({
      models: { m: gpuModel },
      account: ledger,
      gpuCount: 1,
      modelLoadGpuLimit,
    });
    return { error: fixture.load("m").error, used: ledger.used("gpu:0") };
  };
  expect(load(0.6)).toEqual({ error: null, used: 60 });
  const { error, used } = load(0.59);
  expect(error?.asString()).toBe(
    "Invalid argument: load failed for model 'm': version 1 is at UNAVAILABLE state: Unavailable: can not create model " +
      "'m_0_1': memory limit set for GPU 0 has exceeded, model loading is rejected.;\n",
  );
  expect(used).toBe(0);
});

test("trace settings: of a model that does not serve are refused", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  const message = (result: Result<unknown>): string | null => (result.ok ? null : result.error.asString());
  expect(message(fixture.server.traceSettings("m"))).toBe("Invalid argument: Request for unknown model : m");
  expect(message(fixture.server.updateTraceSettings("m", {}))).toBe(
    "Invalid argument: Request for unknown model : m",
  );
  fixture.load("m");
  expect(message(fixture.server.traceSettings("m"))).toBeNull();
});

test("log settings: are read and changed through the server", () => {
  const { server } = tritonServer();
  expect(server.updateLogSettings({ log_verbose_level: 2 })).toMatchObject({
    value: { log_verbose_level: 2 },
  });
  expect(server.logSettings().log_verbose_level).toBe(2);
});
