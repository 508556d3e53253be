import { expect, test } from "vitest";
import type { LoadParameter } from "../../../../emulator/core/inference-server.ts";
import {
  CoreFixture,
  type FixtureOptions,
  modelConfig,
  tritonServer,
} from "../../../support/core-fixture.ts";
import { backendError } from "../../../support/scripted-backend.ts";

const configPath = "repository/m/config.pbtxt";
const pollFailed = "Internal: failed to load 'm', failed to poll from model repository";

/** A complete configuration of the scripted backend as a load override, with a parameter `tag`. */
const override = (tag: string, fields: Record<string, unknown> = {}): LoadParameter => ({
  kind: "config",
  json: JSON.stringify({
    name: "m",
    backend: "scripted",
    input: [{ name: "IN", data_type: "TYPE_INT32", dims: [1] }],
    output: [{ name: "OUT", data_type: "TYPE_INT32", dims: [1] }],
    parameters: { tag: { string_value: tag } },
    ...fields,
  }),
});

const file = (path: string, content = ""): LoadParameter => ({
  kind: "file",
  path,
  content: new TextEncoder().encode(content),
});

const tagged = (tag: string): string =>
  modelConfig(`parameters { key: "tag" value { string_value: "${tag}" } }`);

/** The parameter `tag` of the configuration that serves. */
const servedTag = (fixture: CoreFixture): string | null => {
  const found = fixture.server.findVersion("m", -1);
  if (!found.ok) return null;
  return found.value.config.parameters.get("tag")?.string_value ?? "";
};

const loads = (fixture: CoreFixture): number =>
  fixture.backend.events.filter((event) => event.startsWith("initialize")).length;

const later = (fixture: CoreFixture): void => fixture.clock.advance(5_000);

test("load of a loaded model: does nothing, when nothing changed", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.infer("m");
  later(fixture);
  expect(fixture.load("m")).toEqual({ done: true, error: null });
  expect(loads(fixture)).toBe(1);
  expect(fixture.statistics("m").inference_count).toBe(1);
});

test("load of a loaded model: does nothing, when the configuration is touched and says the same", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  later(fixture);
  fixture.storage.write(configPath, `${modelConfig()}\n# the same`);
  expect(fixture.load("m").error).toBeNull();
  expect(loads(fixture)).toBe(1);
  expect(fixture.backend.events).toEqual(["initialize m:1", "create m:1 m_0_0"]);
});

test("load of a loaded model: is a full reload, when a model file, a new file or a removed file is seen", () => {
  for (const change of [
    (fixture: CoreFixture) => fixture.storage.touch("repository/m/1/model.bin"),
    (fixture: CoreFixture) => fixture.storage.write("repository/m/notes.txt"),
    (fixture: CoreFixture) => fixture.storage.remove("repository/m/1/extra.bin"),
  ]) {
    const fixture = tritonServer({ models: { m: { files: { "1/extra.bin": "" } } }, loaded: ["m"] });
    fixture.infer("m");
    later(fixture);
    change(fixture);
    expect(fixture.load("m").error).toBeNull();
    expect(loads(fixture)).toBe(2);
    expect(fixture.statistics("m").inference_count).toBe(0);
    expect(fixture.load("m").error).toBeNull();
    expect(loads(fixture)).toBe(2);
  }
});

test("load of a loaded model: is a full reload, when the configuration differs in more than instances and versions", () => {
  const fixture = tritonServer({ models: { m: tagged("a") }, loaded: ["m"] });
  later(fixture);
  fixture.storage.write(configPath, tagged("b"));
  expect(fixture.load("m").error).toBeNull();
  expect([loads(fixture), servedTag(fixture)]).toEqual([2, "b"]);
});

