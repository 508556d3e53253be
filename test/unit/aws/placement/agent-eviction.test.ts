import { describe, expect, test } from "vitest";
import { modelNameOf } from "../../../../emulator/aws/placement/target-model.ts";
import { type AgentFixture, agentFixture, MEGABYTE, SECOND } from "./agent-fixture.ts";

const fill = ({ invoked, clock }: AgentFixture, ...names: readonly string[]): void => {
  for (const name of names) {
    invoked(name);
    clock.advance(SECOND);
  }
};

const setMemory = (fixture: AgentFixture, hostMegabytes: number): void => {
  fixture.memory = { hostMegabytes };
};

describe("high utilisation", () => {
  test("unloads who was not used the longest before the load, as many as the estimate takes", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b", "c", "a");
    setMemory(fixture, 900);
    const answer = fixture.invoked("d");
    // 900 MB used of 1000, 800 allowed, 125 for d: 225 have to go, 125 with each.
    expect(fixture.container.asked("unload")).toEqual(["b", "c"]);
    expect(answer).toMatchObject({ status: 200, times: { unloadUs: SECOND / 2, loadUs: SECOND } });
    expect(fixture.journal.of("eviction")).toEqual([
      {
        instance: "i-1",
        model: "d",
        request: "r-5",
        event: "eviction",
        trigger: "high-utilisation",
        because: "host memory stood at 90.0 %, above 80.0 %",
        rule: "lru, until-estimate-fits",
        reading: [{ pool: "host", used: 900 * MEGABYTE, capacity: 1000 * MEGABYTE }],
        readingAgeUs: 0,
        needHostBytes: 125 * MEGABYTE,
        needGpuBytes: 0,
        victims: [
          { model: "b", hostBytes: 125 * MEGABYTE, gpuBytes: 0, idleUs: expect.any(Number), uses: 1 },
          { model: "c", hostBytes: 125 * MEGABYTE, gpuBytes: 0, idleUs: expect.any(Number), uses: 1 },
        ],
        enough: true,
        highWater: 0.8,
        measured: ["host"],
      },
    ]);
    expect(
      fixture.journal.of("unload").map(({ model, request, because }) => [model, request, because]),
    ).toEqual([
      ["b", "r-5", "to make room for d: host memory stood at 90.0 %, above 80.0 %"],
      ["c", "r-5", "to make room for d: host memory stood at 90.0 %, above 80.0 %"],
    ]);
  });

  test("does nothing, when memory is below the mark or cannot be read", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b");
    setMemory(fixture, 800);
    fixture.invoked("c");
    fixture.memory = null;
    fixture.invoked("d");
    expect(fixture.journal.of("eviction")).toEqual([]);
  });

  test("tries the load all the same, when nobody may go", () => {
    const fixture = agentFixture({ pinned: new Set(["a"]) });
    fill(fixture, "a");
    setMemory(fixture, 950);
    expect(fixture.invoked("b").status).toBe(200);
    expect(fixture.journal.of("eviction")).toMatchObject([{ victims: [], enough: false }]);
    expect(fixture.container.asked("unload")).toEqual([]);
  });

  test("goes by the last sample, so that a stale one unloads more than needed", () => {
    const fixture = agentFixture({ settings: { sampleEveryUs: 60 * SECOND } });
    fixture.agent.start();
    fill(fixture, "a", "b", "c", "d", "e");
    setMemory(fixture, 820);
    fixture.clock.advance(60 * SECOND);
    fixture.invoked("f");
    // Two have gone, and nobody has looked since.
    setMemory(fixture, 600);
    fixture.invoked("g");
    expect(fixture.container.asked("unload")).toEqual(["a", "b", "c", "d"]);
    expect(
      fixture.journal.of("eviction").map(({ reading, readingAgeUs }) => [reading[0]?.used, readingAgeUs > 0]),
    ).toEqual([
      [820 * MEGABYTE, true],
      [820 * MEGABYTE, true],
    ]);
  });
});

