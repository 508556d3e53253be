import { expect, test } from "vitest";
import { type CoreFixture, modelConfig, tritonServer } from "../../../support/core-fixture.ts";
import { backendError } from "../../../support/scripted-backend.ts";

const path = "repository/m/config.pbtxt";
const reason = (model: string, version: number, cause: string): string =>
  `load failed for model '${model}': version ${version} is at UNAVAILABLE state: ${cause};\n`;

/** Changes a model file, so that the next load is a full reload. */
const changeFiles = (fixture: CoreFixture, model = "m"): void => {
  fixture.clock.advance(5_000);
  fixture.storage.touch(`repository/${model}/1/model.bin`);
};

const answerOf = (fixture: CoreFixture, version = -1): string | null => {
  const call = fixture.infer("m", { version });
  fixture.clock.advance(10_000);
  if (call.open) throw new Error("no answer");
  return call.error?.asString() ?? null;
};

test("load: makes the version READY, when model and instances are there", () => {
  const fixture = tritonServer({ models: { m: modelConfig("", 2) } });
  fixture.backend.initializeUs = 1_000;
  fixture.backend.createUs = 100;
  const load = fixture.load("m");
  expect(load.done).toBe(false);
  expect(fixture.index()).toEqual(["m:1 LOADING"]);
  expect(fixture.server.isReady()).toBe(false);
  fixture.clock.advance(1_200);
  expect(load).toEqual({ done: true, error: null });
  expect(fixture.index()).toEqual(["m:1 READY"]);
  expect(fixture.server.isReady()).toBe(true);
  expect(fixture.backend.events).toEqual(["initialize m:1", "create m:1 m_0_0", "create m:1 m_0_1"]);
  expect(fixture.logged).toEqual(expect.arrayContaining(["loading: m:1", "successfully loaded 'm'"]));
});

test("load: chance decides which instance is made next, and they keep their order", () => {
  const asked: (readonly string[])[] = [];
  const fixture = tritonServer({
    models: { m: modelConfig("", 3) },
    loaded: ["m"],
    instanceChance: {
      loadsNext: (instances) => {
        asked.push(instances);
        return instances.length - 1;
      },
      servesNext: () => 0,
    },
  });
  expect(asked).toEqual([
    ["m_0_0", "m_0_1", "m_0_2"],
    ["m_0_0", "m_0_1"],
  ]);
  const made = fixture.backend.events.filter((event) => event.startsWith("create"));
  expect(made).toEqual(["create m:1 m_0_2", "create m:1 m_0_1", "create m:1 m_0_0"]);
  fixture.infer("m");
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ instance }) => instance)).toEqual(["m_0_0"]);
});

test("version that loads: is not served", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  fixture.backend.initializeUs = 1_000_000;
  fixture.load("m");
  expect(answerOf(fixture)).toBe("Not found: Request for unknown model: 'm' has no available versions");
  expect(answerOf(fixture, 1)).toBe(
    "Unavailable: Request for unknown model: 'm' version 1 is not at ready state",
  );
  expect(fixture.server.isModelReady("m", 1)).toBe(false);
});

test("unload: answers at once; the version is UNLOADING until its last request is answered", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.executeUs = 1_000_000;
  const inFlight = fixture.infer("m", { id: "a" });
  const queued = fixture.infer("m", { id: "b" });
  expect(fixture.unload("m")).toEqual({ done: true, error: null });
  expect(fixture.index()).toEqual(["m:1 UNLOADING"]);
  expect(fixture.server.isReady()).toBe(false);
  expect(fixture.infer("m").error?.asString()).toBe(
    "Not found: Request for unknown model: 'm' has no available versions",
  );
  expect(fixture.infer("m", { version: 1 }).error?.asString()).toBe(
    "Unavailable: Request for unknown model: 'm' version 1 is not at ready state",
  );
  expect(fixture.infer("m", { version: 9 }).error?.asString()).toBe(
    "Not found: Request for unknown model: 'm' version 9 is not found",
  );
  fixture.clock.advance(2_000_000);
  expect([inFlight.error, queued.error]).toEqual([null, null]);
  expect(queued.answeredUs).toBe(2_000_000);
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded"]);
  expect(fixture.server.isReady()).toBe(true);
  expect(fixture.backend.events.slice(-2)).toEqual(["release m:1 m_0_0", "finalize m:1"]);
  expect(fixture.account.used("host")).toBe(0);
  expect(fixture.logged).toContain("successfully unloaded 'm' version 1");
});

