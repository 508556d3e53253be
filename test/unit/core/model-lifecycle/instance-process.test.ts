import { describe, expect, test } from "vitest";
import { SyntheticBackend } from "../../../../emulator/backends/synthetic/synthetic-backend.ts";
import { Random } from "../../../../emulator/common/random.ts";
import type { AllocationKind, PoolName } from "../../../../emulator/core/memory/memory-account.ts";
import { type CoreFixture, type FixtureOptions, tritonServer } from "../../../support/core-fixture.ts";
import {
  backendDocument,
  profilesOf,
  serverDocument,
  smallMachine,
  startLedger,
} from "../../../support/ledger-fixture.ts";

import { backendError } from "../../../support/scripted-backend.ts";

/*
 * Synthetic models that stand in for others, on a machine with 1000 bytes of host, 500 of /dev/shm and 100 on GPU 0. What
 * dead stubs do, call by call, is in test/simulation/memory-limit.test.ts.
 */

const profiles = profilesOf(
  serverDocument(),
  backendDocument("python", {
    stub: { shm_bytes: 60 },
    failure: "no room",
    failureAtRun: "{instance} wants {bytes}",
  }),
  backendDocument("tensorflow", {
    retained: { residue_fraction_per_unload: 1, residue_limit_bytes: 10_000, residue_reused_fraction: 1 },
  }),
  backendDocument("tensorrt", { retained: { leak_bytes_per_failed_load: 30 } }),
);

type Stated = Readonly<Record<string, string | number>>;

const model = (parameters: Stated = {}, fields = "", group = "kind: KIND_CPU count: 1"): string =>
  [
    'backend: "synthetic"',
    'input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] }',
    'output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }',
    `instance_group { ${group} }`,
    fields,
    ...Object.entries(parameters).map(
      ([key, value]) => `parameters { key: "${key}" value { string_value: "${value}" } }`,
    ),
  ].join("\n");

const serve = (models: Readonly<Record<string, string>>, options: FixtureOptions = {}) => {
  const { ledger, killed } = startLedger({ machine: smallMachine, profiles });
  const fixture = tritonServer({
    models,
    account: ledger,
    gpuCount: 1,
    backends: (clock) => [new SyntheticBackend({ clock, random: new Random(1) })],
    ...options,
  });
  const held = (kind: AllocationKind, pool: PoolName = "host"): number =>
    ledger
      .allocations()
      .filter((allocation) => allocation.kind === kind && allocation.pool === pool)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  return { fixture, ledger, killed, held };
};

/** @returns the error of the load, or null */
const load = (fixture: CoreFixture, name: string): string | null => {
  const call = fixture.load(name);
  fixture.clock.runAll();
  if (!call.done) throw new Error(`${name}: the load was not answered`);
  return call.error?.message ?? null;
};

const ask = (fixture: CoreFixture, name: string, rows?: number) => {
  const call = fixture.infer(name, rows === undefined ? {} : { rows });
  fixture.clock.runAll();
  return call;
};