describe("a 507 for a load", () => {
  test("unloads at least one and tries again, until the container takes it", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b", "c");
    fixture.container.calls.length = 0;
    fixture.container.scripts.load = (_, nth) => ({ status: nth < 3 ? 507 : 200, afterUs: SECOND });
    const answer = fixture.invoked("d");
    expect(answer.status).toBe(200);
    expect(fixture.container.calls.map(({ operation, model }) => `${operation} ${model}`)).toEqual([
      "load d",
      "unload a",
      "load d",
      "unload b",
      "load d",
      "invoke d",
    ]);
    expect(answer.times).toMatchObject({
      loadUs: 3 * SECOND,
      unloadUs: SECOND,
      waitUs: 2 * SECOND + 3 * SECOND + 2 * SECOND,
    });
    expect(
      fixture.journal
        .of("load-answer")
        .filter(({ model }) => model === "d")
        .map(({ status }) => status),
    ).toEqual([507, 507, 200]);
  });

  test("gives up after so many retries with the container's words, and the caller reads 507 in a ModelError", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b", "c", "d", "e", "f");
    fixture.container.scripts.load = () => ({ status: 507, text: '{"error":"CUDA out of memory"}' });
    expect(fixture.invoked("g")).toMatchObject({
      status: 424,
      from: "container",
      error: {
        type: "ModelError",
        originalStatusCode: 507,
        originalMessage: '{"error":"CUDA out of memory"}',
      },
    });
    expect(fixture.container.asked("load").filter((model) => model === "g")).toHaveLength(4);
    expect(fixture.container.asked("unload")).toEqual(["a", "b", "c"]);
  });

  test("gives up at once, when nobody is there to unload", () => {
    const fixture = agentFixture();
    fixture.container.scripts.load = () => ({ status: 507 });
    expect(fixture.invoked("a")).toMatchObject({ status: 424, error: { originalStatusCode: 507 } });
    expect(fixture.container.asked("load")).toEqual(["a"]);
  });

  test("waits and tries again, when all others are in use just now", () => {
    const fixture = agentFixture();
    fill(fixture, "a");
    fixture.container.scripts.invoke = () => ({ status: 200, afterUs: SECOND });
    fixture.container.scripts.load = (_, nth) => ({ status: nth < 3 ? 507 : 200 });
    fixture.clock.advance(SECOND);
    fixture.invoke("b");
    fixture.clock.advance(1.9 * SECOND);
    fixture.invoke("a");
    fixture.clock.advance(0.2 * SECOND);
    expect(fixture.container.asked("unload")).toEqual([]);
    fixture.clock.advance(5 * SECOND);
    expect(fixture.container.asked("load").filter((model) => model === "b")).toHaveLength(3);
    expect([...fixture.answers.values()].every(({ status }) => status === 200)).toBe(true);
  });

  test("does not unload, when that trigger is switched off", () => {
    const fixture = agentFixture({ settings: { triggers: [] } });
    fill(fixture, "a");
    fixture.container.scripts.load = () => ({ status: 507 });
    expect(fixture.invoked("b").status).toBe(424);
    expect(fixture.container.asked("unload")).toEqual([]);
  });

  test("is no reason to unload, when it is another error", () => {
    const fixture = agentFixture();
    fill(fixture, "a");
    fixture.container.scripts.load = () => ({ status: 400, text: "Stub process 'b_0_0' is not healthy." });
    expect(fixture.invoked("b").status).toBe(424);
    expect(fixture.container.asked("unload")).toEqual([]);
  });

  test("spares who was used too recently, and the load fails where nobody else is left", () => {
    const fixture = agentFixture({ settings: { minimumIdleUs: 100 * SECOND } });
    fill(fixture, "a");
    fixture.container.scripts.load = () => ({ status: 507 });
    expect(fixture.invoked("b").status).toBe(424);
    expect(fixture.container.asked("unload")).toEqual([]);
    expect(fixture.container.asked("load").filter((model) => model === "b")).toHaveLength(1);
    fixture.clock.advance(100 * SECOND);
    fixture.invoked("b");
    expect(fixture.container.asked("unload")).toEqual(["a"]);
  });
});

describe("a 507 for an invocation", () => {
  test("unloads another model and sends it again, once", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b");
    fixture.container.scripts.invoke = (model, nth) => ({
      status: model === "b" && nth === 2 ? 507 : 200,
      afterUs: 10_000,
    });
    const answer = fixture.invoked("b");
    expect(answer).toMatchObject({
      status: 200,
      cacheHit: true,
      times: { unloadUs: SECOND / 2, containerUs: 20_000 },
    });
    expect(fixture.container.asked("unload")).toEqual(["a"]);
    expect(fixture.journal.of("eviction")).toMatchObject([
      { trigger: "out-of-memory-answer", model: "b", needHostBytes: 0, victims: [{ model: "a" }] },
    ]);
  });

  test("is what the caller gets, when it is 507 again", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b", "c");
    fixture.container.scripts.invoke = () => ({ status: 507, text: "MemoryError" });
    expect(fixture.invoked("c")).toMatchObject({
      status: 424,
      from: "container",
      error: { originalStatusCode: 507 },
    });
    expect(fixture.container.asked("unload")).toEqual(["a"]);
    expect(fixture.container.asked("invoke").filter((model) => model === "c")).toHaveLength(3);
  });

  test("is what the caller gets at once, when there is nobody else", () => {
    const fixture = agentFixture();
    fixture.container.scripts.invoke = () => ({ status: 507 });
    expect(fixture.invoked("a")).toMatchObject({ status: 424, error: { originalStatusCode: 507 } });
    expect(fixture.container.asked("invoke")).toEqual(["a"]);
    expect(fixture.agent.residents()).toMatchObject([{ name: "a", busy: false }]);
  });
});

