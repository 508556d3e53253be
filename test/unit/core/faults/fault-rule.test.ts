import { expect, test } from "vitest";
import { effects } from "../../../../emulator/core/faults/effects.ts";
import {
  type FaultSet,
  faultFieldsOfText,
  parseFaults,
} from "../../../../emulator/core/faults/fault-rule.ts";

const parsed = (document: unknown, models: readonly string[] | null = null): FaultSet => {
  const result = parseFaults(document, "faults", models);
  if (!result.ok) throw result.error;
  return result.value;
};

const refusal = (document: unknown, models: readonly string[] | null = null): string => {
  const result = parseFaults(document, "faults", models);
  if (result.ok) throw new Error("it was accepted");
  expect(result.error.code).toBe("INVALID_ARG");
  return result.error.message;
};

test("fault rule: every field is read, when all are given", () => {
  const { rules } = parsed({
    name: "slow-start",
    model: "customer-*",
    operation: "load",
    effect: "slow",
    delay: "2.5s",
    probability: 0.25,
    seed: 7,
    times: 3,
  });
  expect(rules).toMatchObject([
    {
      name: "slow-start",
      model: "customer-*",
      operation: "load",
      effectName: "slow",
      effect: { kind: "delay", us: 2_500_000 },
      occasion: { kind: "chance", probability: 0.25, seed: 7 },
      times: 3,
    },
  ]);
});

test("fault rule: strikes every call of every model and is named after what it does, when nothing else is said", () => {
  const { rules } = parsed([
    { operation: "load", effect: "out-of-memory" },
    { operation: "load", effect: "out-of-memory", nth: 2 },
  ]);
  expect(rules).toMatchObject([
    { name: "load-out-of-memory", model: null, occasion: { kind: "all" }, times: null },
    { name: "load-out-of-memory-2", occasion: { kind: "nth", call: 2 } },
  ]);
});

test.for([
  [{ effect: "out-of-memory", operation: "infer" }, { kind: "out-of-memory" }],
  [
    { effect: "out-of-memory", operation: "infer", message: "OOM" },
    { kind: "fail", message: "OOM" },
  ],
  [
    { effect: "fail", operation: "load", message: "no, not today" },
    { kind: "fail", message: "no, not today" },
  ],
  [
    { effect: "slow", operation: "ping", delay: "1min" },
    { kind: "delay", us: 60_000_000 },
  ],
  [{ effect: "hang", operation: "unload" }, { kind: "hang" }],
  [{ effect: "kill", operation: "ping" }, { kind: "kill" }],
  [
    { effect: "disk-full", operation: "download" },
    { kind: "fail", message: "No space left on device" },
  ],
  [
    { effect: "reset", operation: "respond" },
    { kind: "reset", afterBytes: 0 },
  ],
  [
    { effect: "reset", operation: "respond", after_bytes: 90 },
    { kind: "reset", afterBytes: 90 },
  ],
] as const)("fault rule: %o has the effect %o", ([document, effect]) => {
  expect(parsed(document).rules[0]?.effect).toEqual(effect);
});

test("fault rule: every effect can be asked for at each of its operations", () => {
  for (const [effect, { operations, required }] of Object.entries(effects)) {
    const values = { message: "text", delay: "1s", after_bytes: 1 };
    const fields = Object.fromEntries(required.map((field) => [field, values[field]]));
    for (const operation of operations) {
      expect(parsed({ effect, operation, ...fields }).rules).toHaveLength(1);
    }
  }
});

test("fault rule: an imitation stands beside rules", () => {
  const { rules, imitations } = parsed([
    { imitate: "load-body-crash" },
    { operation: "ping", effect: "unhealthy", first: 2 },
  ]);
  expect(imitations).toEqual(["load-body-crash"]);
  expect(rules.map(({ name }) => name)).toEqual(["ping-unhealthy"]);
});

