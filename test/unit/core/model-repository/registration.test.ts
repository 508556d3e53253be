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