describe("growth at inference", () => {
  test("a stub takes more of the host with its first inference, once, and gives it back with the rest", () => {
    const numbers = { private_bytes: 100, first_run_bytes: 7, shm_bytes: 60 };
    const { ledger } = startLedger({
      machine: smallMachine,
      profiles: profilesOf(serverDocument(), backendDocument("python", { stub: numbers })),
    });
    const { fixture } = serve({ m: model({ "memory.profile": "python" }) }, { account: ledger });
    load(fixture, "m");
    const loaded = ledger.used("host");
    const after = [1, 2].map(() => {
      ask(fixture, "m");
      return ledger.used("host");
    });
    expect([loaded, ...after]).toEqual([160, 167, 167]);
    fixture.unload("m");
    fixture.clock.runAll();
    expect(ledger.used("host")).toBe(0);
  });

  test("the arena grows with the largest batch so far, and goes at the unload", () => {
    const { fixture, held } = serve({
      m: model({ "memory.host_arena_bytes_per_row": 10, "memory.arena": "grows" }, "max_batch_size: 8"),
    });
    expect(load(fixture, "m")).toBeNull();
    const after = [2, 5, 3, 8].map((rows) => {
      ask(fixture, "m", rows);
      return held("arena");
    });
    expect(after).toEqual([20, 50, 50, 80]);
    fixture.unload("m");
    fixture.clock.runAll();
    expect(held("arena")).toBe(0);
  });

  test("an arena that fragments takes the whole of each batch that is larger than all before", () => {
    const { fixture, held } = serve({
      m: model({ "memory.host_arena_bytes_per_row": 10, "memory.arena": "fragments" }, "max_batch_size: 8"),
    });
    load(fixture, "m");
    const after = [2, 5, 3, 8, 8].map((rows) => {
      ask(fixture, "m", rows);
      return held("arena");
    });
    expect(after).toEqual([20, 70, 70, 150, 150]);
    fixture.unload("m");
    fixture.clock.runAll();
    expect(held("arena")).toBe(0);
  });

  test("an arena that shrinks gives back after each run what the run made it grow", () => {
    const { fixture, held } = serve({
      m: model(
        {
          "memory.host_arena_bytes_per_row": 10,
          "memory.arena": "grows",
          "memory.enable_memory_arena_shrinkage": "cpu:0",
          "synthetic.warm_us": 1000,
        },
        "max_batch_size: 8",
      ),
    });
    load(fixture, "m");
    for (const rows of [5, 2]) {
      fixture.infer("m", { rows });
      fixture.clock.advance(500);
      expect(held("arena")).toBe(10 * rows);
      fixture.clock.runAll();
      expect(held("arena")).toBe(0);
    }
  });

  test("shrinkage of another device is none", () => {
    const { fixture, held } = serve({
      m: model(
        {
          "memory.gpu_arena_bytes_per_row": 5,
          "memory.arena": "grows",
          "memory.enable_memory_arena_shrinkage": "cpu:0;gpu:1",
        },
        "max_batch_size: 8",
        "kind: KIND_GPU count: 1",
      ),
    });
    load(fixture, "m");
    ask(fixture, "m", 4);
    expect(held("arena", "gpu:0")).toBe(20);
  });

  test("each instance has an arena of its own", () => {
    const { fixture, held } = serve({
      m: model(
        { "memory.host_arena_bytes_per_row": 10, "memory.arena": "grows", "synthetic.warm_us": 1000 },
        "max_batch_size: 8",
        "kind: KIND_CPU count: 2",
      ),
    });
    load(fixture, "m");
    fixture.infer("m", { rows: 2 });
    fixture.infer("m", { rows: 3 });
    fixture.clock.runAll();
    expect(held("arena")).toBe(50);
  });

  test("a reserved arena is there from the load on; elements of dynamic shapes make it grow", () => {
    const { fixture, held } = serve({
      m: model(
        { "memory.host_arena_bytes_per_row": 10, "memory.host_arena_bytes_per_element": 30 },
        "max_batch_size: 4",
      ),
    });
    load(fixture, "m");
    expect(held("arena")).toBe(40);
    ask(fixture, "m", 1);
    expect(held("arena")).toBe(40);
    ask(fixture, "m", 2);
    expect(held("arena")).toBe(80);
  });

  test("bytes of a run are held while it runs, those that a run leaves are kept", () => {
    const { fixture, held } = serve({
      m: model({
        "memory.host_run_bytes": 70,
        "memory.host_kept_bytes_per_run": 3,
        "synthetic.warm_us": 1000,
      }),
    });
    load(fixture, "m");
    for (const kept of [3, 6]) {
      fixture.infer("m");
      fixture.clock.advance(500);
      expect([held("workspace"), held("arena")]).toEqual([70, kept]);
      fixture.clock.runAll();
      expect([held("workspace"), held("arena")]).toEqual([0, kept]);
    }
  });

  test("what a GPU has no room for fails that batch in the backend's words, and the next one is served", () => {
    const { fixture, held, ledger } = serve({
      m: model(
        { "memory.profile": "python", "memory.gpu_arena_bytes_per_row": 30, "memory.arena": "grows" },
        "max_batch_size: 8",
        "kind: KIND_GPU count: 1",
      ),
    });
    load(fixture, "m");
    expect(ask(fixture, "m", 4).error?.message).toBe("m_0_0 wants 120");
    expect([held("arena", "gpu:0"), ask(fixture, "m", 2).error, held("arena", "gpu:0")]).toEqual([
      0,
      null,
      60,
    ]);
    const { success, fail } = fixture.statistics("m").inference_stats;
    expect([success.count, fail.count]).toEqual([1, 1]);
    expect(ledger.processes()).toHaveLength(2);
  });
});

