import { expect, test } from "vitest";
import { ContainerFixture } from "../../../support/container-calls.ts";

const SECOND_US = 1_000_000;

const loaded = (...names: readonly (readonly [hash: string, target?: string])[]): ContainerFixture => {
  const fixture = new ContainerFixture();
  for (const [hash, target] of names) {
    fixture.put(hash);
    expect(fixture.loadHash(hash, target).status).toBe(200);
  }
  return fixture;
};

test("unload: takes half a second at least, then the model is gone from list and index", () => {
  const fixture = loaded(["h1", "x.tar.gz"]);
  const call = fixture.unload("h1", "x.tar.gz");
  fixture.core.clock.advance(499_999);
  expect(call.status).toBeNull();
  expect([...fixture.models.keys()]).toEqual(["h1"]);
  fixture.core.clock.advance(1);
  expect(call).toEqual({ status: 200, body: "", answeredUs: 500_000 });
  expect(fixture.models.size).toBe(0);
  expect(fixture.core.index()).toEqual([]);
  expect(fixture.core.logged.slice(-4)).toEqual([
    "Unloading SageMaker TargetModel: x.tar.gz\n",
    "successfully unloaded '/opt/ml/models/h1/model::x.tar.gz' version 1",
    "UNLOAD for model x.tar.gz completed in 0 seconds.",
    "Model repository unregistered: /opt/ml/models/h1/model",
  ]);
});

test("unload: answers with the first look after the model went, a pause later", () => {
  const fixture = loaded(["h1"]);
  fixture.core.backend.releaseUs = 1_400_000;
  const call = fixture.unload("h1");
  fixture.core.clock.advance(10 * SECOND_US);
  expect(call).toMatchObject({ status: 200, answeredUs: 2 * SECOND_US });
  expect(fixture.core.logged).toContain("UNLOAD for model h1 completed in 2 seconds.");
});

test("unload: waits for what is in flight", () => {
  const fixture = loaded(["h1"]);
  fixture.core.backend.executeUs = 1.9 * SECOND_US;
  const inference = fixture.core.infer("h1");
  fixture.core.clock.advance(500_000);
  const call = fixture.unload("h1");
  fixture.core.clock.advance(10 * SECOND_US);
  expect(inference).toMatchObject({ error: null, answeredUs: 1.9 * SECOND_US });
  expect(call).toMatchObject({ status: 200, answeredUs: 2.5 * SECOND_US });
});

test("unload: after 350 s it says 200 although the model still unloads", () => {
  const fixture = loaded(["h1", "x"]);
  fixture.core.backend.releaseUs = 1000 * SECOND_US;
  const call = fixture.unload("h1", "x");
  fixture.core.clock.advance(349.9 * SECOND_US);
  expect(call.status).toBeNull();
  expect(fixture.core.index()).toEqual(["x:1 UNLOADING"]);
  fixture.core.clock.advance(SECOND_US);
  expect(call).toEqual({ status: 200, body: "", answeredUs: 350 * SECOND_US });
  expect(fixture.core.logged.slice(-3)).toEqual([
    "UNLOAD for model x completed in 350 seconds.",
    "Error: UNLOAD did not complete within expected 350 seconds. This may result in SageMaker UNLOAD timeout.",
    "Model repository unregistered: /opt/ml/models/h1/model",
  ]);
  expect(fixture.models.size).toBe(0);
  expect(fixture.core.server.isReady()).toBe(false);
});

test("unload: without the TargetModel of the load it takes 350 s, and the model stays resident", () => {
  const fixture = loaded(["h1", "x"]);
  const call = fixture.unload("h1");
  fixture.core.clock.advance(400 * SECOND_US);
  expect(call).toMatchObject({ status: 200, answeredUs: 350 * SECOND_US });
  expect(fixture.models.size).toBe(0);
  const inference = fixture.core.infer("x");
  fixture.core.clock.advance(SECOND_US);
  expect(inference.error).toBeNull();
  expect(fixture.core.backend.events.filter((event) => event.startsWith("release"))).toEqual([]);
  expect(fixture.loadHash("h1", "x").status).toBe(200);
});

test("unload: of what is not there, or not any more, is 404", () => {
  const fixture = loaded(["h1"]);
  expect(fixture.unload("h2")).toEqual({ status: 404, body: "", answeredUs: 0 });
  fixture.unload("h1");
  fixture.core.clock.advance(SECOND_US);
  expect(fixture.unload("h1").status).toBe(404);
});

test("unload: two at a time do not wait for each other", () => {
  const fixture = loaded(["h1"], ["h2"]);
  fixture.core.backend.releaseUs = 3 * SECOND_US;
  const calls = [fixture.unload("h1"), fixture.unload("h2")];
  fixture.core.clock.advance(10 * SECOND_US);
  expect(calls.map(({ answeredUs }) => answeredUs)).toEqual([3.5 * SECOND_US, 3.5 * SECOND_US]);
});

test("stop: ends the waiting, and nothing more is answered", () => {
  const fixture = loaded(["h1"]);
  const call = fixture.unload("h1");
  fixture.unloader.stop();
  fixture.core.clock.advance(400 * SECOND_US);
  expect(call.status).toBeNull();
});