test("load: fails with one text, when the model cannot be read; the log says why", () => {
  const cases: [string | null, string][] = [
    [null, "failed to poll model 'm': model not found in any model repository."],
    [
      `name: "other" backend: "scripted"`,
      "Poll failed for model directory 'm': unexpected directory name 'm' for model 'other', directory name must equal model name",
    ],
    [
      `backend: "scripted" max_batch_size: -1`,
      "Poll failed for model directory 'm': 'max_batch_size' must be non-negative value for m",
    ],
    [
      "backend {",
      "Poll failed for model directory 'm': failed to read text proto from repository/m/config.pbtxt",
    ],
  ];
  for (const [config, cause] of cases) {
    const fixture = tritonServer({ models: config === null ? {} : { m: config } });
    expect(fixture.load("m").error?.asString()).toBe(pollFailed);
    expect(fixture.logged).toContain(cause);
    expect(fixture.index()).toEqual(config === null ? [] : ["m"]);
    expect(fixture.server.isReady()).toBe(true);
    expect(fixture.infer("m").error?.asString()).toBe(
      "Not found: Request for unknown model: 'm' is not found",
    );
  }
});

test("model in two roots: cannot be loaded and is told in the index", () => {
  const fixture = tritonServer({ modelRepositories: ["repository", "second"], models: { m: modelConfig() } });
  fixture.putModel("m", { root: "second" });
  expect(fixture.load("m").error?.asString()).toBe(pollFailed);
  expect(fixture.logged).toContain("failed to poll model 'm': not unique across all model repositories");
  expect(fixture.index()).toEqual(["m UNAVAILABLE model appears in two or more repositories"]);
});

test("second root: its models are loaded and listed", () => {
  const fixture = tritonServer({ modelRepositories: ["repository", "second"] });
  fixture.putModel("m", { root: "second" });
  expect(fixture.load("m").error).toBeNull();
  expect(fixture.index()).toEqual(["m:1 READY"]);
});

test("folder that is removed: the model leaves the index and serves on; its load fails", () => {
  const fixture = tritonServer({ models: { m: modelConfig() }, loaded: ["m"] });
  fixture.storage.remove("repository/m");
  expect(fixture.index()).toEqual([]);
  expect(fixture.load("m").error?.asString()).toBe(pollFailed);
  expect(fixture.infer("m").error).toBeNull();
  expect(fixture.server.isReady()).toBe(true);
  fixture.clock.runAll();
  fixture.unload("m");
  expect(fixture.infer("m").error?.message).toBe("Request for unknown model: 'm' has no available versions");
  expect(fixture.account.used("host")).toBe(0);
});

test("index: one row per known version, by name; only READY ones where asked", () => {
  const fixture = tritonServer({
    models: {
      b: modelConfig(),
      a: modelConfig(),
      c: { config: modelConfig("version_policy { all { } }"), versions: [1, 10, 2] },
    },
    loaded: ["c", "b"],
  });
  fixture.unload("b");
  expect(fixture.index()).toEqual(["a", "b:1 UNAVAILABLE unloaded", "c:1 READY", "c:2 READY", "c:10 READY"]);
  expect(fixture.index(true)).toEqual(["c:1 READY", "c:2 READY", "c:10 READY"]);
});

test("config override: replaces the file, survives a plain load, and ends with a newer file or an unload", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") }, loaded: ["m"] });
  later(fixture);
  expect(fixture.load("m", override("override")).error).toBeNull();
  expect(servedTag(fixture)).toBe("override");
  later(fixture);
  expect(fixture.load("m").error).toBeNull();
  expect([servedTag(fixture), loads(fixture)]).toEqual(["override", 2]);
  later(fixture);
  fixture.storage.touch(configPath);
  expect(fixture.load("m").error).toBeNull();
  expect([servedTag(fixture), loads(fixture)]).toEqual(["disk", 3]);
  fixture.load("m", override("override"));
  fixture.unload("m");
  fixture.load("m");
  expect(servedTag(fixture)).toBe("disk");
});