describe("a process that is killed", () => {
  const python = { "memory.profile": "python" };

  test("a run that is under way fails with its whole batch a second after the kill", () => {
    const { fixture, ledger } = serve({
      m: model({ ...python, "synthetic.warm_us": 5_000_000 }, "max_batch_size: 4 dynamic_batching { }"),
    });
    load(fixture, "m");
    const calls = [fixture.infer("m"), fixture.infer("m")];
    const startUs = fixture.clock.now();
    fixture.clock.advance(1_500_000);
    expect(ledger.kill("m_0_0")).toBe(true);
    fixture.clock.runAll();
    for (const { error, answeredUs } of calls) {
      expect(error?.asString()).toBe("Internal: Stub process 'm_0_0' is not healthy.");
      expect(answeredUs! - startUs).toBe(2_500_000);
    }
    expect(fixture.statistics("m")).toMatchObject({
      execution_count: 0,
      inference_stats: { fail: { count: 2 } },
    });
  });

  test("killed while it waits for a run to end, an unload never ends", () => {
    const { fixture, ledger } = serve({ m: model({ ...python, "synthetic.warm_us": 5_000_000 }) });
    load(fixture, "m");
    const call = fixture.infer("m");
    fixture.unload("m");
    ledger.kill("m_0_0");
    fixture.clock.advance(3_600_000_000);
    expect([call.error?.message, fixture.index()]).toEqual([
      "Stub process 'm_0_0' is not healthy.",
      ["m:1 UNLOADING"],
    ]);
    expect([load(fixture, "m"), fixture.index(), ask(fixture, "m").error]).toEqual([
      null,
      ["m:1 READY"],
      null,
    ]);
    fixture.unload("m");
    fixture.clock.runAll();
    expect(fixture.index()).toEqual(["m:1 UNAVAILABLE unloaded"]);
  });

  test("called when it was dead, it keeps the instances beside it from going at an unload; not called, it does not", () => {
    const heldAfterUnload = (calls: number): readonly [number, readonly string[]] => {
      const stated = { ...python, "memory.host_weights_bytes": 100 };
      const { fixture, ledger, held } = serve({ m: model(stated, "", "kind: KIND_CPU count: 2") });
      load(fixture, "m");
      ledger.kill("m_0_1");
      for (let call = 0; call < calls; call++) ask(fixture, "m");
      fixture.unload("m");
      fixture.clock.advance(3_600_000_000);
      return [held("weights"), fixture.index()];
    };
    expect(heldAfterUnload(1)).toEqual([0, ["m:1 UNAVAILABLE unloaded"]]);
    expect(heldAfterUnload(2)).toEqual([100, ["m:1 UNLOADING"]]);
  });

  test("killed in a short load it fails a second after the load would have ended, killed by hand a second later", () => {
    const { fixture, ledger } = serve({
      huge: model({ ...python, "memory.host_weights_bytes": 1001, "synthetic.load_us": 300_000 }),
      slow: model({ ...python, "synthetic.load_us": 60_000_000 }),
    });
    const message = (name: string) =>
      `load failed for model '${name}': version 1 is at UNAVAILABLE state: Internal: Stub process '${name}_0_0' is not healthy.;\n`;
    expect([load(fixture, "huge"), fixture.clock.now()]).toEqual([message("huge"), 1_300_000]);
    const slow = fixture.load("slow");
    fixture.clock.advance(2_000_000);
    ledger.kill("slow_0_0");
    fixture.clock.advance(999_999);
    expect(slow.done).toBe(false);
    fixture.clock.advance(1);
    expect(slow.error?.message).toBe(message("slow"));
    fixture.clock.runAll();
    expect(ledger.used("host")).toBe(0);
  });

  test("killed while it imports its module it is waited for for ever, and other loads go on", () => {
    const { fixture, killed } = serve({
      m: model({
        "memory.profile": "python",
        "memory.host_weights_bytes": 2000,
        "memory.taken_in": "import",
      }),
      other: model({ "memory.profile": "python", "memory.host_weights_bytes": 10 }),
    });
    const hanging = fixture.load("m");
    fixture.clock.runAll();
    expect([killed().length, hanging.done]).toEqual([1, false]);
    expect(load(fixture, "other")).toBeNull();
    expect(fixture.server.isReady()).toBe(false);
  });

  test("without a machine only Python models have a process that can be killed", () => {
    let kill = (_instance: string): void => {};
    class Killable extends SyntheticBackend {
      override initializeModel(...[context, done]: Parameters<SyntheticBackend["initializeModel"]>): void {
        super.initializeModel(context, (opened) => {
          if (!opened.ok) throw opened.error;
          const inner = opened.value;
          done({
            ok: true,
            value: {
              completedConfig: null,
              predictInstanceMemory: () => [],
              finalize: () => inner.finalize(),
              createInstance: (config, instance, created) => {
                const before = kill;
                kill = (name) => (name === instance.name ? instance.kill() : before(name));
                inner.createInstance(config, instance, created);
              },
            },
          });
        });
      }
    }
    const fixture = tritonServer({
      models: { p: model(python), o: model({}) },
      backends: (clock) => [new Killable({ clock, random: new Random(1) })],
    });
    load(fixture, "p");
    load(fixture, "o");
    kill("p_0_0");
    kill("o_0_0");
    expect(ask(fixture, "p").error?.message).toBe("Stub process 'p_0_0' is not healthy.");
    expect(ask(fixture, "o").error).toBeNull();
  });
});

