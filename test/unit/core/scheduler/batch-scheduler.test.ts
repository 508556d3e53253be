import { expect, test, vi } from "vitest";
import { type CoreFixture, modelConfig, tensor, tritonServer } from "../../../support/core-fixture.ts";
import { backendError } from "../../../support/scripted-backend.ts";

/** One model `m` with the given config fields, loaded; every batch takes 1 s unless a test says otherwise. */
const served = (fields: string, instances = 1): CoreFixture => {
  const fixture = tritonServer({ models: { m: modelConfig(fields, instances) }, loaded: ["m"] });
  fixture.backend.executeUs = 1_000_000;
  return fixture;
};

const batching = (fields = "", maxBatchSize = 8): string =>
  `max_batch_size: ${maxBatchSize} dynamic_batching { ${fields} }`;

const send = (fixture: CoreFixture, ...ids: string[]) => ids.map((id) => fixture.infer("m", { id }));

test("default scheduler: runs every request by itself, first come first served", () => {
  const fixture = served("max_batch_size: 8");
  const calls = send(fixture, "a", "b", "c");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b", "c"]);
  expect(calls.map((call) => call.answeredUs)).toEqual([1_000_000, 2_000_000, 3_000_000]);
});

test("default scheduler: gives requests to whichever instance is free", () => {
  const fixture = served("", 2);
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "slow" ? 10_000 : 1_000);
  send(fixture, "slow", "a", "b", "c");
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ ids, instance, atUs }) => [ids[0], instance, atUs])).toEqual([
    ["slow", "m_0_0", 0],
    ["a", "m_0_1", 0],
    ["b", "m_0_1", 1_000],
    ["c", "m_0_1", 2_000],
  ]);
});

test("default scheduler: chance decides who is first of those that wait since their load, then each waits its turn", () => {
  const asked: (readonly string[])[] = [];
  const fixture = tritonServer({
    models: { m: modelConfig("", 3) },
    loaded: ["m"],
    instanceChance: {
      loadsNext: () => 0,
      servesNext: (instances) => {
        asked.push(instances);
        return instances.length - 1;
      },
    },
  });
  for (const id of ["a", "b", "c", "d", "e", "f"]) {
    send(fixture, id);
    fixture.clock.runAll();
  }
  expect(asked).toEqual([
    ["m_0_0", "m_0_1", "m_0_2"],
    ["m_0_0", "m_0_1"],
  ]);
  expect(fixture.backend.runs.map(({ instance }) => instance)).toEqual([
    "m_0_2",
    "m_0_1",
    "m_0_0",
    "m_0_2",
    "m_0_1",
    "m_0_0",
  ]);
});

test("default scheduler: without chance instances that wait since their load serve in their order, in turns", () => {
  const fixture = served("", 2);
  for (const id of ["a", "b", "c"]) {
    send(fixture, id);
    fixture.clock.runAll();
  }
  expect(fixture.backend.runs.map(({ instance }) => instance)).toEqual(["m_0_0", "m_0_1", "m_0_0"]);
});

test("default scheduler: ten thousand requests behind one that runs are served, when the backend then answers at once", () => {
  const fixture = served("");
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "first" ? 1_000 : 0);
  const calls = ["first", ...Array.from({ length: 10_000 }, (_, i) => `r${i}`)].map((id) =>
    fixture.infer("m", { id }),
  );
  fixture.clock.runAll();
  expect(calls.filter((call) => call.open)).toEqual([]);
});

test("dynamic batch: runs a lone request at once, when there is no delay", () => {
  const fixture = served(batching());
  send(fixture, "a");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["a"]);
});

test("dynamic batch: puts requests of one turn together", () => {
  const fixture = served(batching());
  send(fixture, "a", "b", "c");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["a,b,c"]);
});

test("dynamic batch: gathers what arrives while the instance is busy", () => {
  const fixture = served(batching());
  send(fixture, "a");
  for (const id of ["b", "c", "d", "e"]) {
    fixture.clock.advance(100_000);
    send(fixture, id);
  }
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b,c,d,e"]);
  expect(fixture.statistics("m")).toMatchObject({ inference_count: 5, execution_count: 2 });
});

test("dynamic batch: never exceeds the maximum batch size", () => {
  const fixture = served(batching("", 2));
  send(fixture, "a", "b", "c", "d", "e");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a,b", "c,d", "e"]);
});

