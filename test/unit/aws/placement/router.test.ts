import { describe, expect, test } from "vitest";
import type { PlatformAnswer } from "../../../../emulator/aws/placement/platform-answer.ts";
import { Router } from "../../../../emulator/aws/placement/router.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { type AgentFixture, agentFixture, RecordedJournal, SECOND } from "./agent-fixture.ts";

const routerFixture = (count: number) => {
  const clock = new VirtualClock();
  const journal = new RecordedJournal();
  const create = (number: number): AgentFixture => agentFixture({ clock, instance: `i-${number}`, journal });
  const instances = Array.from({ length: count }, (_, index) => create(index + 1));
  const router = new Router({ agents: instances.map(({ agent }) => agent), journal });
  const answers: PlatformAnswer[] = [];
  let requests = 0;
  const invoke = (targetModel: string): void => {
    const requestId = `r-${++requests}`;
    router.invoke({ requestId, targetModel, headers: [], body: new Uint8Array() }, (answer) =>
      answers.push(answer),
    );
  };
  return {
    clock,
    journal,
    instances,
    router,
    answers,
    create,
    invoke,
    /** Invokes, and lets it come to its end. */
    invoked: (targetModel: string): void => {
      invoke(targetModel);
      clock.advance(10 * SECOND);
    },
    /** Which instance was invoked for a model, and how often. */
    served: (targetModel: string): number[] =>
      instances.map(
        ({ container }) => container.asked("invoke").filter((model) => model === targetModel).length,
      ),
  };
};

describe("a model", () => {
  test("goes where the fewest models are, and stays there", () => {
    const { invoked, served, journal } = routerFixture(3);
    for (const model of ["a", "b", "c", "d", "a", "b", "c", "d"]) invoked(model);
    expect(["a", "b", "c", "d"].map(served)).toEqual([
      [2, 0, 0],
      [0, 2, 0],
      [0, 0, 2],
      [2, 0, 0],
    ]);
    expect(
      journal
        .of("placed")
        .map(({ instance, model, request, because }) => [instance, model, request, because]),
    ).toEqual([
      ["i-1", "a", "r-1", "0 models, the fewest"],
      ["i-2", "b", "r-2", "0 models, the fewest"],
      ["i-3", "c", "r-3", "0 models, the fewest"],
      ["i-1", "d", "r-4", "1 model, the fewest"],
    ]);
  });

  test("counts as soon as it is asked for: models that come together are spread", () => {
    const { invoke, clock, served } = routerFixture(2);
    for (const model of ["a", "b", "c", "d"]) invoke(model);
    clock.advance(10 * SECOND);
    expect(["a", "b", "c", "d"].map(served)).toEqual([
      [1, 0],
      [0, 1],
      [1, 0],
      [0, 1],
    ]);
  });

  test("goes where more memory is free, when as many are there", () => {
    const { invoked, served, instances } = routerFixture(3);
    for (const [index, hostMegabytes] of [300, 100, 200].entries())
      instances[index]!.memory = { hostMegabytes };
    invoked("a");
    expect(served("a")).toEqual([0, 1, 0]);
  });

  test("goes back to the instance it was unloaded from, which has it on its disk", () => {
    const { invoked, served, instances } = routerFixture(2);
    invoked("a");
    invoked("b");
    instances[0]!.memory = { hostMegabytes: 900 };
    instances[1]!.memory = { hostMegabytes: 950 };
    invoked("c");
    expect(instances[0]!.container.asked("unload")).toEqual(["a"]);
    invoked("a");
    expect(served("a")).toEqual([2, 0]);
    expect(instances[0]!.artifacts.fetched).toEqual(["a", "c"]);
  });

  test("leaves no trace, when there is no such archive", () => {
    const { invoked, instances, journal, answers } = routerFixture(2);
    for (const { artifacts } of instances) artifacts.missing.add("a");
    invoked("a");
    invoked("a");
    expect(answers.map(({ status }) => status)).toEqual([400, 400]);
    expect(journal.of("placed")).toHaveLength(2);
  });
});