test("unload: of what was never loaded is a success", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  expect(fixture.unload("m")).toEqual({ done: true, error: null });
  expect(fixture.unload("no_such_model")).toEqual({ done: true, error: null });
  expect(fixture.index()).toEqual(["m"]);
});

test("failed load: tells the version's status and keeps its row, also after an unload, until a good load", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  fixture.backend.failInitialize = () => backendError("no weights");
  const load = fixture.load("m");
  expect(load.error).toMatchObject({ code: "INVALID_ARG", message: reason("m", 1, "Internal: no weights") });
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE Internal: no weights"]);
  expect(fixture.server.isReady()).toBe(false);
  fixture.unload("m");
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE Internal: no weights"]);
  expect(fixture.server.isReady()).toBe(false);
  fixture.backend.failInitialize = () => null;
  expect(fixture.load("m").error).toBeNull();
  expect(fixture.index()).toEqual(["m:1 READY"]);
  expect(fixture.server.isReady()).toBe(true);
});

test("failed load: releases the instances that were made and the model", () => {
  const fixture = tritonServer({ models: { m: modelConfig("", 3) } });
  fixture.backend.failCreate = ({ name }) => (name === "m_0_2" ? backendError("third") : null);
  expect(fixture.load("m").error?.message).toBe(reason("m", 1, "Internal: third"));
  expect(fixture.backend.events.slice(-3)).toEqual([
    "release m:1 m_0_0",
    "release m:1 m_0_1",
    "finalize m:1",
  ]);
  expect(fixture.account.used("host")).toBe(0);
  expect(fixture.metrics.models()).toEqual([]);
});

test("unknown backend: fails the load", () => {
  const fixture = tritonServer({ models: { m: `backend: "nosuch"` } });
  expect(fixture.load("m").error?.message).toBe(
    reason(
      "m",
      1,
      "Invalid argument: unable to find backend library for backend 'nosuch', try specifying runtime on the model configuration.",
    ),
  );
});

test("several versions of which one fails: none of the new ones is kept", () => {
  const fixture = tritonServer({
    models: { m: { config: modelConfig("version_policy { all { } }"), versions: [1, 2] } },
  });
  fixture.backend.releaseUs = 1_000;
  fixture.backend.failInitialize = ({ version }) => (version === 2 ? backendError("second") : null);
  expect(fixture.load("m").error?.message).toBe(reason("m", 2, "Internal: second"));
  expect(fixture.index()).toEqual(["m:1 UNLOADING", "m:2 UNAVAILABLE Internal: second"]);
  expect(answerOf(fixture, 1)).toBe(
    "Unavailable: Request for unknown model: 'm' version 1 is not at ready state",
  );
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded", "m:2 UNAVAILABLE Internal: second"]);
  expect(fixture.account.used("host")).toBe(0);
});

test("several versions that fail: are all told", () => {
  const fixture = tritonServer({
    models: { m: { config: modelConfig("version_policy { all { } }"), versions: [1, 2] } },
  });
  fixture.backend.failInitialize = ({ version }) => backendError(`v${version}`);
  expect(fixture.load("m").error?.message).toBe(
    "load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: v1;version 2 is at UNAVAILABLE state: Internal: v2;\n",
  );
});

test("reload of changed files: the old copy serves until the new one is ready, and dies with its last request", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.initializeUs = 1_000_000;
  fixture.backend.executeUs = 3_000_000;
  changeFiles(fixture);
  const old = fixture.infer("m", { id: "old" });
  const load = fixture.load("m");
  fixture.clock.advance(999_999);
  expect([load.done, fixture.index(), fixture.server.isReady()]).toEqual([false, ["m:1 READY"], true]);
  expect(fixture.account.used("host")).toBe(2_100);
  fixture.clock.advance(1);
  expect(load).toEqual({ done: true, error: null });
  expect(fixture.account.used("host")).toBe(2_200);
  const young = fixture.infer("m", { id: "young" });
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["old", "young"]);
  fixture.clock.advance(2_000_000);
  expect([old.open, young.open]).toEqual([false, true]);
  expect(fixture.account.used("host")).toBe(1_100);
  expect(fixture.index()).toEqual(["m:1 READY"]);
});