test.for([
  ["text", "faults is no mapping of a rule's fields"],
  [[{ operation: "load", effect: "hang" }, null], "faults[1] is no mapping of a rule's fields"],
  [
    { operation: "lode", effect: "hang" },
    "faults.operation is \"lode\", expected 'download', 'unpack', 'load', 'infer', 'unload', 'ping', 'list', 'respond', 'invoke'",
  ],
  [
    { effect: "hang" },
    "faults.operation is missing, expected 'download', 'unpack', 'load', 'infer', 'unload', 'ping', 'list', 'respond', 'invoke'",
  ],
  [
    { operation: "load", effect: "oom" },
    "faults.effect is \"oom\", expected 'out-of-memory', 'fail', 'slow', 'hang', 'kill', 'truncated-archive', 'disk-full', 'unhealthy', 'reset', 'throttled', 'unavailable', 'internal-failure', 'dependency-failure'",
  ],
  [
    { operation: "load", effect: "truncated-archive" },
    "faults: effect 'truncated-archive' can never strike at load, only at unpack; at load can 'out-of-memory', 'fail', 'slow', 'hang', 'kill'",
  ],
  [{ operation: "load", effect: "hang", nth: 0 }, "faults.nth is 0, expected a whole number from 1"],
  [{ operation: "load", effect: "hang", first: -1 }, "faults.first is -1, expected a whole number from 1"],
  [{ operation: "load", effect: "hang", every: 1.5 }, "faults.every is 1.5, expected a whole number from 1"],
  [{ operation: "load", effect: "hang", times: 0 }, "faults.times is 0, expected a whole number from 1"],
  [
    { operation: "load", effect: "hang", probability: 0 },
    "faults.probability is 0, expected a number above 0 and up to 1",
  ],
  [
    { operation: "load", effect: "hang", probability: 1.1 },
    "faults.probability is 1.1, expected a number above 0 and up to 1",
  ],
  [
    { operation: "load", effect: "hang", probability: "0.5" },
    'faults.probability is "0.5", expected a number above 0 and up to 1',
  ],
  [
    { operation: "load", effect: "hang", nth: 1, every: 2 },
    "faults has nth and every: a rule strikes by one of nth, first, every, probability",
  ],
  [{ operation: "load", effect: "hang", seed: 1 }, "faults.seed goes with probability, which is missing"],
  [
    { operation: "load", effect: "hang", first: 2, times: 2 },
    "faults.times does not go with first, which is a limit already",
  ],
  [
    { operation: "ping", effect: "hang", model: "a" },
    "faults.model can never match: a ping is about no model",
  ],
  [
    { operation: "load", effect: "hang", model: "" },
    'faults.model is "", expected a name, or one with * and ?',
  ],
  [{ operation: "load", effect: "slow" }, "faults.delay is missing: effect 'slow' needs it"],
  [
    { operation: "load", effect: "slow", delay: "5" },
    'faults.delay is "5", expected a time such as 500ms, 2.5s or 1min (us, ms, s, min, h)',
  ],
  [{ operation: "load", effect: "slow", delay: "0s" }, "faults.delay is 0: it would change nothing"],
  [{ operation: "load", effect: "hang", delay: "5s" }, "faults.delay: effect 'hang' has none"],
  [{ operation: "load", effect: "fail", message: "" }, 'faults.message is "", expected a text'],
  [
    { operation: "load", effect: "hang", modell: "a" },
    "faults.modell is not known: a rule has name, model, operation, effect, message, delay, after_bytes, nth, first, every, probability, seed, times, or imitate alone",
  ],
  [
    { operation: "load", effect: "hang", name: "a b" },
    "faults.name is \"a b\", expected letters, digits, '.', '_' and '-'",
  ],
  [
    [
      { operation: "load", effect: "hang", name: "a" },
      { operation: "load", effect: "hang", name: "a" },
    ],
    "faults[1].name 'a' is taken by another rule",
  ],
  [
    { imitate: "nothing" },
    "faults.imitate is \"nothing\", expected 'load-body-crash', 'unload-during-invoke-hang', 'load-blocks-worker', 'load-unload-race', 'slash-in-name', 'ports-run-out', 'error-type-missing', 'second-unload-not-signalled'",
  ],
  [{ imitate: "load-body-crash", nth: 1 }, "faults.nth: an imitation has no other fields"],
] as const)("fault rule: %o is refused", ([document, message]) => {
  expect(refusal(document)).toBe(message);
});

test("fault rule: a model that cannot be there is refused, when the fleet is known", () => {
  const models = ["a-1", "a-2", "a-3", "a-4", "a-5", "b"];
  expect(refusal({ operation: "load", effect: "hang", model: "c*" }, models)).toBe(
    "faults.model 'c*' matches no model: there are 'a-1', 'a-2', 'a-3', 'a-4', 'a-5' and 1 more",
  );
  expect(refusal({ operation: "load", effect: "hang", model: "a" }, [])).toBe(
    "faults.model 'a' matches no model: there are none",
  );
  expect(parsed({ operation: "load", effect: "hang", model: "a-?" }, models).rules).toHaveLength(1);
  expect(parsed({ operation: "load", effect: "hang" }, []).rules).toHaveLength(1);
});

test("fault text: has the fields of a rule, values with commas and equals signs included", () => {
  expect(
    faultFieldsOfText("operation=load,effect=fail,message=a, b=c, d,nth=2,model=x=*,probability=0.5"),
  ).toEqual({
    operation: "load",
    effect: "fail",
    message: "a, b=c, d",
    nth: 2,
    model: "x=*",
    probability: 0.5,
  });
  expect(faultFieldsOfText("imitate=load-body-crash")).toEqual({ imitate: "load-body-crash" });
  expect(refusal(faultFieldsOfText("nonsense"))).toContain("faults.nonsense is not known");
  expect(refusal(faultFieldsOfText("operation=load,effect=hang,nth=two"))).toBe(
    'faults.nth is "two", expected a whole number from 1',
  );
});
