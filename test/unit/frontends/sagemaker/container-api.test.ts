import { expect, test } from "vitest";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";
import { ServerPorts } from "../../../../emulator/frontends/sagemaker/server-ports.ts";
import { SimulatedContainerFixture } from "../../../support/simulated-container.ts";

const SECOND_US = 1_000_000;

/** Faults as a configuration words them. */
const planOf = (...words: readonly object[]): FaultPlan => {
  const set = parseFaults(words, "test");
  if (!set.ok) throw set.error;
  return new FaultPlan(set.value);
};

const containerWith = (...words: readonly object[]) =>
  new SimulatedContainerFixture({ faults: planOf(...words) });

const statuses = (answers: readonly { readonly status: number | null }[]) =>
  answers.map(({ status }) => status);

test("ping: a flap is 400 as often as the fault says, whatever the models do", () => {
  const fixture = containerWith({ operation: "ping", effect: "unhealthy", every: 2, times: 2 });
  const seen = Array.from({ length: 6 }, () => statuses(fixture.ping())).flat();
  expect(seen).toEqual([200, 400, 200, 400, 200, 200]);
});

test("ping: it can be late, never come, break off, or end the server", () => {
  const slow = containerWith({ operation: "ping", effect: "slow", delay: "3s" });
  const late = slow.ping();
  slow.clock.advance(3 * SECOND_US);
  expect(late).toMatchObject([{ status: 200, atUs: 3 * SECOND_US }]);

  const hanging = containerWith({ operation: "ping", effect: "hang" });
  const never = hanging.ping();
  hanging.clock.advance(1000 * SECOND_US);
  expect(never).toEqual([]);

  expect(statuses(containerWith({ operation: "ping", effect: "reset" }).ping())).toEqual([null]);

  const dying = containerWith({ operation: "ping", effect: "kill" });
  expect(statuses(dying.ping())).toEqual([null]);
  expect(dying.events()).toEqual(["container-started", "container-died"]);
});

test("list: it can be missing, late, never come, or break off, and pings are answered all the same", () => {
  const missing = containerWith({ operation: "list", effect: "unhealthy" });
  expect([statuses(missing.list()), statuses(missing.ping())]).toEqual([[404], [200]]);

  const slow = containerWith({ operation: "list", effect: "slow", delay: "3s" });
  const late = slow.list();
  slow.clock.advance(3 * SECOND_US);
  expect(late).toMatchObject([{ status: 200, atUs: 3 * SECOND_US }]);

  const hanging = containerWith({ operation: "list", effect: "hang" });
  const never = hanging.list();
  hanging.clock.advance(1000 * SECOND_US);
  expect(never).toEqual([]);

  expect(statuses(containerWith({ operation: "list", effect: "reset" }).list())).toEqual([null]);
});

test("respond: the answer to an invocation breaks off, that to its load does not", () => {
  const fixture = containerWith({ operation: "respond", effect: "reset", nth: 1, model: "a.tar.gz" });
  fixture.put("a");
  expect(statuses(fixture.load("a"))).toEqual([200]);
  expect(statuses(fixture.invoke("a"))).toEqual([null]);
  expect(statuses(fixture.invoke("a"))).toEqual([200]);
});

test("load-body-crash: a body that does not parse ends the server, and is answered otherwise", () => {
  const post = (fixture: SimulatedContainerFixture, body: string) => fixture.post("/models", body);
  for (const body of ["{", '{"model_name": 1}', '{"url": []}']) {
    const usual = new SimulatedContainerFixture();
    expect(statuses(post(usual, body))).toEqual([400]);
    expect(statuses(usual.ping())).toEqual([200]);
    const real = containerWith({ imitate: "load-body-crash" });
    expect(statuses(post(real, body))).toEqual([null]);
    expect(statuses(real.ping())).toEqual([null]);
  }
});

test("load-body-crash: a load without a name is never answered, and pings fail from then on", () => {
  const fixture = containerWith({ imitate: "load-body-crash" });
  fixture.put("a");
  const body = '{"url":"/opt/ml/models/ha/model"}';
  const load = fixture.post("/models", body);
  fixture.clock.advance(1000 * SECOND_US);
  expect(load).toEqual([]);
  expect(fixture.list()).toMatchObject([{ status: 200, text: '{"models":[]}' }]);
  expect(statuses(fixture.ping())).toEqual([400]);
  expect(statuses(new SimulatedContainerFixture().post("/models", body))).toEqual([400]);
});

test("slash-in-name: a TargetModel in a folder is refused as by newer servers, and leaves nothing", () => {
  const loadAs = (fixture: SimulatedContainerFixture, targetModel: string) => {
    const answers: object[] = [];
    const call = { modelName: "ha", targetModel, url: "/opt/ml/models/ha/model" };
    fixture.container.load(call, (answer) =>
      answers.push({ status: answer?.status, text: Buffer.from(answer?.body ?? []).toString() }),
    );
    fixture.clock.advance(SECOND_US);
    return answers;
  };
  const usual = new SimulatedContainerFixture();
  const newer = containerWith({ imitate: "slash-in-name" });
  for (const fixture of [usual, newer]) fixture.put("a");
  expect(loadAs(usual, "team/a.tar.gz")).toEqual([{ status: 200, text: "" }]);
  expect(loadAs(newer, "team/a.tar.gz")).toEqual([
    {
      status: 400,
      text: `{"error":"invalid model name 'team/a.tar.gz', model name must not contain path traversal characters"}`,
    },
  ]);
  expect(statuses(newer.ping())).toEqual([200]);
  expect(newer.list()).toMatchObject([{ text: '{"models":[]}' }]);
  expect(loadAs(newer, "a.tar.gz")).toEqual([{ status: 200, text: "" }]);
});