test("config override: is not merged with the file", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") } });
  expect(fixture.load("m", { kind: "config", json: `{"backend":"scripted"}` }).error).toBeNull();
  expect(fixture.infer("m").error?.message).toBe(
    "[request id: <id_unknown>] expected 0 inputs but got 1 inputs for model 'm'. Got input(s) ['IN'], but missing required input(s) ]. Please provide all required input(s).",
  );
});

test("config override: does nothing, when it says what is active", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") } });
  fixture.load("m", override("x"));
  later(fixture);
  expect(fixture.load("m", override("x")).error).toBeNull();
  expect(loads(fixture)).toBe(1);
});

test("config override: given again after the file was written, it stays in force at a plain load", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") } });
  fixture.load("m", override("x"));
  later(fixture);
  fixture.storage.touch(configPath);
  later(fixture);
  expect(fixture.load("m", override("x")).error).toBeNull();
  expect(fixture.load("m").error).toBeNull();
  expect(servedTag(fixture)).toBe("x");
});

test("config override: a refused or failing one leaves what serves", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") }, loaded: ["m"] });
  for (const json of ["{not json", `{"no_such": 1}`, `{"name":"other","backend":"scripted"}`]) {
    expect(fixture.load("m", { kind: "config", json }).error?.asString()).toBe(pollFailed);
  }
  fixture.backend.failInitialize = () => backendError("broken");
  expect(fixture.load("m", override("bad")).error?.code).toBe("INVALID_ARG");
  expect(servedTag(fixture)).toBe("disk");
  later(fixture);
  expect(fixture.load("m").error).toBeNull();
  expect(servedTag(fixture)).toBe("disk");
});

test("config override: makes a model of a folder without a configuration file, and survives a plain load", () => {
  const fixture = tritonServer({ models: { m: { config: null } } });
  expect(fixture.load("m", override("x")).error).toBeNull();
  later(fixture);
  expect(fixture.load("m").error).toBeNull();
  expect([servedTag(fixture), loads(fixture)]).toEqual(["x", 1]);
});

test("file override: serves the versions that were sent, and a plain load goes back to the folder", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") }, loaded: ["m"] });
  fixture.backend.releaseUs = 1_000;
  expect(fixture.load("m", override("sent"), file("7/model.bin")).error).toBeNull();
  expect(fixture.index()).toEqual(["m:1 UNLOADING", "m:7 READY"]);
  expect(servedTag(fixture)).toBe("sent");
  expect(fixture.storage.openOverrides.size).toBe(1);
  expect(fixture.load("m").error).toBeNull();
  later(fixture);
  expect(fixture.index()).toEqual(["m:1 READY", "m:7 UNAVAILABLE unloaded"]);
  expect(servedTag(fixture)).toBe("disk");
  expect(fixture.storage.openOverrides.size).toBe(0);
});

test("file override: needs a configuration, and paths inside the folder", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") }, loaded: ["m"] });
  expect(fixture.load("m", file("7/model.bin")).error?.asString()).toBe(pollFailed);
  expect(fixture.logged).toContain(
    "Poll failed for model directory 'm': Load parameter 'config' must be specified for model file override",
  );
  expect(fixture.load("m", override("x"), file("../x")).error?.asString()).toBe(pollFailed);
  expect(servedTag(fixture)).toBe("disk");
  expect(fixture.storage.openOverrides.size).toBe(0);
});

test("file override: changes what serves in place, when only the instances differ", () => {
  const fixture = tritonServer({ models: { m: { config: null } } });
  fixture.load("m", override("x"));
  const more = override("x", { instance_group: [{ kind: "KIND_CPU", count: 2 }] });
  expect(fixture.load("m", more, file("1/model.bin")).error).toBeNull();
  expect(loads(fixture)).toBe(1);
  expect(fixture.storage.openOverrides.size).toBe(0);
});

