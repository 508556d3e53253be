import { expect, test } from "vitest";
import { FaultPlan } from "../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../emulator/core/faults/fault-rule.ts";
import { FAULT_HEADER } from "../../../emulator/core/faults/fault-source.ts";
import { SimulatedContainerFixture } from "../../support/simulated-container.ts";

/** A container whose models are `a.tar.gz`, `b.tar.gz`, ..., with these faults. */
const faultyContainer = (...rules: readonly object[]): SimulatedContainerFixture => {
  const set = parseFaults(rules, "faults");
  if (!set.ok) throw set.error;
  const fixture = new SimulatedContainerFixture({ faults: new FaultPlan(set.value) });
  for (const name of ["a", "b"]) fixture.put(name);
  return fixture;
};

/** The status of what was asked, when it has been answered; null = no answer within ten minutes. */
const statusOf = (fixture: SimulatedContainerFixture, answers: readonly { status: number | null }[]) => {
  fixture.clock.advance(600_000_000);
  return answers[0]?.status ?? null;
};

const invokeWith = (fixture: SimulatedContainerFixture, header: string): [number | null, string] => {
  let answer: [number | null, string] = [null, ""];
  const inputs = [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }];
  fixture.container.invoke(
    {
      modelName: "ha",
      targetModel: "a.tar.gz",
      headers: ["Content-Type", "application/json", FAULT_HEADER, header],
      body: Buffer.from(JSON.stringify({ inputs })),
    },
    (got) => {
      if (got !== null) answer = [got.status, Buffer.from(got.body).toString()];
    },
  );
  fixture.clock.advance(600_000_000);
  return answer;
};

test("container: answers 507 to a load and to an inference that run out of memory, and works again", () => {
  const fixture = faultyContainer(
    { operation: "load", effect: "out-of-memory", model: "a.tar.gz", first: 1 },
    { operation: "infer", effect: "out-of-memory", model: "a.tar.gz", nth: 2 },
  );
  const loads = [fixture.load("a"), fixture.load("b"), fixture.load("a")];
  expect(loads.map((answers) => statusOf(fixture, answers))).toEqual([507, 200, 200]);
  const calls = [1, 2, 3].map(() => statusOf(fixture, fixture.invoke("a")));
  expect(calls).toEqual([200, 507, 200]);
});

test("container: answers 400 to a load that fails in other words", () => {
  const fixture = faultyContainer({ operation: "load", effect: "fail", message: "no such file", nth: 1 });
  expect(statusOf(fixture, fixture.load("a"))).toBe(400);
  expect(statusOf(fixture, fixture.load("a"))).toBe(200);
});

test("container: never answers an unload that hangs within its 350 seconds, then says it is gone", () => {
  const fixture = faultyContainer({ operation: "unload", effect: "hang" });
  expect(statusOf(fixture, fixture.load("a"))).toBe(200);
  const answers = fixture.unload("a");
  fixture.clock.advance(349_000_000);
  expect(answers).toEqual([]);
  fixture.clock.advance(2_000_000);
  expect(answers[0]?.status).toBe(200);
});

test("container: a ping flaps as told, and the one that kills ends it", () => {
  const fixture = faultyContainer(
    { operation: "ping", effect: "unhealthy", every: 2, times: 2 },
    { operation: "ping", effect: "kill", nth: 6 },
  );
  const pings = [1, 2, 3, 4, 5, 6].map(() => statusOf(fixture, fixture.ping()));
  expect(pings).toEqual([200, 400, 200, 400, 200, null]);
  expect(fixture.events()).toContain("container-died");
});

test("container: a header strikes its own invocation, one that names nothing is answered with 400", () => {
  const fixture = faultyContainer();
  fixture.load("a");
  fixture.clock.advance(1_000_000);
  expect(invokeWith(fixture, "out-of-memory")[0]).toBe(507);
  expect(invokeWith(fixture, "effect=fail,message=broken")).toEqual([400, '{"error":"broken"}']);
  expect(invokeWith(fixture, "oom")[1]).toContain("there is no 'oom'; expected an effect");
  expect(invokeWith(fixture, "hang")).toEqual([null, ""]);
});

test("container: a model without a stub that is killed at an inference takes the server with it", () => {
  const fixture = faultyContainer({ operation: "infer", effect: "kill", nth: 1 });
  expect(statusOf(fixture, fixture.load("a"))).toBe(200);
  expect(statusOf(fixture, fixture.invoke("a"))).toBeNull();
  expect(fixture.events()).toContain("container-died");
});
