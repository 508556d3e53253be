import { expect, test } from "vitest";
import { eventText } from "../../../emulator/journal/event-text.ts";
import { playScenario } from "../../support/scenarios.ts";

const textOf = (yaml: string): string => playScenario(yaml).events.map(eventText).join("\n");

const poisson = "traffic: [{ arrivals: poisson, rate: 5, for: 20s, choose: uniform, as: first }]";

test("run: the same seed gives the same journal, another seed another one", () => {
  expect(textOf(`${poisson}\nseed: 4`)).toBe(textOf(`${poisson}\nseed: 4`));
  expect(textOf(`${poisson}\nseed: 5`)).not.toBe(textOf(`${poisson}\nseed: 4`));
});

const callsOf = (yaml: string) =>
  playScenario(`level: triton\n${yaml}`).run.calls.filter(({ kind }) => kind === "invoke");

test("run: even arrivals come at their rate and end with their time", () => {
  const calls = callsOf("traffic: [{ arrivals: even, rate: 2, at: 1s, for: 2s, as: first }]");
  expect(calls.map(({ atUs }) => atUs)).toEqual([1_000_000, 1_500_000, 2_000_000, 2_500_000]);
  expect(calls.map(({ request, model }) => [request, model])).toEqual([
    ["first-1", "a"],
    ["first-2", "b"],
    ["first-3", "a"],
    ["first-4", "b"],
  ]);
});

test("run: Poisson arrivals are about as many as their rate says, and not even", () => {
  const times = callsOf("traffic: [{ arrivals: poisson, rate: 100, for: 50s, as: first }]").map(
    ({ atUs }) => atUs,
  );
  expect(times.length).toBeGreaterThan(4700);
  expect(times.length).toBeLessThan(5300);
  const gaps = new Set(times.slice(1).map((time, index) => time - times[index]!));
  expect(gaps.size).toBeGreaterThan(1000);
});

test("run: bursts come together, and end after so many requests", () => {
  const calls = callsOf("traffic: [{ arrivals: burst, burst: 3, every: 10s, requests: 7, as: first }]");
  expect(calls.map(({ atUs }) => atUs / 1e6)).toEqual([0, 0, 0, 10, 10, 10, 20]);
});

test("run: callers of a closed loop wait for their answer, then think", () => {
  const calls = callsOf(`server: { load_model: [a] }
models: [{ name: a, backend: python, warm: 100ms, load: 0s }]
traffic: [{ arrivals: closed, clients: 2, think: 400ms, requests: 6, models: a, as: first }]`);
  expect(calls.map(({ atUs }) => atUs / 1e3)).toEqual([0, 0, 500, 600, 1000, 1100]);
});

test("run: a closed loop that is answered in no time ends all the same", () => {
  const calls = callsOf("traffic: [{ arrivals: closed, clients: 1, for: 20ms, models: a, as: first }]");
  expect(calls).toHaveLength(20);
  expect(calls[0]?.answer?.status).toBe(404);
});

test("run: zipf asks for the first model the most", () => {
  const calls = callsOf(`models: [{ name: 'm{i}', count: 4 }]
traffic: [{ arrivals: even, rate: 1000, for: 4s, choose: zipf, as: first }]`);
  const counts = ["m1", "m2", "m3", "m4"].map((name) => calls.filter(({ model }) => model === name).length);
  expect(counts).toEqual([...counts].sort((a, b) => b - a));
  expect(counts[0]! / counts[3]!).toBeGreaterThan(3);
  expect(counts[0]! / counts[3]!).toBeLessThan(5);
});

test("run: the three levels load and answer the same model", () => {
  for (const level of ["container", "triton"]) {
    const { failed } = playScenario(`level: ${level}
traffic: [{ at: 0s, load: a, as: load }, { at: 5s, invoke: a, as: first }, { at: 6s, unload: a, as: unload }]
expect:
  - { answer: load, status: 200, took: 1s }
  - { answer: first, status: 200, took: 10ms }
  - { answer: unload, status: 200 }
  - { not_resident: a }
  - { resident: a, at: 5s }`);
    expect(failed, level).toEqual([]);
  }
  const { failed } = playScenario(`expect:
  - { answer: first, status: 200, cache_hit: false, from: container }
  - { resident: a }`);
  expect(failed).toEqual([]);
});