test("file override: needs no folder, is not in the index, and is gone with an unload", () => {
  const fixture = tritonServer();
  expect(fixture.load("m", override("sent"), file("1/model.bin")).error).toBeNull();
  expect(fixture.index()).toEqual([]);
  expect(fixture.server.isModelReady("m", -1)).toBe(true);
  fixture.unload("m");
  expect(fixture.infer("m").error?.message).toBe("Request for unknown model: 'm' has no available versions");
  expect(fixture.load("m").error?.asString()).toBe(pollFailed);
  expect(fixture.server.isReady()).toBe(true);
  expect(fixture.storage.openOverrides.size).toBe(0);
});

test("file override: with the active configuration does nothing, whatever the file", () => {
  const fixture = tritonServer();
  fixture.load("m", override("sent"), file("1/model.bin", "first"));
  expect(fixture.load("m", override("sent"), file("1/model.bin", "second")).error).toBeNull();
  expect(loads(fixture)).toBe(1);
  expect(fixture.storage.openOverrides.size).toBe(1);
});

test("file override: a failing one leaves what serves and no folder", () => {
  const fixture = tritonServer({ models: { m: tagged("disk") }, loaded: ["m"] });
  fixture.backend.failInitialize = () => backendError("broken");
  expect(fixture.load("m", override("bad"), file("1/model.bin")).error?.code).toBe("INVALID_ARG");
  expect(fixture.load("m", override("bad", { no_such: 1 }), file("1/model.bin")).error?.code).toBe(
    "INTERNAL",
  );
  expect(servedTag(fixture)).toBe("disk");
  expect(fixture.storage.openOverrides.size).toBe(0);
});

test("operations on one model: run one after the other and are answered in that order", () => {
  const fixture = tritonServer({ models: { m: modelConfig() } });
  fixture.backend.initializeUs = 1_000;
  const answered: string[] = [];
  const note = (what: string) => () => answered.push(what);
  fixture.server.loadModel("m", [], note("load"));
  fixture.server.loadModel("m", [], note("no-op load"));
  fixture.server.unloadModel("m", false, note("unload"));
  fixture.server.loadModel("m", [], note("load again"));
  fixture.clock.advance(999);
  expect(answered).toEqual([]);
  fixture.clock.advance(1);
  expect(answered).toEqual(["load", "no-op load", "unload"]);
  fixture.clock.runAll();
  expect(answered).toEqual(["load", "no-op load", "unload", "load again"]);
  expect(loads(fixture)).toBe(2);
  expect(fixture.index()).toEqual(["m:1 READY"]);
});

test("named configuration: wins over config.pbtxt where it exists", () => {
  const models = { m: { config: tagged("plain"), files: { "configs/named.pbtxt": tagged("named") } } };
  const named = tritonServer({ models, loaded: ["m"], modelConfigName: "named" });
  expect(servedTag(named)).toBe("named");
  const absent = tritonServer({ models, loaded: ["m"], modelConfigName: "absent" });
  expect(servedTag(absent)).toBe("plain");
});

test("version folders: odd names are left out with a warning, 0 is a version", () => {
  const fixture = tritonServer({
    models: { m: { config: modelConfig("version_policy { all { } }"), versions: ["01", "0", "abc", "3"] } },
    loaded: ["m"],
  });
  expect(fixture.index()).toEqual(["m:0 READY", "m:3 READY"]);
  expect(fixture.logged).toEqual(
    expect.arrayContaining([
      "ignore version directory '01' which contains leading zeros in its directory name",
      "ignore version directory 'abc' which fails to convert to integral number",
    ]),
  );
});

test("version folders: the reserved ones are none, and a specific version may be absent", () => {
  const fixture = tritonServer({
    models: {
      m: {
        config: modelConfig("version_policy { specific { versions: [ 1, 7 ] } }"),
        files: { "warmup/x": "", "initial_state/x": "", "configs/x": "" },
      },
    },
    loaded: ["m"],
  });
  expect(fixture.index()).toEqual(["m:1 READY"]);
  expect(fixture.logged).toContain(
    "version 7 is specified for model 'm', but the version directory is not present",
  );
  expect(fixture.logged.filter((line) => line.startsWith("ignore version directory"))).toEqual([]);
});