describe("an unload", () => {
  test("never strikes a model with a request at the container", () => {
    const fixture = agentFixture();
    fill(fixture, "a", "b");
    fixture.container.scripts.invoke = () => ({ status: 200, afterUs: 30 * SECOND });
    fixture.invoke("a");
    setMemory(fixture, 900);
    fixture.clock.advance(SECOND);
    fixture.invoke("c");
    fixture.clock.advance(10 * SECOND);
    expect(fixture.container.asked("unload")).toEqual(["b"]);
  });

  test("holds back requests for the model, which is then loaded again", () => {
    const fixture = agentFixture();
    fill(fixture, "a");
    fixture.container.scripts.unload = () => ({ status: 200, afterUs: 2 * SECOND });
    setMemory(fixture, 900);
    fixture.invoke("b");
    fixture.clock.advance(2.5 * SECOND);
    expect(fixture.container.asked("unload")).toEqual(["a"]);
    setMemory(fixture, 100);
    expect(fixture.invoked("a")).toMatchObject({ status: 200, cacheHit: false });
    expect(fixture.container.asked("load")).toEqual(["a", "b", "a"]);
  });

  test("counts as done with 404; after another answer, or none, the model stays and is no victim until it is used", () => {
    for (const [status, stays] of [
      [404, false],
      [409, true],
      [400, true],
      [null, true],
    ] as const) {
      const fixture = agentFixture();
      fill(fixture, "a", "b");
      fixture.container.scripts.unload = (model) => (model === "a" ? { status } : { status: 200 });
      setMemory(fixture, 810);
      fixture.invoked("c");
      expect(fixture.agent.holds("a"), String(status)).toBe(stays ? "loaded" : "absent");
      fixture.invoked("d");
      // For d as well: c goes, and a is not tried again.
      expect(fixture.container.asked("unload"), String(status)).toEqual(["a", "b", "c"]);
      if (!stays) continue;
      expect(fixture.invoked("a")).toMatchObject({ status: 200, cacheHit: true });
      expect(fixture.agent.residents().find(({ name }) => name === "a")?.busy).toBe(false);
    }
  });

  test("has 360 s; then the load that waits for it goes on", () => {
    const fixture = agentFixture();
    fill(fixture, "a");
    fixture.container.scripts.unload = () => "never";
    setMemory(fixture, 900);
    const id = fixture.invoke("b");
    fixture.clock.advance(100 * SECOND);
    expect(fixture.answers.get(id)?.status).toBe(429);
    fixture.clock.advance(300 * SECOND);
    expect(fixture.agent.holds("b")).toBe("loaded");
    expect(fixture.journal.of("unload-answer")).toMatchObject([
      { model: "a", status: null, durationUs: 360 * SECOND },
    ]);
  });
});

describe("ModelCacheSetting Disabled", () => {
  test("unloads and deletes a model when its last invocation is done", () => {
    const fixture = agentFixture({ cacheEnabled: false });
    fixture.container.scripts.invoke = (_, nth) => ({ status: 200, afterUs: nth * SECOND });
    fixture.invoke("a");
    fixture.invoke("a");
    fixture.clock.advance(3 * SECOND + SECOND);
    expect(fixture.answers.size).toBe(1);
    expect(fixture.container.asked("unload")).toEqual([]);
    fixture.clock.advance(2 * SECOND);
    expect(fixture.container.asked("unload")).toEqual(["a"]);
    expect(fixture.journal.of("unload")).toMatchObject([{ because: "ModelCacheSetting is Disabled" }]);
    expect(fixture.journal.of("archive-deleted")).toMatchObject([
      { model: "a", rule: "ModelCacheSetting is Disabled" },
    ]);
    fixture.container.scripts.invoke = () => ({ status: 200 });
    expect(fixture.invoked("a")).toMatchObject({ cacheHit: false, times: { downloadUs: 2 * SECOND } });
  });

  test("downloads again for a request that comes during the unload, when the old archive is gone", () => {
    const fixture = agentFixture({ cacheEnabled: false });
    fixture.artifacts.removeUs = SECOND;
    fixture.invoked("a");
    expect(fixture.agent.holds("a")).toBe("absent");
    expect(fixture.container.asked("unload")).toEqual(["a"]);
    expect(fixture.invoked("a")).toMatchObject({ status: 200, cacheHit: false });
    const name = modelNameOf("a");
    expect(fixture.artifacts.log.slice(0, 4)).toEqual([
      `fetch ${name}`,
      `remove ${name}`,
      `removed ${name}`,
      `fetch ${name}`,
    ]);
  });

  test("keeps a model that was loaded too late for who asked for it, for the one who asks again", () => {
    const fixture = agentFixture({ cacheEnabled: false });
    fixture.container.scripts.load = () => ({ status: 200, afterUs: 80 * SECOND });
    expect(fixture.invoked("a").status).toBe(429);
    fixture.clock.advance(60 * SECOND);
    expect(fixture.invoked("a")).toMatchObject({ status: 200, cacheHit: true });
  });
});