test("run: steps of the container API and of Triton's own health", () => {
  const { failed } = playScenario(`level: container
traffic:
  - { at: 0s, load: a, as: load }
  - { at: 0.5s, ask: ping, as: busy }
  - { at: 0.5s, ask: ready, as: not-ready }
  - { at: 0.5s, ask: live, as: live }
  - { at: 2s, ask: list, as: list }
  - { at: 2s, load: a, as: again }
  - { at: 2s, call: GET /models/nobody, as: nobody }
  - { at: 2s, call: POST /models, body: "[]", as: no-url }
  - { at: 3s, unload: b, hash: nobody, as: unknown }
  - { at: 3s, call: POST /v2/repository/index, via: triton, as: index }
  - { at: 4s, invoke: a, body: "{", as: broken }
expect:
  - { answer: busy, status: 400 }
  - { answer: not-ready, status: 400 }
  - { answer: live, status: 200 }
  - { answer: list, status: 200, text: '{"models":[{}]}' }
  - { answer: again, status: 409 }
  - { answer: nobody, status: 404 }
  - { answer: no-url, status: 400, text: repository not found }
  - { answer: unknown, status: 404 }
  - { answer: index, text: '"state":"READY"' }
  - { answer: broken, status: 400 }`);
  expect(failed).toEqual([]);
});

test("run: an override of a load makes instances in place", () => {
  const { failed } = playScenario(`level: triton
traffic:
  - { at: 0s, load: a }
  - { at: 5s, load: a, override: { instances: 3 }, as: more }
expect:
  - { answer: more, status: 200 }
  - { holds: a, pool: host, bytes: "< 130MiB", at: 4s }
  - { holds: a, pool: host, bytes: "> 300MiB" }`);
  expect(failed).toEqual([]);
});

test("run: a broken configuration refuses the load and leaves what serves", () => {
  const { failed } = playScenario(`level: triton
traffic:
  - { at: 0s, load: a }
  - { at: 5s, overwrite: a, config_text: "max_batch_size: many" }
  - { at: 6s, load: a, as: bad }
  - { at: 8s, invoke: a, as: first }
expect:
  - { answer: bad, status: 500 }
  - { answer: first, status: 200 }`);
  expect(failed).toEqual([]);
});

test("run: an overwritten archive is not looked at while the old one is there", () => {
  const { failed } = playScenario(`
traffic:
  - { at: 0s, invoke: a, as: first }
  - { at: 30s, overwrite: a, with: { host: 200MiB } }
  - { at: 40s, invoke: a, as: second }
  - { at: 50s, remove: b }
  - { at: 60s, invoke: b, as: gone }
expect:
  - { answer: second, status: 200, cache_hit: true }
  - { holds: a, pool: host, bytes: "< 130MiB" }
  - { answer: gone, status: 400 }`);
  expect(failed).toEqual([]);
});

test("run: a killed container is started again, empty", () => {
  const { failed } = playScenario(`
traffic:
  - { at: 0s, invoke: a, as: first }
  - { at: 30s, kill: container }
  - { at: 60s, invoke: a, as: again }
expect:
  - { count: deaths, is: 1 }
  - { count: restarts, is: 2 }
  - { pool: host, used: "< 10MiB", at: 50s }
  - { answer: again, status: 200, cache_hit: false }`);
  expect(failed).toEqual([]);
});

test("run: a load over which tritonserver is killed breaks the connection", () => {
  const { run } = playScenario(`level: triton
machine: 256MiB
models: [{ name: a, backend: onnxruntime, host: 200MiB }, { name: b, backend: onnxruntime, host: 100MiB }]
traffic: [{ at: 0s, load: a, as: first }, { at: 5s, load: b }]`);
  expect(run.calls.map(({ answer }) => answer?.status)).toEqual([200, null]);
});