test("poll mode: loads what is there at the start, and sees new, changed and removed models", () => {
  const fixture = tritonServer({ modelControlMode: "poll", models: { a: modelConfig() } });
  expect(fixture.index()).toEqual(["a:1 READY"]);
  fixture.putModel("b", modelConfig());
  fixture.clock.advance(14_999_000);
  expect(fixture.index()).toEqual(["a:1 READY", "b"]);
  fixture.clock.advance(1_000);
  expect(fixture.index()).toEqual(["a:1 READY", "b:1 READY"]);
  fixture.storage.touch("repository/a/1/model.bin");
  fixture.storage.remove("repository/b");
  fixture.clock.advance(15_000_000);
  expect(fixture.backend.events.filter((event) => event === "initialize a:1")).toHaveLength(2);
  expect(fixture.server.isModelReady("b", -1)).toBe(false);
  expect(fixture.account.used("host")).toBe(1_100);
});

test("poll mode: tries a failing model again at every look, and serves the others", () => {
  const fixture = tritonServer({
    modelControlMode: "poll",
    repositoryPollSecs: 1,
    exitOnError: false,
    models: { bad: `backend: "nosuch"`, good: modelConfig() },
  });
  expect(fixture.index()).toEqual([
    "bad:1 UNAVAILABLE Invalid argument: unable to find backend library for backend 'nosuch', try specifying runtime on the model configuration.",
    "good:1 READY",
  ]);
  fixture.clock.advance(3_000_000);
  expect(fixture.logged.filter((line) => line === "loading: bad:1")).toHaveLength(4);
  expect(fixture.logged.filter((line) => line === "loading: good:1")).toHaveLength(1);
});

test("control modes none and poll: refuse loads and unloads", () => {
  for (const modelControlMode of ["none", "poll"] as const) {
    const fixture = tritonServer({ modelControlMode, models: { m: modelConfig() } });
    for (const { error } of [fixture.load("m"), fixture.unload("m")]) {
      expect(error?.asString()).toBe(
        "Unavailable: explicit model load / unload is not allowed if polling is enabled",
      );
    }
    expect(fixture.index()).toEqual(["m:1 READY"]);
  }
});

test("control mode none: changes on disk are not seen", () => {
  const fixture = tritonServer({ modelControlMode: "none", models: { m: modelConfig() } });
  fixture.storage.touch("repository/m/1/model.bin");
  fixture.putModel("b", modelConfig());
  fixture.clock.advance(60_000_000);
  expect(loads(fixture)).toBe(1);
});

const ambiguous =
  "Invalid argument: There are 2 identifiers of model 'm' in global map, model namespace must be provided to resolve ambiguity.";

/** Two roots with namespacing, `m` in both, `a` in the first and `b` in the second; started. */
const twoRoots = (options: FixtureOptions = {}): CoreFixture => {
  const fixture = new CoreFixture({
    modelRepositories: ["second", "repository"],
    modelNamespacing: true,
    ...options,
  });
  for (const [name, root] of [
    ["m", "repository"],
    ["a", "repository"],
    ["m", "second"],
    ["b", "second"],
  ] as const)
    fixture.putModel(name, { root });
  fixture.start();
  return fixture;
};

const lookUp = (fixture: CoreFixture, model: string, version = -1): string | null => {
  const found = fixture.server.findVersion(model, version);
  return found.ok ? null : found.error.asString();
};