test("dynamic batch: never splits a request", () => {
  const fixture = served(batching("", 4));
  for (const [id, rows] of Object.entries({ a: 3, b: 2, c: 2, d: 1 })) fixture.infer("m", { id, rows });
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b,c", "d"]);
});

test("dynamic batch: counts a request of a model without batching as one row", () => {
  const fixture = served("dynamic_batching { }");
  send(fixture, "a", "b");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b"]);
});

test("queue delay: sends a partial batch when the oldest request is old enough", () => {
  const fixture = served(batching("max_queue_delay_microseconds: 1000000"));
  send(fixture, "a");
  fixture.clock.advance(300_000);
  send(fixture, "b");
  fixture.clock.advance(699_999);
  expect(fixture.batches()).toEqual([]);
  fixture.clock.advance(1);
  expect(fixture.batches()).toEqual(["a,b"]);
});

test("queue delay: does not wait, when the maximum batch size is reached", () => {
  const fixture = served(batching("max_queue_delay_microseconds: 1000000", 2));
  send(fixture, "a", "b");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["a,b"]);
});

test("queue delay: sends what is old enough at once, when an instance becomes free", () => {
  const fixture = served(batching("max_queue_delay_microseconds: 200000"));
  send(fixture, "a");
  fixture.clock.advance(300_000);
  send(fixture, "b");
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ atUs }) => atUs)).toEqual([200_000, 1_200_000]);
});

test("preferred size: sends as soon as it is reached", () => {
  const fixture = served(batching("preferred_batch_size: [ 2, 4 ] max_queue_delay_microseconds: 1000000"));
  send(fixture, "a");
  fixture.clock.advance(10);
  expect(fixture.batches()).toEqual([]);
  send(fixture, "b");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["a,b"]);
});

test("preferred size: takes the largest one that what waits can make", () => {
  const fixture = served(batching("preferred_batch_size: [ 2, 4 ] max_queue_delay_microseconds: 1000000"));
  send(fixture, "a", "b", "c", "d", "e");
  fixture.clock.settle();
  expect(fixture.batches()).toEqual(["a,b,c,d"]);
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a,b,c,d", "e"]);
});

test("prefetched batch: grows until an instance takes it", () => {
  const fixture = served(batching());
  send(fixture, "a");
  fixture.clock.advance(1);
  send(fixture, "b");
  fixture.clock.advance(1);
  send(fixture, "c");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b,c"]);
});

test("prefetched batch: takes later requests without a delay of their own", () => {
  const fixture = served(batching("max_queue_delay_microseconds: 1000000"));
  fixture.backend.executeUs = 3_000_000;
  send(fixture, "a");
  fixture.clock.advance(1_500_000);
  send(fixture, "b");
  fixture.clock.advance(2_100_000);
  send(fixture, "c");
  fixture.clock.runAll();
  expect(fixture.backend.runs.map(({ ids, atUs }) => [ids.join(), atUs])).toEqual([
    ["a", 1_000_000],
    ["b,c", 4_000_000],
  ]);
});

test("prefetched batch: no longer obeys a cancel", () => {
  const fixture = served(batching("", 1));
  send(fixture, "a");
  fixture.clock.advance(1);
  const [b] = send(fixture, "b");
  fixture.clock.advance(1);
  b!.request.cancel();
  fixture.clock.runAll();
  expect(b!.error).toBeNull();
  expect(fixture.statistics("m").inference_stats.success.count).toBe(2);
  expect(fixture.metricsOf("m").failures.CANCELED).toBe(0);
});

test("prefetched batches: are at most two an instance; what waits behind them can still be cancelled", () => {
  const fixture = served(batching("", 1));
  const [, ...waiting] = send(fixture, "a", "b", "c", "d");
  fixture.clock.settle();
  for (const { request } of waiting) request.cancel();
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b", "c"]);
  expect(waiting.map((call) => call.error?.code ?? null)).toEqual([null, null, "CANCELLED"]);
});