describe("the idle timeout", () => {
  const idle = { triggers: ["idle-timeout"], idleTimeoutUs: 30 * SECOND } as const;

  test("unloads each model so long after its last use, full or not", () => {
    const fixture = agentFixture({ settings: idle });
    fixture.invoked("a");
    fixture.clock.advance(20 * SECOND);
    fixture.invoked("b");
    fixture.clock.advance(5 * SECOND);
    fixture.invoked("a");
    fixture.clock.advance(25 * SECOND);
    expect(fixture.container.asked("unload")).toEqual(["b"]);
    fixture.clock.advance(10 * SECOND);
    expect(fixture.container.asked("unload")).toEqual(["b", "a"]);
    expect(fixture.journal.of("unload")[0]?.because).toBe("not used for 30 s");
  });

  test("waits for a request that takes longer", () => {
    const fixture = agentFixture({ settings: idle });
    fixture.container.scripts.invoke = () => ({ status: 200, afterUs: 50 * SECOND });
    fixture.invoked("a");
    expect(fixture.container.asked("unload")).toEqual([]);
    fixture.clock.advance(30 * SECOND);
    expect(fixture.container.asked("unload")).toEqual(["a"]);
  });
});

test("a policy with a memory: keeps it from one decision to the next", () => {
  const fixture = agentFixture({ settings: { victims: "landlord", howMany: "one-then-retry" } });
  fill(fixture, "a", "b");
  setMemory(fixture, 900);
  fixture.invoked("c");
  const floor = fixture.agent.residents().find(({ name }) => name === "c")?.inflationAtLastUse;
  expect(floor).toBeGreaterThan(0);
  fixture.invoked("d");
  fixture.invoked("e");
  const later = fixture.agent.residents().find(({ name }) => name === "e")?.inflationAtLastUse;
  expect(later).toBeGreaterThan(floor ?? 0);
});

test("the estimate last-load: goes by what memory grew by when the model was loaded last", () => {
  const fixture = agentFixture({ settings: { estimate: "last-load" } });
  fixture.container.scripts.load = () => {
    if (fixture.memory) fixture.memory = { hostMegabytes: fixture.memory.hostMegabytes + 300 };
    return { status: 200, afterUs: SECOND };
  };
  fill(fixture, "a", "b", "c");
  expect(fixture.agent.residents().map(({ bytes }) => bytes.host)).toEqual(
    [300, 300, 300].map((n) => n * MEGABYTE),
  );
  fixture.invoked("d");
  // 900 of 1000 used: d, never loaded, is taken for its 100 MB, so one victim of 300 is enough.
  expect(fixture.container.asked("unload")).toEqual(["a"]);
});

test("the estimate profile: asks for both pools, and for the GPU where there is one", () => {
  const fixture = agentFixture({
    settings: { estimate: "profile" },
    gauge: {
      read: () => ({
        used: { host: 900, gpu: 10, disk: 0 },
        capacity: { host: 1000, gpu: 1000, disk: 0 },
      }),
    },
    profileBytes: (model) => (model === "b" ? { host: 5, gpu: 7, disk: 0 } : null),
  });
  fill(fixture, "a", "b");
  expect(fixture.agent.residents()).toMatchObject([{ name: "b", bytes: { host: 5, gpu: 7, disk: 0 } }]);
  expect(fixture.journal.of("eviction").filter(({ model }) => model === "b")).toMatchObject([
    {
      needHostBytes: 5,
      needGpuBytes: 7,
      reading: [
        { pool: "host", used: 900, capacity: 1000 },
        { pool: "gpu:0", used: 10, capacity: 1000 },
      ],
    },
  ]);
});
