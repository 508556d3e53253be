import { expect, test } from "vitest";
import {
  type ControlCall,
  type CoreFixture,
  modelConfig,
  tritonServer,
} from "../../../support/core-fixture.ts";

const namespaced = (): CoreFixture => tritonServer({ modelNamespacing: true });

const register = (fixture: CoreFixture, path: string, folder: string, name: string): ControlCall => {
  const call: ControlCall = { done: false, error: null };
  fixture.server.registerRepository(path, new Map([[folder, name]]), (error) => {
    call.done = true;
    call.error = error;
  });
  fixture.clock.settle();
  return call;
};

test("register: the model is served by the mapped name, whatever its folder and its configuration say", () => {
  const fixture = namespaced();
  fixture.putModel("m", { root: "hash", config: modelConfig('name: "other"') });
  expect(register(fixture, "hash", "m", "x.tar.gz")).toEqual({ done: true, error: null });
  expect(fixture.logged).toContain("Model repository registered: hash");
  expect(fixture.index()).toEqual(["x.tar.gz"]);
  expect(fixture.load("x.tar.gz").error).toBeNull();
  expect(fixture.index()).toEqual(["x.tar.gz:1 READY"]);
  const found = fixture.server.findVersion("x.tar.gz", -1);
  expect(found.ok && found.value.modelName).toBe("x.tar.gz");
  expect(fixture.load("m").error?.message).toBe("failed to load 'm', failed to poll from model repository");
});

test("unregister: what is loaded keeps serving and leaves the index", () => {
  const fixture = namespaced();
  fixture.putModel("m", { root: "hash" });
  register(fixture, "hash", "m", "x");
  fixture.load("x");
  expect(fixture.server.unregisterRepository("hash")).toBeNull();
  expect(fixture.logged).toContain("Model repository unregistered: hash");
  expect(fixture.index()).toEqual([]);
  const call = fixture.infer("x");
  fixture.clock.advance(10_000);
  expect(call.error).toBeNull();
  expect(call.open).toBe(false);
});

test("register: refuses what is no folder", () => {
  expect(register(namespaced(), "nowhere", "m", "x").error?.asString()).toBe(
    "Invalid argument: failed to register 'nowhere', repository not found",
  );
});

test("register and unregister: only in mode explicit", () => {
  const fixture = tritonServer({ modelControlMode: "none" });
  expect(register(fixture, "repository", "m", "x").error?.asString()).toBe(
    "Unsupported: repository registration is not allowed if model control mode is not EXPLICIT",
  );
  expect(fixture.server.unregisterRepository("repository")?.asString()).toBe(
    "Unsupported: repository unregistration is not allowed if model control mode is not EXPLICIT",
  );
});

/** The rows of one name, as `name:version state reason`. */
const indexOf = (fixture: CoreFixture, model: string): string[] => {
  let rows: string[] = [];
  fixture.server.repositoryIndexOf(model, (result) => {
    if (!result.ok) throw result.error;
    rows = result.value.map(({ name, version, state, reason = "" }) =>
      `${name}:${version} ${state} ${reason}`.trim(),
    );
  });
  fixture.clock.settle();
  return rows;
};

test("index of one model: has the rows that the whole index has for it, state by state", () => {
  const fixture = namespaced();
  fixture.putModel("m", { root: "hash", versions: [1, 2] });
  fixture.putModel("n", { root: "other" });
  register(fixture, "hash", "m", "x");
  register(fixture, "other", "n", "y");
  expect(indexOf(fixture, "x")).toEqual([]);
  fixture.load("x");
  expect(indexOf(fixture, "x")).toEqual(["x:2 READY"]);
  fixture.backend.releaseUs = 1000;
  fixture.unload("x");
  expect(indexOf(fixture, "x")).toEqual(["x:2 UNLOADING"]);
  fixture.clock.advance(1000);
  expect(indexOf(fixture, "x")).toEqual(["x:2 UNAVAILABLE unloaded"]);
  expect(fixture.index()).toEqual(["x:2 UNAVAILABLE unloaded", "y"]);
  fixture.storage.remove("hash/m");
  expect(indexOf(fixture, "x")).toEqual([]);
  expect(indexOf(fixture, "nobody")).toEqual([]);
});

test("index of one model: in two repositories without namespaces it is the row that says so", () => {
  const fixture = tritonServer({ modelRepositories: ["repository", "second"], models: { m: modelConfig() } });
  fixture.storage.write("second/");
  fixture.load("m");
  fixture.putModel("m", { root: "second" });
  expect(indexOf(fixture, "m")).toEqual([
    "m:undefined UNAVAILABLE model appears in two or more repositories",
  ]);
  expect(fixture.index()).toEqual(["m UNAVAILABLE model appears in two or more repositories"]);
});

test("index of one model: looks at its own repository, however many there are", () => {
  const fixture = namespaced();
  for (let i = 0; i < 100; i++) {
    fixture.putModel("m", { root: `hash${i}` });
    register(fixture, `hash${i}`, "m", `x${i}`);
    fixture.load(`x${i}`);
  }
  const listed: string[] = [];
  const list = fixture.storage.listModels.bind(fixture.storage);
  fixture.storage.listModels = (root, done) => {
    listed.push(root);
    list(root, done);
  };
  expect(indexOf(fixture, "x7")).toEqual(["x7:1 READY"]);
  expect(indexOf(fixture, "a hash that names no model")).toEqual([]);
  expect(listed).toEqual(["hash7"]);
});