test("failed reload: the old copy and its configuration stay", () => {
  const fixture = tritonServer({
    models: { m: modelConfig(`parameters { key: "a" value { string_value: "1" } }`) },
    loaded: ["m"],
  });
  fixture.clock.advance(5_000);
  fixture.storage.write(path, modelConfig());
  fixture.backend.failInitialize = () => backendError("broken");
  expect(fixture.load("m").error?.message).toBe(reason("m", 1, "Internal: broken"));
  expect(fixture.index()).toEqual(["m:1 READY"]);
  expect(answerOf(fixture)).toBeNull();
  const found = fixture.server.findVersion("m", -1);
  expect(found.ok && found.value.config.parameters.size).toBe(1);
  fixture.backend.failInitialize = () => null;
  expect(fixture.load("m").error).toBeNull();
  expect(fixture.backend.events.filter((event) => event === "initialize m:1")).toHaveLength(3);
});

test("load while the old copy unloads: works at once, and the old copy lives on unseen", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "old" ? 5_000_000 : 1_000);
  const old = fixture.infer("m", { id: "old" });
  fixture.unload("m");
  expect(fixture.index()).toEqual(["m:1 UNLOADING"]);
  expect(fixture.load("m")).toEqual({ done: true, error: null });
  expect([fixture.index(), fixture.server.isReady()]).toEqual([["m:1 READY"], true]);
  expect(answerOf(fixture)).toBeNull();
  fixture.clock.advance(5_000_000);
  expect(old.error).toBeNull();
  expect(fixture.index()).toEqual(["m:1 READY"]);
  expect(fixture.account.used("host")).toBe(1_100);
});

test("unload of the second copy: ends UNAVAILABLE only with that copy, when the first one lives longer", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "long" ? 5_000_000 : 1_000_000);
  fixture.infer("m", { id: "long" });
  fixture.unload("m");
  fixture.load("m");
  fixture.infer("m", { id: "short" });
  fixture.unload("m");
  fixture.clock.advance(999_999);
  expect(fixture.index()).toEqual(["m:1 UNLOADING"]);
  fixture.clock.advance(1);
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded"]);
  expect(fixture.account.used("host")).toBe(1_100);
  fixture.clock.advance(5_000_000);
  expect(fixture.account.used("host")).toBe(0);
});

test("unload of the second copy: stays UNLOADING until that copy is gone, when the first one goes before", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "long" ? 5_000_000 : 1_000_000);
  fixture.infer("m", { id: "short" });
  fixture.unload("m");
  fixture.load("m");
  fixture.infer("m", { id: "long" });
  fixture.unload("m");
  fixture.clock.advance(2_000_000);
  expect(fixture.index()).toEqual(["m:1 UNLOADING"]);
  fixture.clock.advance(3_000_000);
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded"]);
});

test("more instances: are added in place, beside the one that is there", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  answerOf(fixture);
  fixture.storage.write(path, modelConfig("", 3));
  fixture.load("m");
  expect(fixture.backend.events).toEqual([
    "initialize m:1",
    "create m:1 m_0_0",
    "create m:1 m_0_1",
    "create m:1 m_0_2",
  ]);
  expect(fixture.statistics("m").inference_count).toBe(1);
  for (const id of ["a", "b", "c"]) fixture.infer("m", { id });
  fixture.clock.settle();
  expect(new Set(fixture.backend.runs.slice(-3).map(({ instance }) => instance)).size).toBe(3);
});

test("fewer instances: the load waits until the surplus ones have gone, after their batch", () => {
  const fixture = tritonServer({ models: { m: modelConfig("", 2) }, loaded: ["m"] });
  fixture.backend.executeUs = 1_000_000;
  const calls = [fixture.infer("m"), fixture.infer("m"), fixture.infer("m")];
  fixture.clock.advance(5_000);
  fixture.storage.write(path, modelConfig("", 1));
  const load = fixture.load("m");
  expect(load.done).toBe(false);
  fixture.clock.advance(1_000_000);
  expect(load).toEqual({ done: true, error: null });
  fixture.clock.runAll();
  expect(calls.map(({ error, open }) => [error, open])).toEqual([
    [null, false],
    [null, false],
    [null, false],
  ]);
  expect(new Set(fixture.backend.runs.map(({ instance }) => instance)).size).toBe(2);
  expect(fixture.account.used("host")).toBe(1_100);
  fixture.infer("m");
  fixture.infer("m");
  fixture.clock.runAll();
  expect(new Set(fixture.backend.runs.slice(-2).map(({ instance }) => instance)).size).toBe(1);
});

