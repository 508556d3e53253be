import { expect, test } from "vitest";
import { FaultPlan, type FaultStrike } from "../../../../emulator/core/faults/fault-plan.ts";
import { type FaultSet, parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";

const setOf = (...documents: readonly object[]): FaultSet => {
  const result = parseFaults(documents, "faults");
  if (!result.ok) throw result.error;
  return result.value;
};

/** Numbers of the calls at which a load of the model is struck. */
const struckLoads = (plan: FaultPlan, calls: number, model = "m"): number[] =>
  Array.from({ length: calls }, (_, index) => index + 1).filter(
    () => plan.at({ operation: "load", model }) !== null,
  );

test.for([
  [{}, [1, 2, 3, 4, 5, 6]],
  [{ nth: 4 }, [4]],
  [{ first: 2 }, [1, 2]],
  [{ every: 3 }, [3, 6]],
  [{ every: 2, times: 2 }, [2, 4]],
  [{ times: 3 }, [1, 2, 3]],
  [{ probability: 1 }, [1, 2, 3, 4, 5, 6]],
] as const)("fault plan: %o strikes at %o of six calls", ([when, calls]) => {
  expect(struckLoads(new FaultPlan(setOf({ operation: "load", effect: "hang", ...when })), 6)).toEqual(calls);
});

test("fault plan: a probability is met about that often, the same each time, and otherwise for another seed or name", () => {
  const strikes = (rule: object): number[] =>
    struckLoads(new FaultPlan(setOf({ operation: "load", effect: "hang", ...rule })), 10_000);
  const some = strikes({ probability: 0.3, seed: 5 });
  // Four standard deviations of a binomial of 10,000 draws are 183.
  expect(some.length).toBeGreaterThan(2817);
  expect(some.length).toBeLessThan(3183);
  expect(strikes({ probability: 0.3, seed: 5 })).toEqual(some);
  expect(strikes({ probability: 0.3, seed: 6 })).not.toEqual(some);
  expect(strikes({ probability: 0.3, seed: 5, name: "other" })).not.toEqual(some);
});

test("fault plan: a rule counts calls about its models only", () => {
  const plan = new FaultPlan(setOf({ operation: "load", effect: "hang", model: "a*", nth: 2 }));
  expect(plan.at({ operation: "load", model: "b" })).toBeNull();
  expect(plan.at({ operation: "infer", model: "a1" })).toBeNull();
  expect(plan.at({ operation: "load", model: "a1" })).toBeNull();
  expect(plan.at({ operation: "load", model: "a2" })).toEqual({
    name: "load-hang",
    effect: { kind: "hang" },
  });
  expect(plan.rules()[0]?.counts).toEqual({ asked: 3, matched: 2, struck: 1, overruled: 0 });
});

test("fault plan: what strikes one call leaves the turns of other rules where they were", () => {
  const chance = { operation: "load", effect: "hang", name: "chance", probability: 0.5, seed: 3 };
  const first = { operation: "load", effect: "kill", name: "first", first: 5 };
  const alone = struckLoads(new FaultPlan(setOf(chance)), 50);
  const plan = new FaultPlan(setOf(first, chance));
  const together = Array.from({ length: 50 }, () => plan.at({ operation: "load", model: "m" })?.name);
  expect(together.slice(0, 5)).toEqual(["first", "first", "first", "first", "first"]);
  expect(together.flatMap((name, index) => (name === "chance" ? [index + 1] : []))).toEqual(
    alone.filter((call) => call > 5),
  );
  const overruled = alone.filter((call) => call <= 5).length;
  expect(overruled).toBeGreaterThan(0);
  expect(plan.rules()[1]?.counts).toEqual({
    asked: 50,
    matched: 50,
    struck: alone.length - overruled,
    overruled,
  });
});

test("fault plan: a limit of times counts turns, whoever struck", () => {
  const plan = new FaultPlan(
    setOf(
      { operation: "load", effect: "kill", name: "first", nth: 1 },
      { operation: "load", effect: "hang", name: "second", times: 2 },
    ),
  );
  expect(Array.from({ length: 3 }, () => plan.at({ operation: "load", model: "m" })?.name)).toEqual([
    "first",
    "second",
    undefined,
  ]);
});

test("fault plan: tells of every strike with its point", () => {
  const strikes: FaultStrike[] = [];
  const plan = new FaultPlan(setOf({ operation: "ping", effect: "unhealthy", nth: 2 }), (strike) =>
    strikes.push(strike),
  );
  for (let i = 0; i < 3; i++) plan.at({ operation: "ping", model: null });
  expect(strikes).toEqual([{ fault: "ping-unhealthy", point: { operation: "ping", model: null } }]);
});

test("fault plan: rules are added whole or not at all, removed by name, and counted anew", () => {
  const plan = new FaultPlan(setOf({ operation: "load", effect: "hang", name: "a" }));
  const refused = plan.add(
    setOf({ operation: "load", effect: "kill", name: "b" }, { operation: "load", effect: "kill", name: "a" }),
  );
  expect(refused?.code).toBe("ALREADY_EXISTS");
  expect(refused?.message).toBe(
    "there is a fault named 'a' already: give this one another name, or remove that one first",
  );
  expect(plan.rules().map(({ rule }) => rule.name)).toEqual(["a"]);
  plan.at({ operation: "load", model: "m" });
  expect(plan.remove("a")).toBe(true);
  expect(plan.remove("a")).toBe(false);
  expect(plan.at({ operation: "load", model: "m" })).toBeNull();
  expect(plan.add(setOf({ operation: "load", effect: "kill", name: "a" }))).toBeNull();
  expect(plan.rules()[0]?.counts).toEqual({ asked: 0, matched: 0, struck: 0, overruled: 0 });
  plan.clear();
  expect(plan.rules()).toEqual([]);
});

test("fault plan: imitates what it was told to, until that is removed", () => {
  const plan = new FaultPlan(setOf({ imitate: "load-body-crash" }));
  expect(plan.imitates("load-body-crash")).toBe(true);
  expect(plan.imitates("unload-during-invoke-hang")).toBe(false);
  expect(plan.imitations()).toEqual(["load-body-crash"]);
  expect(plan.remove("load-body-crash")).toBe(true);
  expect(plan.imitates("load-body-crash")).toBe(false);
});