test("max queue size: refuses the request past it and counts nothing", () => {
  const fixture = served(batching("default_queue_policy { max_queue_size: 2 }"));
  send(fixture, "a");
  fixture.clock.settle();
  send(fixture, "b", "c");
  fixture.clock.settle();
  expect(fixture.metricsOf("m").pending).toBe(2);
  expect(fixture.infer("m", { id: "d" }).error?.asString()).toBe(
    "Unavailable: [request id: d] Exceeds maximum queue size",
  );
  expect(fixture.infer("m").error?.message).toBe("[request id: <id_unknown>] Exceeds maximum queue size");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b,c"]);
  expect(fixture.metricsOf("m").failures).toEqual({ REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 });
  expect(fixture.statistics("m").inference_stats).toMatchObject({
    success: { count: 3 },
    fail: { count: 0 },
  });
  expect(fixture.metricsOf("m").pending).toBe(0);
});

test("priority: 1 goes first; 0 and what is too large count as the default level", () => {
  const fixture = served(batching("priority_levels: 3 default_priority_level: 2", 1));
  send(fixture, "a");
  fixture.clock.settle();
  for (const priority of [3, 2, 9, 0, 1]) fixture.infer("m", { id: `p${priority}`, priority });
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "p1", "p2", "p9", "p0", "p3"]);
});

test("priority_queue_policy: limits its own level and no other", () => {
  const fixture = served(
    batching(
      "priority_levels: 2 default_priority_level: 2 priority_queue_policy { key: 1 value { max_queue_size: 1 } }",
      1,
    ),
  );
  send(fixture, "a");
  fixture.clock.settle();
  const first = (id: string) => fixture.infer("m", { id, priority: 1 });
  expect(first("b").error).toBeNull();
  expect(first("c").error?.message).toBe("[request id: c] Exceeds maximum queue size");
  expect(send(fixture, "d", "e").map(({ error }) => error)).toEqual([null, null]);
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b", "d", "e"]);
});

test("timeout REJECT: answers an expired request at the next look of 500 ms, when every instance is busy", () => {
  for (const [limitUs, answeredUs] of [
    [100_000, 700_000],
    [500_000, 700_000],
    [1_200_000, 1_700_000],
  ] as const) {
    const fixture = served(batching(`default_queue_policy { default_timeout_microseconds: ${limitUs} }`, 1));
    fixture.backend.executeUs = 3_000_000;
    send(fixture, "a");
    fixture.clock.advance(200_000);
    const [b] = send(fixture, "b");
    fixture.clock.runAll();
    expect(b!.error?.asString()).toBe("Unavailable: Request timeout expired");
    expect(b!.answeredUs).toBe(answeredUs);
    expect(fixture.batches()).toEqual(["a"]);
    expect(fixture.metricsOf("m").failures.REJECTED).toBe(1);
    expect(fixture.statistics("m").inference_stats.fail.count).toBe(1);
    expect(fixture.metricsOf("m").pending).toBe(0);
  }
});

test("timeout REJECT: answers an expired request when an instance becomes free before the next look", () => {
  const fixture = served(batching("default_queue_policy { default_timeout_microseconds: 100000 }", 1));
  fixture.backend.executeUs = 400_000;
  send(fixture, "a");
  fixture.clock.advance(200_000);
  const [b] = send(fixture, "b");
  fixture.clock.runAll();
  expect(b!.answeredUs).toBe(400_000);
  expect(fixture.batches()).toEqual(["a"]);
});

test("timeout REJECT: answers in time, when the request only waits for the queue delay", () => {
  const fixture = served(
    batching(
      "max_queue_delay_microseconds: 5000000 default_queue_policy { default_timeout_microseconds: 700000 }",
    ),
  );
  const [a] = send(fixture, "a");
  fixture.clock.runAll();
  expect(a!.error?.message).toBe("Request timeout expired");
  expect(a!.answeredUs).toBe(700_000);
});

test("timeout DELAY: serves an expired request behind the others", () => {
  const fixture = served(
    batching("default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 100000 }", 1),
  );
  send(fixture, "a");
  fixture.clock.settle();
  send(fixture, "late");
  fixture.clock.advance(950_000);
  send(fixture, "fresh");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "fresh", "late"]);
  expect(fixture.metricsOf("m").failures.REJECTED).toBe(0);
});