test("namespacing: a load by name goes to every root, and the name is then ambiguous", () => {
  const fixture = twoRoots();
  expect(fixture.index()).toEqual(["a", "m", "b", "m"]);
  expect(fixture.load("m")).toEqual({ done: true, error: null });
  expect(fixture.index()).toEqual(["a", "m:1 READY", "b", "m:1 READY"]);
  expect(fixture.logged).toEqual(
    expect.arrayContaining(["loading: repository::m:1", "successfully loaded 'second::m'"]),
  );
  expect(lookUp(fixture, "m")).toBe(ambiguous);
  expect(fixture.server.isModelReady("m", 1)).toBe(false);
  expect(fixture.server.isReady()).toBe(true);
  const statistics = fixture.server.statistics("m", -1);
  expect(statistics.ok ? null : statistics.error.asString()).toBe(
    "Invalid argument: requested model 'm' is not available",
  );
});

test("namespacing: a name of one root is served, and messages print its identifier", () => {
  const fixture = twoRoots();
  fixture.load("a");
  expect(fixture.infer("a").refused).toBeNull();
  expect(fixture.server.isModelReady("a", -1)).toBe(true);
  expect(fixture.server.modelMetadata("a", -1)).toMatchObject({ value: { name: "a", versions: ["1"] } });
  expect(fixture.server.statistics("a", -1)).toMatchObject({ ok: true, value: [{ name: "a" }] });
  expect(lookUp(fixture, "a", 7)).toBe(
    "Not found: Request for unknown model: 'repository::a' version 7 is not found",
  );
  expect(lookUp(fixture, "b")).toBe("Invalid argument: Request for unknown model: 'b' is not found");
});

test("namespacing: statistics of all models fail, when one of them has a namespace", () => {
  const fixture = twoRoots();
  expect(fixture.server.statistics(null, -1)).toEqual({ ok: true, value: [] });
  fixture.load("a");
  const all = fixture.server.statistics(null, -1);
  expect(all.ok ? null : all.error.asString()).toBe(
    "Invalid argument: Request for unknown model: 'repository::a' is not found",
  );
});

test("namespacing: an unload by name goes to every model of it", () => {
  const fixture = twoRoots();
  fixture.load("m");
  fixture.load("a");
  expect(fixture.unload("m")).toEqual({ done: true, error: null });
  expect(fixture.index()).toEqual(["a:1 READY", "m:1 UNAVAILABLE unloaded", "b", "m:1 UNAVAILABLE unloaded"]);
  expect(lookUp(fixture, "m")).toBe("Not found: Identifier of model 'm' is not found in global map");
  fixture.load("m");
  expect(lookUp(fixture, "m")).toBe(ambiguous);
});

test("namespacing: models of one name load and fail on their own; failures are told in the order of the roots", () => {
  const fixture = twoRoots();
  const cause = (root: string): string =>
    `load failed for model '${root}::m': version 1 is at UNAVAILABLE state: Internal: ${root};\n`;
  fixture.backend.failInitialize = ({ folder }) =>
    folder.path === "second/m" ? backendError("second") : null;
  expect(fixture.load("m").error?.asString()).toBe(`Invalid argument: ${cause("second")}`);
  expect(fixture.index()).toEqual(["a", "m:1 READY", "b", "m:1 UNAVAILABLE Internal: second"]);
  expect(lookUp(fixture, "m")).toBe(ambiguous);
  fixture.unload("m");
  // The first fails after the second.
  fixture.backend.createUs = 1_000;
  fixture.backend.failCreate = (_, { folder }) =>
    folder.path === "repository/m" ? backendError("repository") : null;
  const load = fixture.load("m");
  expect(load.done).toBe(false);
  fixture.clock.advance(1_000);
  expect(load.error?.asString()).toBe(`Invalid argument: ${cause("repository")}${cause("second")}`);
  expect(fixture.account.used("host")).toBe(0);
});

