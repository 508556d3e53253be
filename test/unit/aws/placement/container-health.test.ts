import { describe, expect, test } from "vitest";
import { agentFixture, SECOND } from "./agent-fixture.ts";
import type { Reply } from "./scripted-container.ts";

describe("pings", () => {
  test("are sent every 5 s, each good one followed by a list", () => {
    const { agent, clock, container } = agentFixture();
    agent.start();
    clock.advance(12 * SECOND);
    expect(container.calls.map(({ operation, atUs }) => [operation, atUs / SECOND])).toEqual([
      ["ping", 0],
      ["list", 0],
      ["ping", 5],
      ["list", 5],
      ["ping", 10],
      ["list", 10],
    ]);
  });

  test("are written to the journal, when they change between good and bad", () => {
    const { agent, clock, container, journal } = agentFixture();
    container.scripts.ping = (_, nth) => ({ status: nth >= 2 && nth <= 4 ? 400 : 200 });
    agent.start();
    clock.advance(30 * SECOND);
    expect(journal.events).toEqual([
      { instance: "i-1", event: "ping", status: 400 },
      { instance: "i-1", event: "ping", status: 200 },
    ]);
  });

  test("that fail during a load of 360 s end nothing; one more than that does", () => {
    const { agent, clock, container } = agentFixture();
    container.scripts.ping = () => ({ status: 400 });
    agent.start();
    clock.advance(359 * SECOND);
    expect(container.reasons).toEqual([]);
    expect(agent.healthy).toBe(true);
    clock.advance(SECOND);
    expect(container.reasons).toEqual(["73 pings in a row failed, the last one with 400"]);
    expect(agent.healthy).toBe(false);
  });

  test("start the container anew, when three in a row have no answer within 2 s", () => {
    const { agent, clock, container } = agentFixture();
    container.scripts.ping = (_, nth) => (nth <= 3 ? "never" : { status: 200 });
    agent.start();
    clock.advance(11.9 * SECOND);
    expect(container.reasons).toEqual([]);
    clock.advance(0.1 * SECOND);
    expect(container.reasons).toEqual(["3 pings in a row had no answer within 2 s"]);
    clock.advance(2 * SECOND);
    expect(agent.healthy).toBe(true);
  });

  test("count anew after a good one", () => {
    const { agent, clock, container } = agentFixture();
    container.scripts.ping = (_, nth) => (nth % 3 === 0 ? { status: 200 } : "never");
    agent.start();
    clock.advance(100 * SECOND);
    expect(container.reasons).toEqual([]);
  });

  test("fail with a list that fails", () => {
    const { agent, clock, container, journal } = agentFixture();
    container.scripts.list = () => ({ status: 404 });
    agent.start();
    clock.advance(SECOND);
    expect(journal.of("ping")).toMatchObject([{ status: 404, asked: "list" }]);
    clock.advance(360 * SECOND);
    expect(container.reasons).toEqual(["73 pings in a row failed, the list after the last one with 404"]);
  });

  test("end with the agent", () => {
    const { agent, clock, container } = agentFixture();
    agent.start();
    agent.stop();
    agent.start();
    clock.runAll();
    expect(container.asked("ping")).toHaveLength(1);
    expect(clock.now()).toBeLessThan(10 * SECOND);
  });
});