test("request timeout: shortens the default, when the policy allows it", () => {
  const fixture = served(
    batching(
      "default_queue_policy { default_timeout_microseconds: 5000000 allow_timeout_override: true }",
      1,
    ),
  );
  fixture.backend.executeUs = 3_000_000;
  send(fixture, "a");
  fixture.clock.settle();
  const b = fixture.infer("m", { id: "b", timeoutUs: 100_000 });
  const longer = fixture.infer("m", { id: "longer", timeoutUs: 60_000_000 });
  fixture.clock.advance(500_000);
  expect(b.error?.message).toBe("Request timeout expired");
  fixture.clock.runAll();
  expect(longer.error).toBeNull();
});

test("timeout: one that passes while the queue is looked at is seen at the next look, by a timer that comes early too", () => {
  const fixture = served(
    batching(
      "preferred_batch_size: [ 8 ] max_queue_delay_microseconds: 60000000 default_queue_policy { default_timeout_microseconds: 100000 }",
    ),
  );
  const { clock } = fixture;
  const [now, setTimer] = [clock.now.bind(clock), clock.setTimer.bind(clock)];
  let looks = 0;
  vi.spyOn(clock, "now").mockImplementation(() => now() + 4 * looks++);
  vi.spyOn(clock, "setTimer").mockImplementation((delayUs, run) => setTimer(delayUs - 10, run));
  const [a] = send(fixture, "a");
  clock.advance(200_000);
  expect(a!.error?.message).toBe("Request timeout expired");
});

test("request timeout: is ignored without allow_timeout_override and without a default", () => {
  for (const policy of ["default_timeout_microseconds: 5000000", "allow_timeout_override: true"]) {
    const fixture = served(batching(`default_queue_policy { ${policy} }`, 1));
    send(fixture, "a");
    fixture.clock.settle();
    const b = fixture.infer("m", { id: "b", timeoutUs: 1 });
    fixture.clock.runAll();
    expect(b.error).toBeNull();
  }
});

test("cancel: a request in a limited queue is answered when the queue is next served", () => {
  const fixture = served(batching("default_queue_policy { max_queue_size: 10 }", 1));
  fixture.backend.executeUs = 3_000_000;
  send(fixture, "a");
  fixture.clock.advance(300_000);
  const [, x] = send(fixture, "b", "x");
  fixture.clock.advance(500_000);
  x!.request.cancel();
  fixture.clock.advance(1_200_000);
  expect(fixture.metricsOf("m").failures.CANCELED).toBe(0);
  fixture.clock.advance(1_000_000);
  expect(x!.answeredUs).toBe(3_000_000);
  expect(x!.error).toMatchObject({ code: "CANCELLED", message: "" });
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b"]);
  expect(fixture.metricsOf("m").failures.CANCELED).toBe(1);
  expect(fixture.statistics("m").inference_stats).toMatchObject({
    success: { count: 2 },
    fail: { count: 1 },
  });
});

test("preserve_ordering: holds a response back until all earlier ones are out", () => {
  const fixture = served(batching("preserve_ordering: true", 1), 2);
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "slow" ? 5_000 : 1_000);
  const [slow, fast, next] = send(fixture, "slow", "fast", "next");
  fixture.clock.runAll();
  expect([slow, fast, next].map((call) => call!.answeredUs)).toEqual([5_000, 5_000, 5_000]);
});

test("preserve_ordering: an expired request does not hold up the later ones", () => {
  const fixture = served(
    batching("preserve_ordering: true default_queue_policy { default_timeout_microseconds: 100000 }", 1),
  );
  fixture.backend.executeUs = 700_000;
  const [a] = send(fixture, "a");
  fixture.clock.settle();
  const [late] = send(fixture, "late");
  fixture.clock.advance(650_000);
  const [fresh] = send(fixture, "fresh");
  fixture.clock.runAll();
  expect([a, late, fresh].map((call) => call!.answeredUs)).toEqual([700_000, 700_000, 1_400_000]);
  expect(late!.error?.message).toBe("Request timeout expired");
});

test("order of answers: is that of completion without preserve_ordering", () => {
  const fixture = served(batching("", 1), 2);
  fixture.backend.durationOf = ({ ids }) => (ids[0] === "slow" ? 5_000 : 1_000);
  const [slow, fast] = send(fixture, "slow", "fast");
  fixture.clock.runAll();
  expect([slow!.answeredUs, fast!.answeredUs]).toEqual([5_000, 1_000]);
});