test("ports-run-out: a load is answered with 507 when no ports are left; an unload gives some back", () => {
  const load = (name: string, fixture: SimulatedContainerFixture) => {
    const answer = fixture.load(name);
    fixture.clock.advance(SECOND_US);
    return answer;
  };
  const names = Array.from({ length: 450 }, (_, index) => `m${index}`);
  const usual = new SimulatedContainerFixture();
  const short = containerWith({ imitate: "ports-run-out" });
  for (const fixture of [usual, short]) {
    for (const name of names) fixture.put(name);
    for (const name of names.slice(1)) expect(statuses(load(name, fixture))).toEqual([200]);
  }
  expect(statuses(load("m0", usual))).toEqual([200]);
  expect(load("m0", short)).toMatchObject([
    { status: 507, text: '{"error":"Memory exhausted: no available ports to load the model."}' },
  ]);
  expect(statuses(load("m1", short))).toEqual([409]);
  expect(statuses(short.ping())).toEqual([200]);
  short.unload("m1");
  short.clock.advance(SECOND_US);
  expect(statuses(load("m0", short))).toEqual([200]);
});

test("ports-run-out: loads that are under way have their ports", () => {
  const ports = new ServerPorts(new Map([["loaded", null]]), [21_000, 21_005]);
  const ended = ports.take();
  expect([ended === null, ports.take() === null, ports.take()]).toEqual([false, true, null]);
  ended?.();
  expect(ports.take()).not.toBeNull();
});

/** A model whose invocation takes 2 s is unloaded 0.5 s after the invocation began. */
const unloadDuringInvoke = (fixture: SimulatedContainerFixture) => {
  fixture.put("a", { "synthetic.warm_us": 2 * SECOND_US });
  fixture.load("a");
  const invoke = fixture.invoke("a");
  fixture.clock.advance(0.5 * SECOND_US);
  return { invoke, unload: fixture.unload("a") };
};

test("unload during an invocation of the same model: it waits for the answer", () => {
  const fixture = new SimulatedContainerFixture();
  const { invoke, unload } = unloadDuringInvoke(fixture);
  fixture.clock.advance(10 * SECOND_US);
  expect(invoke).toMatchObject([{ status: 200, atUs: 2 * SECOND_US }]);
  expect(unload).toMatchObject([{ status: 200, atUs: 2.5 * SECOND_US }]);
});

test("unload-during-invoke-hang: both wait for the 350 s, and pings fail until then", () => {
  const fixture = containerWith({ imitate: "unload-during-invoke-hang" });
  const { invoke, unload } = unloadDuringInvoke(fixture);
  expect(statuses(fixture.ping())).toEqual([400]);
  fixture.clock.advance(14 * SECOND_US);
  expect([invoke, unload]).toEqual([[], []]);
  expect(fixture.list()).toMatchObject([{ text: '{"models":[{}]}' }]);
  expect(statuses(fixture.ping())).toEqual([400]);
  expect(fixture.invoke("a")).toMatchObject([
    { status: 400, text: `{"error":"Identifier of model 'a.tar.gz' is not found in global map"}` },
  ]);
  fixture.clock.advance(400 * SECOND_US);
  expect(unload).toMatchObject([{ status: 200, atUs: 350.5 * SECOND_US }]);
  expect(invoke).toMatchObject([{ status: 200, atUs: 350.5 * SECOND_US }]);
  expect(fixture.list()).toMatchObject([{ text: '{"models":[]}' }]);
});

test("unload-during-invoke-hang: without an invocation, and for other models, unloads end as usual", () => {
  const fixture = containerWith({ imitate: "unload-during-invoke-hang" });
  fixture.put("busy", { "synthetic.warm_us": 60 * SECOND_US });
  fixture.put("idle");
  for (const name of ["busy", "idle"]) fixture.load(name);
  fixture.invoke("busy");
  const unload = fixture.unload("idle");
  fixture.clock.advance(SECOND_US);
  expect(statuses(unload)).toEqual([200]);
});

/** An invocation of 1 s, and 0.3 s later a load of another model that takes 5 s. */
const loadDuringInvoke = (fixture: SimulatedContainerFixture) => {
  fixture.put("quick", { "synthetic.warm_us": SECOND_US });
  fixture.put("slow", { "synthetic.load_us": 5 * SECOND_US });
  fixture.load("quick");
  const invoke = fixture.invoke("quick");
  fixture.clock.advance(0.3 * SECOND_US);
  return { invoke, load: fixture.load("slow") };
};