describe("loads", () => {
  test("a reload holds the old and the new copy until the new one serves", () => {
    const config = (bytes: number) =>
      model({ "memory.host_weights_bytes": bytes, "synthetic.load_us": 1000, "synthetic.unload_us": 500 });
    const { fixture, held } = serve({ m: config(300) });
    load(fixture, "m");
    fixture.clock.advance(1_000_000);
    fixture.putModel("m", config(400));
    fixture.load("m");
    fixture.clock.advance(500);
    expect(held("weights")).toBe(700);
    fixture.clock.runAll();
    expect(held("weights")).toBe(400);
  });

  test("another count of instances in place takes what the new ones need, or leaves the old ones as they are", () => {
    const config = (count: number) =>
      model(
        { "memory.profile": "tensorrt", "memory.gpu_weights_bytes": 40 },
        "",
        `kind: KIND_GPU count: ${count}`,
      );
    const change = (fixture: CoreFixture, text: string): void => {
      fixture.clock.advance(1_000_000);
      fixture.storage.write("repository/m/config.pbtxt", text);
    };
    const { fixture, held } = serve({ m: config(1) });
    load(fixture, "m");
    change(fixture, config(2));
    expect([load(fixture, "m"), held("weights", "gpu:0")]).toEqual([null, 80]);
    change(fixture, config(3));
    expect(load(fixture, "m")).toContain("no 40 on GPU 0");
    expect([held("weights", "gpu:0"), ask(fixture, "m").error]).toEqual([80, null]);
  });

  test("a backend that leaks at failed loads has less room after each", () => {
    const config = (bytes: number) =>
      model(
        { "memory.profile": "tensorrt", "memory.gpu_weights_bytes": bytes },
        "",
        "kind: KIND_GPU count: 1",
      );
    const { fixture, held } = serve({ large: config(101), small: config(50) });
    for (const leaked of [30, 60]) {
      expect(load(fixture, "large")).not.toBeNull();
      expect(held("leak", "gpu:0")).toBe(leaked);
    }
    expect(load(fixture, "small")).toContain("no 50 on GPU 0");
  });

  test("it leaks too where the instance fails after it had its bytes", () => {
    const { fixture, held } = serve({
      m: `backend: "scripted" input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
          output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } instance_group { kind: KIND_GPU }
          parameters { key: "memory.profile" value { string_value: "tensorrt" } }
          parameters { key: "memory.gpu_weights_bytes" value { string_value: "20" } }`,
    });
    fixture.backend.failCreate = () => backendError("no engine");
    expect([load(fixture, "m"), held("leak", "gpu:0"), held("weights", "gpu:0")]).toEqual([
      "load failed for model 'm': version 1 is at UNAVAILABLE state: Internal: no engine;\n",
      30,
      0,
    ]);
  });

  test("a backend that keeps its pool gives nothing back, and serves the next of its models from it", () => {
    const config = model({ "memory.profile": "tensorflow", "memory.host_weights_bytes": 600 });
    const { fixture, ledger } = serve({ a: config, b: config });
    load(fixture, "a");
    fixture.unload("a");
    fixture.clock.runAll();
    expect(ledger.used("host")).toBe(600);
    expect([load(fixture, "b"), ledger.used("host")]).toEqual([null, 600]);
  });

  test("a profile that there is not is refused with those that there are", () => {
    const { fixture } = serve({ m: model({ "memory.profile": "pyhton" }) });
    expect(load(fixture, "m")).toContain(
      "model 'm': parameter 'memory.profile' is 'pyhton', but the memory profiles are python, tensorflow, tensorrt",
    );
  });

  test("stub processes share no weights", () => {
    const { fixture } = serve({
      m: model({
        "memory.profile": "python",
        "memory.weights_per": "device",
        "memory.host_weights_bytes": 1,
      }),
    });
    expect(load(fixture, "m")).toContain(
      "model 'm': parameter 'memory.weights_per' is 'device', but each instance of 'python' is a stub with weights of its own: expected instance",
    );
  });

  test("code that does not look at the GPU of its instance puts everything on one", () => {
    const gpus = { "memory.gpu_weights_bytes": 20, "memory.gpu_run_bytes": 5, "memory.only_gpu": "0" };
    const { fixture, held } = serve(
      { m: model({ ...gpus, "memory.profile": "python" }, "", "kind: KIND_GPU count: 1") },
      { gpuCount: 2 },
    );
    expect(load(fixture, "m")).toBeNull();
    expect([held("weights", "gpu:0"), held("weights", "gpu:1")]).toEqual([40, 0]);
  });

  test.each([
    ["synthetic", 0, "'0', but code of its own is what only Python models have"],
    ["python", 1, "'1', but there are 1 GPUs"],
  ])("only_gpu: refused for %s and GPU %i", (profile, index, text) => {
    const parameters = profile === "synthetic" ? {} : { "memory.profile": profile };
    const { fixture } = serve({ m: model({ ...parameters, "memory.only_gpu": String(index) }) });
    expect(load(fixture, "m")).toContain(`model 'm': parameter 'memory.only_gpu' is ${text}`);
  });

  test("only a stub imports a module", () => {
    const { fixture } = serve({ m: model({ "memory.taken_in": "import" }) });
    expect(load(fixture, "m")).toContain(
      "model 'm': parameter 'memory.taken_in' is 'import', but models of 'synthetic' import nothing: expected initialize",
    );
  });

  test("what a real model states goes before what its backend expects, the rest comes on top", () => {
    const config = (parameters: string) =>
      `backend: "scripted" input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
       output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } instance_group { kind: KIND_CPU count: 1 } ${parameters}`;
    const parameter = (key: string, value: string) =>
      `parameters { key: "${key}" value { string_value: "${value}" } }`;
    const { fixture, held } = serve({
      expected: config(""),
      more: config(parameter("memory.host_workspace_bytes", "5")),
      stated: config(parameter("memory.host_weights_bytes", "7")),
      grows: config(parameter("memory.host_kept_bytes_per_run", "9")),
    });
    fixture.backend.modelBytes = 0;
    fixture.backend.instanceKind = "weights";
    fixture.backend.instanceBytes = 100;
    const totals = ["expected", "more", "stated"].map((name) => {
      expect(load(fixture, name)).toBeNull();
      return [held("weights"), held("workspace")];
    });
    expect(totals).toEqual([
      [100, 0],
      [200, 5],
      [207, 5],
    ]);
    load(fixture, "grows");
    expect([ask(fixture, "grows").error, held("arena")]).toEqual([null, 9]);
  });
});