test("run: instances come and go, and the endpoint goes on", () => {
  const { failed } = playScenario(`
traffic:
  - { at: 0s, invoke: a, as: first }
  - { at: 20s, scale_to: 2 }
  - { at: 30s, invoke: b, as: second }
  - { at: 50s, scale_to: 1 }
  - { at: 60s, invoke: b, as: third }
expect:
  - { answers: all, status: 200 }
  - { resident: b, instance: 2, at: 45s }
  - { resident: [a, b], instance: 1 }
  - { answer: third, cache_hit: false }`);
  expect(failed).toEqual([]);
});

test("run: an endpoint that is created serves from its first good ping to its deletion, on as many instances as it says", () => {
  const { failed, run } = playScenario(`
traffic:
  - { at: 1s, invoke: a, as: before }
  - { at: 2s, create_endpoint: e, instances: 2, as: create }
  - { at: 10s, invoke: a, as: first }
  - { at: 12s, invoke: b, as: second }
  - { at: 20s, call: POST /endpoints/e/invocations, target_model: a, body: "x", as: wire }
  - { at: 30s, delete_endpoint: e, as: delete }
  - { at: 40s, invoke: a, as: after }
  - { at: 41s, delete_endpoint: e, as: again }
expect:
  - { answer: before, status: 400, from: platform, error: ValidationError, text: not found }
  - { answer: create, status: 200, from: platform }
  - { endpoint: e, status: Creating, at: 2s }
  - { endpoint: e, status: InService, at: 3s }
  - { answers: first, status: 200 }
  - { answers: second, status: 200 }
  - { resident: a, instance: 1, at: 25s }
  - { resident: b, instance: 2, at: 25s }
  - { answer: wire, status: 424, from: container }
  - { answer: delete, status: 200 }
  - { answer: after, status: 400 }
  - { fits: 0 }
  - { endpoint: e, status: Deleted }
  - { answer: again, status: 400, text: Could not find endpoint }`);
  expect(failed).toEqual([]);
  expect(run.endpoint.map(({ status }) => status)).toEqual(["Creating", "InService", "Deleting", "Deleted"]);
});

test("run: an endpoint whose container does not even start has failed when its time is over", () => {
  const { failed } = playScenario(`
machine: 3MiB
models: [{ name: tiny }]
traffic:
  - { at: 10s, create_endpoint: e, startup_limit: 1min }
until: 2min
expect:
  - { endpoint: e, status: Creating, at: 69s }
  - { endpoint: e, status: Failed, reason: did not pass the ping health check, at: 71s }
  - { endpoint: e, status: Creating, at: 9s }
  - { endpoint: e, status: InService }`);
  expect(failed).toEqual([
    "at 9 s endpoint e is Creating | it was not created",
    "at the end endpoint e is InService | Failed: The primary container for production variant AllTraffic did not pass the ping health check. Please check CloudWatch logs for this endpoint.",
  ]);
});

test("run: a call at the level of the endpoint is InvokeEndpoint as it goes over the wire", () => {
  const body = '{"inputs":[{"name":"INPUT0","shape":[1],"datatype":"INT32","data":[1]}]}';
  const { failed } = playScenario(`traffic:
  - { at: 0s, call: POST /endpoints/any/invocations, as: nobody }
  - { at: 1s, call: POST /endpoints/any/invocations, target_model: a, body: '${body}', as: a }
  - { at: 5s, call: GET /models, via: container, as: list }
expect:
  - { answer: nobody, status: 400, error: ValidationError, text: Request nobody is missing a target model header }
  - { answer: a, status: 200, cache_hit: false }
  - { answer: list, status: 200 }`);
  expect(failed).toEqual([]);
});

test("run: what no other event tells is a step of the journal", () => {
  const { events } = playScenario(`level: triton
traffic:
  - { at: 0s, ask: ready, as: first }
  - { at: 1s, call: GET /v2/nothing, as: wrong }
  - { at: 2s, overwrite: a, with: { host: 2MiB } }
  - { at: 3s, remove: b }
  - { at: 4s, stop: container }`);
  const steps = events.filter(({ event }) => event === "step");
  expect(steps[2]).toMatchObject({ instance: "instance-1", model: "a" });
  expect(steps.map((event) => event.event === "step" && [event.did, event.status])).toEqual([
    ["GET /v2/health/ready", 200],
    ["GET /v2/nothing", 404],
    ["the files of a are overwritten: host", undefined],
    ["the files of b are deleted", undefined],
    ["SIGTERM to tritonserver", undefined],
    ["tritonserver ends with exit code 0", undefined],
  ]);
});

