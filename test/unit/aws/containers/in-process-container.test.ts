import { expect, test } from "vitest";
import { SimulatedContainerFixture } from "../../../support/simulated-container.ts";

const statuses = (answers: readonly { readonly status: number | null }[]) =>
  answers.map(({ status }) => status);

const SECOND_US = 1_000_000;

test("in-process container: loads, lists, invokes and unloads on the virtual clock alone", () => {
  const fixture = new SimulatedContainerFixture();
  fixture.put("a", {
    "memory.host_weights_bytes": 200,
    "synthetic.load_us": 3 * SECOND_US,
    "synthetic.warm_us": 1000,
  });
  const load = fixture.load("a");
  expect(statuses(fixture.ping())).toEqual([400]);
  fixture.clock.advance(3 * SECOND_US);
  expect(load).toMatchObject([{ status: 200, atUs: 3 * SECOND_US }]);
  expect(fixture.list()).toMatchObject([{ status: 200, text: '{"models":[{}]}' }]);
  expect(fixture.container.gauge.read()?.used.host).toBe(300);
  const invoke = fixture.invoke("a");
  fixture.clock.advance(1000);
  expect(invoke).toMatchObject([
    { status: 200, headers: ["Content-Type", "application/json"], atUs: 3 * SECOND_US + 1000 },
  ]);
  expect(JSON.parse(invoke[0]!.text)).toMatchObject({ model_name: "a.tar.gz", outputs: [{ name: "OUT" }] });
  const unload = fixture.unload("a");
  fixture.clock.advance(SECOND_US);
  expect(unload).toMatchObject([{ status: 200, headers: ["Content-Type", "text/plain"] }]);
  expect(fixture.container.gauge.read()).toEqual({
    used: { host: 100, gpu: 0, disk: 0 },
    capacity: { host: 1000, gpu: 200, disk: 50 },
  });
});

test("in-process container: a GPU that is full answers 507, and nothing stays behind", () => {
  const fixture = new SimulatedContainerFixture();
  fixture.put("a", { "memory.gpu_weights_bytes": 60 }, "KIND_GPU");
  fixture.put("b", { "memory.gpu_weights_bytes": 60 }, "KIND_GPU");
  expect(statuses(fixture.load("a"))).toEqual([200]);
  const text =
    "load failed for model '/opt/ml/models/hb/model::b.tar.gz': version 1 is at UNAVAILABLE state: Internal: CUDA out of " +
    "memory. Tried to allocate 60 bytes;\n";
  expect(fixture.load("b")).toMatchObject([{ status: 507, text: JSON.stringify({ error: text }) }]);
  expect(fixture.container.gauge.read()?.used.gpu).toBe(120);
});

test("in-process container: when the kernel kills tritonserver nothing is answered until it runs again, empty", () => {
  const fixture = new SimulatedContainerFixture();
  fixture.put("slow", { "memory.host_weights_bytes": 200, "synthetic.warm_us": 60 * SECOND_US });
  fixture.put("big", { "memory.host_weights_bytes": 900 });
  fixture.load("slow");
  const invoke = fixture.invoke("slow");
  const load = fixture.load("big");
  expect(statuses(load)).toEqual([null]);
  expect(statuses(invoke)).toEqual([null]);
  expect(statuses(fixture.ping())).toEqual([null]);
  expect(fixture.container.gauge.read()).toBeNull();
  const started: number[] = [];
  fixture.container.restart((running) => {
    expect(running).toBe(true);
    started.push(fixture.clock.now());
  });
  fixture.clock.advance(2 * SECOND_US);
  expect(started).toEqual([1_300_000]);
  expect(statuses(fixture.ping())).toEqual([200]);
  expect(statuses(fixture.invoke("slow"))).toEqual([404]);
  expect(fixture.container.gauge.read()?.used.host).toBe(100);
  // What the first life held went with it: the journal adds up.
  const host = fixture.journal.events().filter((event) => event.event === "bytes" && event.pool === "host");
  const sum = host.reduce((total, event) => total + (event.event === "bytes" ? event.change : 0), 0);
  expect(sum).toBe(100);
  // The requests of the first life are not answered by the second.
  fixture.clock.advance(100 * SECOND_US);
  expect([invoke.length, load.length]).toEqual([1, 1]);
  expect(fixture.events()).toEqual([
    "container-started",
    "model-state slow.tar.gz",
    "model-state slow.tar.gz",
    "model-state big.tar.gz",
    "killed",
    "container-died",
    "container-started",
  ]);
});

test("in-process container: a restart of one that runs ends it first", () => {
  const fixture = new SimulatedContainerFixture();
  fixture.put("a");
  fixture.load("a");
  fixture.container.restart(() => {});
  expect(statuses(fixture.list())).toEqual([null]);
  fixture.clock.advance(2 * SECOND_US);
  expect(fixture.list()).toMatchObject([{ text: '{"models":[]}' }]);
});