test("namespacing: what can be read is loaded beside what cannot, and a failed load is told first", () => {
  const fixture = twoRoots();
  fixture.storage.write("second/m/config.pbtxt", "nonsense");
  expect(fixture.load("m").error?.asString()).toBe(pollFailed);
  expect(fixture.logged).toContain(
    "Poll failed for model directory 'second::m': failed to read text proto from second/m/config.pbtxt",
  );
  expect(fixture.index()).toEqual(["a", "m:1 READY", "b", "m"]);
  expect(lookUp(fixture, "m")).toBeNull();
  fixture.unload("m");
  fixture.backend.failInitialize = () => backendError("x");
  expect(fixture.load("m").error?.message).toBe(
    "load failed for model 'repository::m': version 1 is at UNAVAILABLE state: Internal: x;\n",
  );
});

test("namespacing: a model with its files in the load has no namespace", () => {
  const fixture = twoRoots();
  fixture.load("m", override("both"));
  expect(fixture.backend.events.filter((event) => event === "initialize m:1")).toHaveLength(2);
  fixture.unload("m");
  expect(fixture.load("m", override("own"), file("1/model.bin")).error).toBeNull();
  expect(servedTag(fixture)).toBe("own");
  expect(fixture.index()).toEqual(["a", "m:1 UNAVAILABLE unloaded", "b", "m:1 UNAVAILABLE unloaded"]);
  expect(fixture.server.statistics(null, -1)).toMatchObject({ ok: true, value: [{ name: "m" }] });
  fixture.load("m");
  expect(lookUp(fixture, "m")).toBe(ambiguous.replace("2", "3"));
  fixture.unload("m");
  expect(fixture.storage.openOverrides.size).toBe(0);
  expect(fixture.account.used("host")).toBe(0);
});

test("namespacing: models of one name count on their own", () => {
  const fixture = twoRoots();
  fixture.load("m");
  fixture.load("m", override("own"), file("1/model.bin"));
  expect(fixture.metrics.models().map(({ namespace, model }) => [namespace, model])).toEqual([
    ["repository", "m"],
    ["second", "m"],
    ["", "m"],
  ]);
});

test("namespacing with polling: a name is found again, when the folder of the other is gone", () => {
  const fixture = twoRoots({ modelControlMode: "poll", repositoryPollSecs: 1 });
  expect(fixture.index()).toEqual(["a:1 READY", "m:1 READY", "b:1 READY", "m:1 READY"]);
  expect(lookUp(fixture, "m")).toBe(ambiguous);
  fixture.storage.remove("repository/m");
  fixture.clock.advance(1_000_000);
  expect(lookUp(fixture, "m", 7)).toContain("'second::m' version 7");
  expect(fixture.logged).toContain("successfully unloaded 'repository::m' version 1");
  fixture.storage.remove("second/m");
  fixture.clock.advance(1_000_000);
  expect(lookUp(fixture, "m")).toBe("Not found: Identifier of model 'm' is not found in global map");
  expect(lookUp(fixture, "a")).toBeNull();
});

test("namespacing: a stop tells identifiers and unloads every model", () => {
  const fixture = twoRoots();
  // Only what a dynamic batcher holds is waited for.
  fixture.putModel("a", { config: modelConfig("dynamic_batching { }") });
  for (const model of ["a", "b", "m"]) fixture.load(model);
  fixture.backend.executeUs = 1_500_000;
  for (let i = 0; i < 3; i++) fixture.infer("a");
  let clean: boolean | null = null;
  fixture.server.stop(5, (result) => {
    clean = result;
  });
  fixture.clock.runAll();
  expect(clean).toBe(true);
  expect(fixture.logged).toContain("Model 'repository::a' (version 1) has 3 in-flight inferences");
  expect(fixture.account.used("host")).toBe(0);
});

test("root that is given twice: counts once, with namespacing and without", () => {
  for (const modelNamespacing of [false, true]) {
    const fixture = tritonServer({
      modelRepositories: ["repository", "repository"],
      modelNamespacing,
      models: { m: modelConfig() },
    });
    expect(fixture.index()).toEqual(["m"]);
    expect(fixture.load("m").error).toBeNull();
    expect(lookUp(fixture, "m")).toBeNull();
  }
});