describe("a hot model", () => {
  const hot = () => {
    const fixture = routerFixture(3);
    fixture.invoked("a");
    for (const { container } of fixture.instances)
      container.scripts.invoke = () => ({ status: 200, afterUs: 20 * SECOND });
    return fixture;
  };

  test("gets a copy on a second instance with the ninth request at once; the others stay where it is loaded", () => {
    const { invoke, clock, instances, journal, served } = hot();
    for (let i = 0; i < 8; i++) invoke("a");
    expect(journal.of("placed")).toHaveLength(1);
    invoke("a");
    expect(journal.of("placed")[1]).toMatchObject({
      instance: "i-2",
      model: "a",
      request: "r-10",
      because: "hot: 8 requests at i-1, the least busy of 1 with the model",
    });
    // While the copy comes, no second one is made.
    for (let i = 0; i < 5; i++) invoke("a");
    expect(served("a")).toEqual([1 + 13, 0, 0]);
    clock.advance(5 * SECOND);
    expect(instances[1]!.container.asked("load")).toEqual(["a"]);
    invoke("a");
    expect(served("a")).toEqual([14, 2, 0]);
  });

  test("gets a third, when both are busy; there are no more than instances", () => {
    const { invoke, clock, journal } = hot();
    for (let i = 0; i < 40; i++) {
      invoke("a");
      clock.advance(SECOND / 4);
    }
    expect(journal.of("placed").map(({ instance }) => instance)).toEqual(["i-1", "i-2", "i-3"]);
  });

  test("loses the copy, when that is unloaded", () => {
    const { invoke, clock, instances, invoked, served, journal } = hot();
    for (let i = 0; i < 9; i++) invoke("a");
    clock.advance(60 * SECOND);
    instances[1]!.memory = { hostMegabytes: 900 };
    instances[2]!.memory = { hostMegabytes: 950 };
    invoked("x");
    invoked("y");
    invoked("z");
    expect(instances[1]!.container.asked("unload")).toEqual(["a"]);
    const before = served("a");
    for (let i = 0; i < 3; i++) invoke("a");
    clock.advance(60 * SECOND);
    expect(served("a")).toEqual([before[0]! + 3, before[1], before[2]]);
    // And gets one again, when it is as hot again.
    for (let i = 0; i < 9; i++) invoke("a");
    expect(journal.of("placed").filter(({ model }) => model === "a")).toHaveLength(3);
  });

  test("is not copied while its first load takes long, however many wait", () => {
    const { invoke, clock, journal } = routerFixture(2);
    for (let i = 0; i < 30; i++) invoke("a");
    clock.advance(SECOND);
    expect(journal.of("placed")).toHaveLength(1);
  });
});

describe("instances", () => {
  test("that are added get the next models", () => {
    const { invoked, router, create } = routerFixture(1);
    invoked("a");
    const added = create(2);
    expect(router.add(added.agent)).toEqual({ ok: true, value: null });
    invoked("b");
    expect(added.container.asked("load")).toEqual(["b"]);
  });

  test("that are removed answer what they have; their models are placed anew", () => {
    const { invoked, invoke, router, clock, answers, served } = routerFixture(2);
    invoked("a");
    invoke("a");
    let removed = false;
    router.remove("i-1", () => {
      removed = true;
    });
    expect(removed).toBe(false);
    invoke("a");
    clock.advance(10 * SECOND);
    expect(removed).toBe(true);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(served("a")).toEqual([2, 1]);
  });

  test("are refused by name, when there is one already, or none to remove", () => {
    const { router, create } = routerFixture(2);
    const again = router.add(create(2).agent);
    expect(again.ok ? "" : again.error.message).toBe(
      "there is an instance 'i-2' already; give the new one another name",
    );
    const nobody = router.remove("i-9", () => {});
    expect(nobody.ok ? "" : nobody.error.message).toBe("there is no instance 'i-9'; there are: 'i-1', 'i-2'");
  });

  test("that are not healthy are left out, until they are again", () => {
    const { invoked, clock, instances, served, answers } = routerFixture(2);
    const [first] = instances;
    invoked("a");
    first!.container.scripts.ping = (_, nth) => ({ status: nth <= 2 ? null : 200 });
    first!.container.scripts.restart = () => ({ status: 200, afterUs: 60 * SECOND });
    first!.agent.start();
    expect(first!.agent.healthy).toBe(false);
    invoked("a");
    invoked("b");
    expect([served("a"), served("b")]).toEqual([
      [1, 1],
      [0, 1],
    ]);
    clock.advance(60 * SECOND);
    invoked("c");
    expect(served("c")).toEqual([1, 0]);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
  });

  test("that are all gone or ill make a 503, which the journal tells as any other answer", () => {
    const { invoked, router, answers, journal } = routerFixture(1);
    router.remove("i-1", () => {});
    invoked("a");
    expect(answers).toMatchObject([{ status: 503, from: "platform", error: { type: "ServiceUnavailable" } }]);
    expect(journal.events).toMatchObject([
      { event: "invocation", model: "a", request: "r-1", cacheHit: false },
      { event: "answer", model: "a", request: "r-1", status: 503, from: "platform", durationUs: 0 },
    ]);
  });
});
