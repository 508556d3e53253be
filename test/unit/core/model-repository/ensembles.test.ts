import { expect, test } from "vitest";
import { Random } from "../../../../emulator/common/random.ts";
import { modelConfig, tritonServer } from "../../../support/core-fixture.ts";
import { ensembleConfig } from "../../../support/ensemble-models.ts";
import { backendError } from "../../../support/scripted-backend.ts";

const ensemble = (...members: readonly string[]): string =>
  ensembleConfig(
    members.map((member, index) => `${member} IN=t${index} OUT=t${index + 1}`),
    { inputs: ["t0"], outputs: [`t${members.length}`] },
  );
const model = modelConfig();

/** What the backend opened, in order. */
const opened = (events: readonly string[]): string[] =>
  events.flatMap((event) => /^initialize (.*):1$/.exec(event)?.[1] ?? []);

test("ensembles: members that are not loaded are loaded first, side by side, and only once for two ensembles", () => {
  const fixture = tritonServer({ models: { e: ensemble("a", "b"), f: ensemble("b"), a: model, b: model } });
  fixture.backend.initializeUs = 1000;
  const e = fixture.load("e");
  const f = fixture.load("f");
  expect(fixture.index()).toEqual(["a:1 LOADING", "b:1 LOADING", "e", "f"]);
  fixture.clock.advance(1000);
  expect([e, f]).toEqual([
    { done: true, error: null },
    { done: true, error: null },
  ]);
  expect(fixture.index()).toEqual(["a:1 READY", "b:1 READY", "e:1 READY", "f:1 READY"]);
  expect(opened(fixture.backend.events)).toEqual(["a", "b"]);
});

test("ensembles: unrelated ones load side by side, those with a member in common one after the other", () => {
  const fixture = tritonServer({
    models: { e: ensemble("a"), f: ensemble("b"), g: ensemble("a", "c"), a: model, b: model, c: model },
  });
  fixture.backend.initializeUs = 1000;
  fixture.load("e");
  fixture.load("f");
  const g = fixture.load("g");
  fixture.clock.advance(999);
  expect(opened(fixture.backend.events)).toEqual(["a", "b"]);
  fixture.clock.advance(1);
  expect(opened(fixture.backend.events)).toEqual(["a", "b", "c"]);
  fixture.clock.advance(1000);
  expect(g).toEqual({ done: true, error: null });
});

test("ensembles: an unload of a member waits for a load of its ensemble, and then takes both", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), a: model } });
  fixture.backend.initializeUs = 1000;
  const load = fixture.load("e");
  const unload = fixture.unload("a");
  expect(unload.done).toBe(false);
  fixture.clock.advance(1000);
  expect([load.error, unload.done]).toEqual([null, true]);
  expect(fixture.index()).toEqual(["a:1 UNAVAILABLE unloaded", "e:1 UNAVAILABLE unloaded"]);
});

test("ensembles: a load of a member that its ensemble is loading waits and then has nothing to do", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), a: model } });
  fixture.backend.initializeUs = 1000;
  fixture.load("e");
  const load = fixture.load("a");
  expect(load.done).toBe(false);
  fixture.clock.advance(1000);
  expect(load).toEqual({ done: true, error: null });
  expect(opened(fixture.backend.events)).toEqual(["a"]);
});

test("ensembles: while a member is loaded anew the old copies of both serve, and both are replaced", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), a: model }, loaded: ["e"] });
  fixture.infer("e", { inputs: [{ name: "t0", datatype: "INT32", shape: [1], data: new Uint8Array(4) }] });
  fixture.clock.advance(1000);
  fixture.backend.initializeUs = 1000;
  fixture.clock.advance(1000);
  fixture.putModel("a", { files: { "1/new": "" } });
  const load = fixture.load("a");
  expect(fixture.index()).toEqual(["a:1 READY", "e:1 READY"]);
  expect(fixture.statistics("e").inference_count).toBe(1);
  fixture.clock.advance(1000);
  expect(load.error).toBeNull();
  expect([fixture.statistics("e").inference_count, fixture.statistics("a").inference_count]).toEqual([0, 0]);
});

test("ensembles: one whose member was loaded anew is loaded by each operation to come, until it is asked for itself", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), a: model, other: model }, loaded: ["e"] });
  const counted = (): number => {
    fixture.infer("e", {
      inputs: [{ name: "t0", datatype: "INT32", shape: [1], data: new Uint8Array(4) }],
    });
    fixture.clock.advance(1000);
    return fixture.statistics("e").inference_count;
  };
  expect(counted()).toBe(1);
  fixture.load("other");
  expect(counted()).toBe(2);
  fixture.putModel("a", { files: { "1/new": "" } });
  fixture.load("a");
  expect(counted()).toBe(1);
  fixture.unload("other");
  expect(counted()).toBe(1);
  fixture.load("e");
  expect(counted()).toBe(1);
  fixture.load("other");
  expect(counted()).toBe(2);
});

test("ensembles: one that is loaded for its member looks at its folder again", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), a: model }, loaded: ["e"] });
  fixture.clock.advance(1000);
  fixture.storage.write("repository/e/3/", "");
  fixture.putModel("a", { files: { "1/new": "" } });
  fixture.load("a");
  expect(fixture.index()).toEqual(["a:1 READY", "e:1 UNAVAILABLE unloaded", "e:3 READY"]);
});

test("ensembles: of two members that fail the last one is told", () => {
  const fixture = tritonServer({ models: { e: ensemble("a", "b"), a: model, b: model } });
  fixture.backend.failInitialize = ({ name }) => backendError(`no ${name}`);
  expect(fixture.load("e").error?.message).toContain("Model 'b' loading failed with error: version 1 is");
});