test("load-blocks-worker: a load holds back the answer that was on its way, and nobody who comes later", () => {
  const usual = new SimulatedContainerFixture();
  const free = loadDuringInvoke(usual);
  usual.clock.advance(10 * SECOND_US);
  expect(free.invoke).toMatchObject([{ status: 200, atUs: SECOND_US }]);

  const fixture = containerWith({ imitate: "load-blocks-worker" });
  const { invoke, load } = loadDuringInvoke(fixture);
  expect(statuses(fixture.ping())).toEqual([400]);
  expect(statuses(fixture.list())).toEqual([200]);
  fixture.clock.advance(10 * SECOND_US);
  expect(load).toMatchObject([{ status: 200, atUs: 5.3 * SECOND_US }]);
  expect(invoke).toMatchObject([{ status: 200, atUs: 5.3 * SECOND_US }]);
});

test("unload without the header of the load: 350 s, then 200 with the model still there", () => {
  const fixture = new SimulatedContainerFixture();
  fixture.put("a");
  fixture.load("a");
  const unload = fixture.call("DELETE", "/models/ha");
  fixture.clock.advance(349 * SECOND_US);
  expect(unload).toEqual([]);
  expect(fixture.list()).toMatchObject([{ text: '{"models":[{}]}' }]);
  expect(statuses(fixture.ping())).toEqual([200]);
  const invoke = fixture.invoke("a");
  expect(statuses(invoke)).toEqual([200]);
  fixture.clock.advance(2 * SECOND_US);
  expect(unload).toMatchObject([{ status: 200, atUs: 350 * SECOND_US }]);
  expect(statuses(fixture.invoke("a"))).toEqual([404]);
  // The model is still resident: to load it again takes no time.
  expect(statuses(fixture.load("a"))).toEqual([200]);
});

test("load whose stub is killed: 400, ping 400 for good, and nothing is listed", () => {
  const fixture = containerWith({ operation: "load", effect: "kill", model: "killed.tar.gz" });
  fixture.put("killed", { "memory.profile": "python" });
  const text =
    "load failed for model '/opt/ml/models/hkilled/model::killed.tar.gz': version 1 is at UNAVAILABLE state: Internal: " +
    "Stub process 'killed.tar.gz_0_0' is not healthy.;\n";
  for (let attempt = 0; attempt < 2; attempt++) {
    const load = fixture.load("killed");
    fixture.clock.advance(5 * SECOND_US);
    expect(load).toMatchObject([{ status: 400, text: JSON.stringify({ error: text }) }]);
  }
  expect(statuses(fixture.ping())).toEqual([400]);
  expect(fixture.list()).toMatchObject([{ text: '{"models":[]}' }]);
  expect(statuses(fixture.invoke("killed"))).toEqual([404]);
  expect(statuses(fixture.unload("killed"))).toEqual([404]);
  expect(statuses(fixture.ping())).toEqual([400]);
});

test("unload of a model whose stub died in an invocation: 200 after 350 s, pings fail for good, a load brings it back", () => {
  const fixture = containerWith({ operation: "infer", effect: "kill", nth: 1 });
  fixture.put("a", { "memory.profile": "python" });
  fixture.load("a");
  const invoke = fixture.invoke("a");
  fixture.clock.advance(SECOND_US);
  expect(invoke).toMatchObject([
    { status: 400, text: `{"error":"Stub process 'a.tar.gz_0_0' is not healthy."}`, atUs: SECOND_US },
  ]);
  expect(statuses(fixture.ping())).toEqual([200]);
  const unload = fixture.unload("a");
  fixture.clock.advance(349 * SECOND_US);
  expect(unload).toEqual([]);
  expect(statuses(fixture.ping())).toEqual([400]);
  fixture.clock.advance(2 * SECOND_US);
  expect(unload).toMatchObject([{ status: 200, atUs: 351 * SECOND_US }]);
  expect(fixture.list()).toMatchObject([{ text: '{"models":[]}' }]);
  expect(statuses(fixture.ping())).toEqual([400]);
  expect(statuses(fixture.load("a"))).toEqual([200]);
  expect(statuses(fixture.ping())).toEqual([200]);
  expect(statuses(fixture.invoke("a"))).toEqual([200]);
});

test("load-unload-race: loads that meet others end the server in the end, and are only answered otherwise", () => {
  const loadBesideAnother = (fixture: SimulatedContainerFixture) => {
    fixture.put("slow", { "synthetic.load_us": 1000 * SECOND_US });
    fixture.load("slow");
    const body = '{"model_name":"absent","url":"/opt/ml/models/absent/model"}';
    return Array.from({ length: 16_000 }, () => statuses(fixture.post("/models", body))).flat();
  };
  const fixture = containerWith({ imitate: "load-unload-race" });
  const answers = loadBesideAnother(fixture);
  expect(answers.slice(0, -1).every((status) => status === 400)).toBe(true);
  expect(answers.at(-1)).toBe(null);
  expect(fixture.events().at(-1)).toBe("container-died");
  expect(loadBesideAnother(new SimulatedContainerFixture()).at(-1)).toBe(400);
});