test("failed addition of an instance: leaves what serves as it is", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.clock.advance(5_000);
  fixture.storage.write(path, modelConfig("", 2));
  fixture.backend.failCreate = () => backendError("no room");
  expect(fixture.load("m").error?.message).toBe(
    reason("m", 1, "Internal: no room").replace("UNAVAILABLE", "READY"),
  );
  expect(fixture.index()).toEqual(["m:1 READY Internal: no room"]);
  expect(answerOf(fixture)).toBeNull();
  expect(fixture.account.used("host")).toBe(1_100);
});

test("changed version policy: serving versions stay, new ones load, those outside are unloaded", () => {
  const fixture = tritonServer({ models: { m: { versions: [1, 2, 3] } }, loaded: ["m"] });
  expect(fixture.index()).toEqual(["m:3 READY"]);
  const policy = (text: string): string | null => {
    fixture.clock.advance(5_000);
    fixture.storage.write(path, modelConfig(`version_policy { ${text} }`));
    const { error } = fixture.load("m");
    fixture.clock.settle();
    return error?.message ?? null;
  };
  expect(policy("all { }")).toBeNull();
  expect(fixture.index()).toEqual(["m:1 READY", "m:2 READY", "m:3 READY"]);
  expect(policy("specific { versions: [ 1 ] }")).toBeNull();
  expect(fixture.index()).toEqual(["m:1 READY", "m:2 UNAVAILABLE unloaded", "m:3 UNAVAILABLE unloaded"]);
  expect(policy("latest { num_versions: 2 }")).toBeNull();
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded", "m:2 READY", "m:3 READY"]);
  expect(policy("specific { versions: [ 9 ] }")).toBe(
    "load failed for model 'm': at least one version must be available under the version policy of model 'm'\n",
  );
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded", "m:2 READY", "m:3 READY"]);
  expect(fixture.backend.events.filter((event) => event.startsWith("initialize"))).toEqual([
    "initialize m:3",
    "initialize m:1",
    "initialize m:2",
    "initialize m:2",
    "initialize m:3",
  ]);
});

test("request without a version: goes to the highest one that is ready", () => {
  const fixture = tritonServer({
    models: { m: { config: modelConfig("version_policy { all { } }"), versions: [2, 10] } },
    loaded: ["m"],
  });
  fixture.infer("m");
  fixture.infer("m", { version: 2 });
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ version }) => version)).toEqual([10, 2]);
});

test("model without versions: has no row and keeps a strictly ready server not ready", () => {
  for (const strictReadiness of [true, false]) {
    const fixture = tritonServer({ models: { m: { versions: [] } }, strictReadiness });
    expect(fixture.load("m").error?.message).toBe(
      "load failed for model 'm': at least one version must be available under the version policy of model 'm'\n",
    );
    expect(fixture.index()).toEqual([]);
    expect(fixture.server.isReady()).toBe(!strictReadiness);
    expect(answerOf(fixture)).toBe("Not found: Request for unknown model: 'm' has no available versions");
  }
});

test("loads of different models: run side by side, up to the number of load threads", () => {
  const fixture = tritonServer({
    models: { a: modelConfig(), b: modelConfig(), c: modelConfig() },
    modelLoadThreadCount: 2,
  });
  fixture.backend.initializeUs = 1_000;
  const loads = ["a", "b", "c"].map((model) => fixture.load(model));
  fixture.clock.advance(1_000);
  expect(loads.map(({ done }) => done)).toEqual([true, true, false]);
  fixture.clock.advance(1_000);
  expect(loads.map(({ done }) => done)).toEqual([true, true, true]);
});

test("state machine: no refusal, failure or reload leaves anything reserved after everything is unloaded", () => {
  const fixture = tritonServer({ models: { m: modelConfig("", 2) } });
  fixture.backend.failCreate = ({ name }) => (name === "m_0_1" ? backendError("x") : null);
  fixture.load("m");
  fixture.backend.failCreate = () => null;
  fixture.load("m");
  changeFiles(fixture);
  fixture.backend.failInitialize = () => backendError("y");
  fixture.load("m");
  fixture.backend.failInitialize = () => null;
  fixture.load("m");
  fixture.unload("m");
  expect(fixture.account.used("host")).toBe(0);
});