test("ensembles: a member that fails fails the ensemble with its reason, and leaves the other members", () => {
  const fixture = tritonServer({ models: { e: ensemble("a", "b"), a: model, b: model } });
  fixture.backend.failInitialize = ({ name }) => (name === "b" ? backendError("no") : null);
  expect(fixture.load("e").error?.asString()).toBe(
    "Invalid argument: load failed for model 'e': ensemble 'e' depends on 'b' which has no loaded version. Model 'b' loading failed with error: version 1 is at UNAVAILABLE state: Internal: no;\n",
  );
  expect(fixture.index()).toEqual(["a:1 READY", "b:1 UNAVAILABLE Internal: no", "e"]);
  expect(fixture.server.isReady()).toBe(false);
});

test("ensembles: one whose label file is missing is tried again by the next load", () => {
  const labelled = ensemble("a").replace(
    "dims: [ 1 ] }\nensemble",
    'dims: [ 1 ] label_filename: "l" }\nensemble',
  );
  const fixture = tritonServer({ models: { e: labelled, a: model } });
  const first = fixture.load("e").error?.message;
  expect(first).toContain(
    "load failed for model 'e': version 1 is at UNAVAILABLE state: Internal: failed to open",
  );
  expect(fixture.load("e").error?.message).toBe(first);
  fixture.storage.write("repository/e/l", "red\n");
  expect(fixture.load("e").error).toBeNull();
});

test("ensembles: an ensemble reserves no bytes of its own", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), a: model }, loaded: ["a"] });
  const before = fixture.account.used("host");
  fixture.load("e");
  expect(fixture.account.used("host")).toBe(before);
  fixture.unload("e", true);
  expect(fixture.account.used("host")).toBe(before);
  fixture.unload("a");
  expect(fixture.account.used("host")).toBe(0);
});

test("ensembles: poll mode unloads an ensemble whose member's folder is gone, and brings it back with it", () => {
  const fixture = tritonServer({
    models: { e: ensemble("a"), a: model },
    modelControlMode: "poll",
    repositoryPollSecs: 1,
  });
  expect(fixture.index()).toEqual(["a:1 READY", "e:1 READY"]);
  fixture.storage.remove("repository/a");
  fixture.clock.advance(1_000_000);
  expect(fixture.index()).toEqual(["e:1 UNAVAILABLE unloaded"]);
  fixture.putModel("a", model);
  fixture.clock.advance(1_000_000);
  expect(fixture.index()).toEqual(["a:1 READY", "e:1 READY"]);
});

test("ensembles: a stop during the load of a member refuses the loads that wait and ends", () => {
  const fixture = tritonServer({ models: { e: ensemble("a"), f: ensemble("a"), a: model } });
  fixture.backend.initializeUs = 1000;
  const first = fixture.load("e");
  const second = fixture.load("f");
  let clean: boolean | null = null;
  fixture.server.stop(30, (ended) => {
    clean = ended;
  });
  fixture.clock.advance(30_000_000);
  expect(first.error).toBeNull();
  expect(second.error?.asString()).toBe("Unavailable: Server exiting");
  expect(clean).toBe(true);
});

test("ensembles: whatever is loaded and unloaded in whatever order, all is answered, and what serves has its members", () => {
  const seed = Number(process.env.ENSEMBLE_SEED ?? Math.floor(Math.random() * 2 ** 32));
  const random = new Random(seed);
  const pick = <T>(list: readonly T[]): T => list[random.nextUint32() % list.length]!;
  const members: Readonly<Record<string, readonly string[]>> = {
    e: ["a", "b"],
    f: ["b", "c"],
    g: ["e", "c"],
    h: ["f", "g"],
  };
  const names = ["a", "b", "c", ...Object.keys(members)];
  const fixture = tritonServer({
    models: {
      a: model,
      b: model,
      c: model,
      ...Object.fromEntries(Object.entries(members).map(([name, steps]) => [name, ensemble(...steps)])),
    },
  });
  fixture.backend.failInitialize = () =>
    random.nextUint32() % 8 === 0 ? backendError("now and then") : null;
  fixture.backend.initializeUs = 300;
  fixture.backend.releaseUs = 200;
  const calls: { readonly done: boolean }[] = [];
  for (let i = 0; i < 400; i++) {
    const name = pick(names);
    const kind = random.nextUint32() % 4;
    if (kind < 2) calls.push(fixture.load(name));
    else if (kind === 2) calls.push(fixture.unload(name, random.nextUint32() % 2 === 0));
    else
      fixture.putModel(name, {
        config: name in members ? ensemble(...members[name]!) : model,
        files: { [`1/${i}`]: "" },
      });
    fixture.clock.advance(random.nextUint32() % 400);
  }
  fixture.clock.runAll();
  expect(
    calls.filter(({ done }) => !done),
    `ENSEMBLE_SEED=${seed}`,
  ).toEqual([]);
  const ready = new Set(fixture.index(true).map((row) => row.split(":")[0]));
  for (const [name, steps] of Object.entries(members)) {
    if (ready.has(name))
      expect(
        steps.filter((step) => !ready.has(step)),
        `ENSEMBLE_SEED=${seed}`,
      ).toEqual([]);
  }
  for (const name of names) fixture.unload(name);
  fixture.clock.runAll();
  expect(fixture.account.used("host"), `ENSEMBLE_SEED=${seed}`).toBe(0);
});