describe("a container that dies", () => {
  test("is started anew, when nobody answers a ping and the one that makes sure", () => {
    const { agent, clock, container, invoked, artifacts } = agentFixture();
    invoked("a");
    container.scripts.ping = (_, nth) => (nth <= 2 ? { status: null } : { status: 200 });
    agent.start();
    expect(container.reasons).toEqual(["nobody answers"]);
    expect(agent.healthy).toBe(false);
    expect(agent.holds("a")).toBe("absent");
    clock.advance(1.3 * SECOND);
    expect(agent.healthy).toBe(true);
    // Loaded again, from the disk.
    expect(invoked("a")).toMatchObject({ status: 200, cacheHit: false, times: { downloadUs: 0 } });
    expect(artifacts.fetched).toEqual(["a"]);
  });

  test("gives an error to everybody it had a call of, and to who waited for a load", () => {
    const { agent, clock, container, invoked, invoke, answers, twice } = agentFixture();
    invoked("a");
    agent.start();
    container.scripts.invoke = () => ({ status: 200, afterUs: 20 * SECOND });
    container.scripts.load = () => ({ status: 200, afterUs: 20 * SECOND });
    const ids = [invoke("a"), invoke("a"), invoke("b")];
    clock.advance(4 * SECOND);
    const fetching = invoke("c");
    container.scripts.ping = () => ({ status: null });
    clock.advance(SECOND);
    for (const id of ids) {
      expect(answers.get(id)).toMatchObject({
        status: 424,
        from: "platform",
        error: { type: "ModelError", originalStatusCode: 0 },
      });
    }
    expect(answers.get(ids[0] ?? "")?.error?.message).toContain(
      "could not get a response from the triton-local endpoint",
    );
    expect(answers.has(fetching)).toBe(false);
    container.scripts.ping = () => ({ status: 200 });
    container.scripts.load = () => ({ status: 200 });
    container.scripts.invoke = () => ({ status: 200 });
    clock.advance(60 * SECOND);
    // The answers of the one that died come too late to matter.
    expect(answers.get(fetching)?.status).toBe(200);
    expect(twice).toEqual([]);
    expect(agent.residents()).toMatchObject([{ name: "c", busy: false }]);
  });

  test("is noticed by a call it does not answer, before the next ping", () => {
    const { clock, container, invoked } = agentFixture();
    invoked("a");
    container.scripts.invoke = () => ({ status: null });
    container.scripts.ping = () => ({ status: null });
    expect(invoked("a").error?.originalStatusCode).toBe(0);
    expect(container.reasons).toEqual(["nobody answers"]);
    clock.advance(2 * SECOND);
    container.scripts.invoke = () => ({ status: 200 });
    expect(invoked("a").status).toBe(200);
  });

  test("is noticed by an unload it does not answer", () => {
    const fixture = agentFixture();
    fixture.invoked("a");
    fixture.container.scripts.unload = () => ({ status: null });
    fixture.container.scripts.ping = () => ({ status: null });
    fixture.memory = { hostMegabytes: 900 };
    expect(fixture.invoked("b")).toMatchObject({ status: 424, from: "platform" });
    expect(fixture.container.reasons).toEqual(["nobody answers"]);
  });

  test("takes with it what it never answered: the model is free again afterwards", () => {
    const { agent, container, clock, invoked } = agentFixture();
    container.scripts.invoke = (_, nth) => (nth === 1 ? "never" : { status: 200 });
    expect(invoked("a").error?.originalStatusCode).toBe(0);
    expect(agent.residents()).toMatchObject([{ name: "a", busy: true }]);
    container.scripts.ping = (_, nth) => ({ status: nth <= 2 ? null : 200 });
    agent.start();
    clock.advance(5 * SECOND);
    expect(invoked("a").status).toBe(200);
    expect(agent.residents()).toMatchObject([{ name: "a", busy: false }]);
  });

  test("has not died, when only one connection broke", () => {
    const { container, invoked, agent } = agentFixture();
    invoked("a");
    container.scripts.invoke = (_, nth) => (nth === 2 ? { status: null } : { status: 200 });
    expect(invoked("a").status).toBe(424);
    expect(container.reasons).toEqual([]);
    expect(agent.holds("a")).toBe("loaded");
    expect(invoked("a").status).toBe(200);
  });

  test("lets calls wait until it is there again", () => {
    const { agent, container, invoke, clock, answers } = agentFixture();
    container.scripts.ping = (_, nth) => ({ status: nth <= 2 ? null : 200 });
    container.scripts.restart = () => ({ status: 200, afterUs: 20 * SECOND });
    agent.start();
    const id = invoke("a");
    clock.advance(19 * SECOND);
    expect(container.asked("load")).toEqual([]);
    clock.advance(5 * SECOND);
    expect(answers.get(id)?.status).toBe(200);
  });

  test("refuses calls with 503, when it does not come back", () => {
    const { agent, container, invoked } = agentFixture();
    container.scripts.ping = () => ({ status: null });
    container.scripts.restart = () => ({ status: null, afterUs: SECOND });
    agent.start();
    expect(invoked("a")).toMatchObject({
      status: 503,
      from: "platform",
      error: { type: "ServiceUnavailable" },
    });
    expect(invoked("a")).toMatchObject({ status: 503 });
    expect(agent.healthy).toBe(false);
  });

  test("ends an eviction in its middle: the newcomer's caller gets the error, and a later call starts over", () => {
    const { agent, container, clock, invoke, invoked, answers } = agentFixture();
    invoked("a");
    invoked("b");
    container.scripts.load = (model, nth) => ({ status: model === "c" && nth === 1 ? 507 : 200 });
    container.scripts.unload = () => "never";
    const id = invoke("c");
    clock.advance(3 * SECOND);
    expect(container.asked("unload")).toEqual(["a"]);
    container.scripts.ping = (_, nth) => ({ status: nth <= 2 ? null : 200 });
    agent.start();
    expect(answers.get(id)).toMatchObject({ status: 424, from: "platform" });
    clock.advance(400 * SECOND);
    expect(agent.residents()).toEqual([]);
    expect(invoked("c").status).toBe(200);
  });
});