test("load retries: a version that fails is tried again from the start, until it loads", () => {
  const fixture = tritonServer({
    models: { m: { versions: [1, 2], config: modelConfig("version_policy { all {} }") } },
    modelLoadRetryCount: 2,
  });
  const failures = [backendError("first"), backendError("second")];
  fixture.backend.failCreate = (_, { version }) => (version === 1 ? (failures.shift() ?? null) : null);
  expect(fixture.load("m")).toEqual({ done: true, error: null });
  expect(fixture.index()).toEqual(["m:1 READY", "m:2 READY"]);
  expect(fixture.backend.events.filter((event) => event === "initialize m:1")).toHaveLength(3);
  expect(fixture.backend.events.filter((event) => event === "initialize m:2")).toHaveLength(1);
  expect(fixture.logged.filter((line) => /version|loading/.test(line))).toEqual([
    "loading: m:1",
    "failed to load 'm' version 1: Internal: first",
    "failed to load 'm' version 1: Internal: second",
    "loading: m:2",
  ]);
  fixture.unload("m");
  expect(fixture.account.used("host")).toBe(0);
});

test("load retries: the last failure counts, when there are no more tries", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, modelLoadRetryCount: 1 });
  let tries = 0;
  fixture.backend.failInitialize = () => backendError(`try ${++tries}`);
  expect(fixture.load("m").error?.message).toBe(reason("m", 1, "Internal: try 2"));
  expect(fixture.index()).toEqual(["m:1 UNAVAILABLE Internal: try 2"]);
  expect(fixture.logged.at(-1)).toBe("failed to load 'm'");
  expect(fixture.account.used("host")).toBe(0);
});

test("load retries: keep the load thread, and a stop waits for them", () => {
  const fixture = tritonServer({
    models: { m: modelConfig(), other: modelConfig() },
    modelLoadRetryCount: 1,
    modelLoadThreadCount: 1,
  });
  fixture.backend.initializeUs = 1_000_000;
  fixture.backend.failInitialize = ({ name }) => (name === "m" ? backendError("x") : null);
  const loads = [fixture.load("m"), fixture.load("other")];
  let clean: boolean | null = null;
  fixture.server.stop(10, (result) => {
    clean = result;
  });
  fixture.clock.advance(1_900_000);
  expect([...loads.map(({ done }) => done), clean]).toEqual([false, false, null]);
  fixture.clock.advance(1_000_000);
  expect([...loads.map(({ done }) => done), clean]).toEqual([true, false, null]);
  fixture.clock.advance(1_000_000);
  expect([...loads.map(({ done }) => done), clean]).toEqual([true, true, true]);
});

test("load: a runtime that is not the backend's own library is refused before anything else is looked at", () => {
  const searched = "searched: 'repository/m/1' 'repository/m' '/opt/tritonserver/backends/scripted' ";
  for (const [runtime, cause] of [
    ["a.so", `unable to find backend library 'a.so' for model 'm', ${searched}`],
    [
      "model.py",
      "unable to find Python backend based backend library 'model.py' for model 'm', searched: '/opt/tritonserver/backends/scripted/model.py'",
    ],
  ] as const) {
    const config = `runtime: "${runtime}" ${modelConfig().replace("KIND_CPU", "KIND_GPU")}`;
    const fixture = tritonServer({ models: { m: config } });
    expect(fixture.load("m").error?.message).toBe(reason("m", 1, `Invalid argument: ${cause}`));
  }
  const own = tritonServer({ models: { m: `runtime: "libtriton_scripted.so" ${modelConfig()}` } });
  expect(own.load("m")).toEqual({ done: true, error: null });
});

test("load: passive instances are made and get no requests, in an update in place too", () => {
  const passive = 'instance_group { name: "p" kind: KIND_CPU count: 1 passive: true }';
  const fixture = tritonServer({ models: { m: `${modelConfig()}\n${passive}` } });
  fixture.load("m");
  for (let times = 0; times < 4; times++) {
    fixture.infer("m");
    fixture.clock.advance(10_000);
  }
  expect(new Set(fixture.backend.runs.map(({ instance }) => instance))).toEqual(new Set(["m_0_0"]));
  fixture.storage.write(path, modelConfig());
  const load = fixture.load("m");
  fixture.clock.runAll();
  expect(load).toEqual({ done: true, error: null });
  expect(fixture.backend.events).toContain("release m:1 p_0");
});