test("run: SIGTERM is waited for, and its answer is the exit code", () => {
  const { failed } = playScenario(`level: triton
models: [{ name: a, warm: 3s }]
traffic: [{ at: 0s, load: a }, { at: 2s, invoke: a, as: first }, { at: 3s, stop: container, as: stop }]
expect: [{ answer: first, status: 200 }, { answer: stop, status: 0 }]`);
  expect(failed).toEqual([]);
});

test("run: Triton's own port is closed with the stop, one behind the platform is not", () => {
  const { failed } = playScenario(`level: container
models: [{ name: a, warm: 3s, max_batch: 1, config: "dynamic_batching { }" }]
traffic:
  - { at: 0s, load: a }
  - { at: 2s, invoke: a, as: first }
  - { at: 2.1s, invoke: a }
  - { at: 2.2s, invoke: a }
  - { at: 2.3s, invoke: a }
  - { at: 3s, stop: container, as: stop }
  - { at: 3.5s, ask: live, as: closed }
  - { at: 3.5s, invoke: a, as: late }
  - { at: 7s, invoke: a, as: later }
expect:
  - { answer: first, status: 200 }
  - { answer: closed, status: 0 }
  - { answer: late, status: 400, text: Server is stopping }
  - { answer: later, status: 400, text: is not found in global map }
  - { answer: stop, status: 0, took: 11s }`);
  expect(failed).toEqual([]);
});

test("run: a stop waits for what is open at Triton's port, no longer than it may", () => {
  for (const [within, code] of [
    [30, 0],
    [2, 1],
  ]) {
    const { failed } = playScenario(`level: triton
models: [{ name: a, warm: 4s }]
traffic:
  - { at: 0s, load: a }
  - { at: 2s, invoke: a }
  - { at: 3s, stop: container, within: ${within}, as: stop }
expect: [{ answer: stop, status: ${code}, took: ${code === 0 ? 3 : 2}s }]`);
    expect(failed).toEqual([]);
  }
});

test("run: a stop waits for a load at Triton's port however long it takes", () => {
  const { failed } = playScenario(`level: triton
models: [{ name: a, load: 9s }]
traffic:
  - { at: 0s, load: a, as: first }
  - { at: 1s, stop: container, within: 3, as: stop }
expect:
  - { answer: first, status: 200 }
  - { answer: stop, status: 1, took: 8s }`);
  expect(failed).toEqual([]);
});

test("run: faults strike, and the journal has them", () => {
  const { failed } = playScenario(`
faults: [{ name: full, operation: unpack, effect: disk-full, nth: 1 }]
traffic: [{ at: 0s, invoke: a, as: first }, { at: 30s, invoke: a, as: second }]
expect:
  - { answer: first, status: ">= 400" }
  - { answer: second, status: 200 }
  - { count: faults, is: 1 }
  - { journal: { event: fault, fault: full, operation: unpack } }`);
  expect(failed).toEqual([]);
});

test("run: a hang is waited for a while, then the run ends", () => {
  const { failed, run } = playScenario(`level: triton
faults: [{ operation: load, effect: hang, model: a }]
traffic: [{ at: 0s, load: a, as: load }]
expect: [{ answer: load, answered: false }, { state: a, is: LOADING }]`);
  expect(failed).toEqual([]);
  expect(run.endUs / 1e6).toBeGreaterThan(400);
});

test("run: ends when it is told to", () => {
  expect(playScenario("until: 7s").run.endUs).toBe(7_000_000);
});

test("run: a machine that is too small for the server has a container that never starts", () => {
  const { failed } = playScenario(`machine: 4MiB
models: [{ name: a }]
expect: [{ count: deaths, is: 1 }, { answer: first, status: 503 }]
until: 90s`);
  expect(failed).toEqual([]);
});