const variable = (ragged: boolean): string =>
  `backend: "scripted" max_batch_size: 8
input { name: "IN" data_type: TYPE_INT32 dims: [ -1 ] allow_ragged_batch: ${ragged} }
output { name: "OUT" data_type: TYPE_INT32 dims: [ -1 ] }
dynamic_batching { }`;

const ofLength = (fixture: CoreFixture, id: string, length: number) =>
  fixture.infer("m", { id, inputs: [tensor({ shape: [1, length] })] });

test("variable dimension: unequal shapes do not run together", () => {
  const fixture = tritonServer({ models: { m: variable(false) }, loaded: ["m"] });
  for (const [id, length] of [
    ["a", 2],
    ["b", 2],
    ["c", 3],
    ["d", 2],
  ] as const)
    ofLength(fixture, id, length);
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a,b", "c", "d"]);
});

test("ragged input: unequal shapes run together", () => {
  const fixture = tritonServer({ models: { m: variable(true) }, loaded: ["m"] });
  for (const [id, length] of [
    ["a", 2],
    ["b", 3],
  ] as const)
    ofLength(fixture, id, length);
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a,b"]);
});

test("optional input: requests that give it and requests that do not run apart", () => {
  const fixture = served(
    `${batching()} input { name: "OPT" data_type: TYPE_INT32 dims: [ 1 ] optional: true }`,
  );
  const without = [tensor({ shape: [1, 1] })];
  const withIt = [...without, tensor({ name: "OPT", shape: [1, 1] })];
  for (const [id, inputs] of Object.entries({ a: without, b: withIt, c: withIt, d: without })) {
    fixture.infer("m", { id, inputs });
  }
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["a", "b,c", "d"]);
});

test("batch of which one request fails: fails only that one and counts the run", () => {
  const fixture = served(batching());
  fixture.backend.responsesOf = (request) => [
    request.id === "bad"
      ? { final: true, error: backendError("mine"), outputs: [] }
      : { final: true, outputs: [] },
  ];
  const [bad, good] = send(fixture, "bad", "good");
  fixture.clock.runAll();
  expect([bad!.error?.message, good!.error]).toEqual(["mine", null]);
  expect(fixture.statistics("m")).toMatchObject({
    inference_count: 1,
    execution_count: 1,
    inference_stats: { success: { count: 1 }, fail: { count: 1 } },
  });
  expect(fixture.metricsOf("m").failures.BACKEND).toBe(1);
});

test("decoupled request: all its responses arrive, the final one last", () => {
  const fixture = served(`${batching()} model_transaction_policy { decoupled: true }`);
  fixture.backend.responsesOf = () => [
    { final: false, outputs: [] },
    { final: false, outputs: [] },
    { final: true, outputs: [] },
  ];
  const [a, b] = send(fixture, "a", "b");
  fixture.clock.runAll();
  expect(a!.responses.map(({ final }) => final)).toEqual([false, false, true]);
  expect(b!.responses).toHaveLength(3);
});

test("request sent from within an answer: is served like any other", () => {
  const fixture = served(batching("", 1));
  const sent: string[] = [];
  fixture.backend.responsesOf = (request) => {
    if (sent.length < 3) {
      const id = `again${sent.length}`;
      sent.push(id);
      fixture.infer("m", { id });
    }
    return [
      { final: true, outputs: [], parameters: [{ name: request.id, value: { kind: "bool", value: true } }] },
    ];
  };
  send(fixture, "first");
  fixture.clock.runAll();
  expect(fixture.batches()).toEqual(["first", "again0", "again1", "again2"]);
});

test("new instance: takes at once what waits in a limited queue", () => {
  const fixture = served(batching("default_queue_policy { max_queue_size: 10 }", 1));
  fixture.backend.executeUs = 10_000_000;
  send(fixture, "a");
  fixture.clock.settle();
  send(fixture, "b");
  fixture.clock.advance(1_000);
  fixture.storage.write(
    "repository/m/config.pbtxt",
    modelConfig(batching("default_queue_policy { max_queue_size: 10 }", 1), 2),
  );
  fixture.load("m");
  expect(fixture.backend.runs.map(({ ids, atUs }) => [ids[0], atUs])).toEqual([
    ["a", 0],
    ["b", 1_000],
  ]);
});