describe("a model the container no longer knows", () => {
  test("is loaded again for an invocation that gets 404, which is then served", () => {
    const { container, invoked } = agentFixture();
    invoked("a");
    container.scripts.invoke = (_, nth) => ({ status: nth === 2 ? 404 : 200 });
    expect(invoked("a")).toMatchObject({ status: 200, cacheHit: true });
    expect(container.asked("load")).toEqual(["a", "a"]);
  });

  test("is not loaded a third time for the same invocation", () => {
    const { container, invoked } = agentFixture();
    container.scripts.invoke = () => ({ status: 404 });
    expect(invoked("a")).toMatchObject({ status: 424, error: { originalStatusCode: 404 } });
    expect(container.asked("load")).toEqual(["a", "a"]);
  });
});

describe("models the container has of itself", () => {
  const listing = (...names: readonly string[]): Reply => ({
    status: 200,
    text: JSON.stringify({ models: names.map((modelName) => ({ modelName, modelUrl: "/x" })) }),
  });

  test("are unloaded, once each; empty entries as Triton's and what is no list are let be", () => {
    const { agent, clock, container, journal } = agentFixture();
    const lists = [
      listing("preloaded"),
      listing("preloaded"),
      { status: 200, text: '{"models":[{},{}]}' },
      { status: 200, text: "x" },
    ];
    container.scripts.list = (_, nth) => lists[nth - 1] ?? listing();
    container.scripts.unload = () => ({ status: 200, afterUs: 6 * SECOND });
    agent.start();
    clock.advance(30 * SECOND);
    expect(container.asked("unload")).toEqual(["preloaded"]);
    expect(journal.of("unload")).toMatchObject([
      { model: "preloaded", because: "the container lists it, and nobody asked for it" },
    ]);
  });
});

describe("an agent that ends", () => {
  test("does not start a container anew for a ping that fails afterwards", () => {
    const { agent, clock, container } = agentFixture();
    container.scripts.ping = () => ({ status: null, afterUs: SECOND });
    agent.start();
    agent.stop();
    clock.advance(10 * SECOND);
    expect(container.asked("ping")).toHaveLength(1);
    expect(container.reasons).toEqual([]);
  });

  test("answers what waits with 503 when it is stopped, once, and everything after that", () => {
    const { agent, clock, invoke, invoked, answers, twice, container } = agentFixture();
    invoked("a");
    container.scripts.invoke = () => ({ status: 200, afterUs: 5 * SECOND });
    const ids = [invoke("a"), invoke("b")];
    agent.stop();
    agent.stop();
    for (const id of ids) expect(answers.get(id)).toMatchObject({ status: 503, from: "platform" });
    expect(invoked("a").status).toBe(503);
    clock.advance(100 * SECOND);
    expect(twice).toEqual([]);
  });

  test("answers what it has when it is drained, and nothing new", () => {
    const { agent, clock, invoke, answers, container } = agentFixture();
    container.scripts.invoke = () => ({ status: 200, afterUs: 5 * SECOND });
    const id = invoke("a");
    let drained = 0;
    agent.drain(() => {
      drained++;
    });
    const refused = invoke("a");
    expect(answers.get(refused)?.status).toBe(503);
    expect(drained).toBe(0);
    clock.advance(10 * SECOND);
    expect(answers.get(id)?.status).toBe(200);
    expect(drained).toBe(1);
    agent.drain(() => {
      drained++;
    });
    expect(drained).toBe(2);
  });
});
