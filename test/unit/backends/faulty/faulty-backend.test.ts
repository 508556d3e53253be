import { expect, test } from "vitest";
import { FaultyBackend } from "../../../../emulator/backends/faulty/faulty-backend.ts";
import { outOfMemoryText } from "../../../../emulator/backends/faulty/out-of-memory-text.ts";
import { SyntheticBackend } from "../../../../emulator/backends/synthetic/synthetic-backend.ts";
import { Random } from "../../../../emulator/common/random.ts";
import { FaultPlan } from "../../../../emulator/core/faults/fault-plan.ts";
import { parseFaults } from "../../../../emulator/core/faults/fault-rule.ts";
import { FAULT_HEADER } from "../../../../emulator/core/faults/fault-source.ts";
import { type Call, type CoreFixture, tritonServer } from "../../../support/core-fixture.ts";

const synthetic = ({ group = "kind: KIND_CPU count: 1", fields = "" } = {}): string => `backend: "synthetic"
input { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }
instance_group { ${group} }
parameters { key: "synthetic.warm_us" value { string_value: "1000" } }
parameters { key: "synthetic.load_us" value { string_value: "5000" } }
${fields}`;

const batching = "max_batch_size: 8\ndynamic_batching { max_queue_delay_microseconds: 100 }";

interface Faulty {
  readonly server: CoreFixture;
  readonly plan: FaultPlan;
}

/** A server with models `m` and `other`, not loaded, and these faults. */
const faultyServer = (rules: readonly object[], config = synthetic()): Faulty => {
  const set = parseFaults(rules, "faults");
  if (!set.ok) throw set.error;
  const plan = new FaultPlan(set.value);
  const server = tritonServer({
    models: { m: config, other: synthetic() },
    gpuCount: 1,
    backends: (clock) => [
      new FaultyBackend(new SyntheticBackend({ clock, random: new Random(1) }), {
        clock,
        faults: plan,
        outOfMemoryText: outOfMemoryText(null, null),
      }),
    ],
  });
  return { server, plan };
};

const loadAndWait = ({ server }: Faulty, model = "m"): string => {
  const call = server.load(model);
  server.clock.advance(10_000_000);
  if (!call.done) return "still loading";
  return call.error === null ? "loaded" : call.error.message;
};

const loadedServer = (rules: readonly object[], config = synthetic()): Faulty => {
  const faulty = faultyServer(rules, config);
  expect(loadAndWait(faulty)).toBe("loaded");
  return faulty;
};

/** What became of it within ten seconds: `ok` or the error, and when. */
const outcome = ({ server }: Faulty, call: Call, sentUs = server.clock.now()): [string, number | null] => {
  server.clock.advance(10_000_000);
  return [
    call.open ? "no answer" : (call.error?.message ?? "ok"),
    call.answeredUs === null ? null : call.answeredUs - sentUs,
  ];
};

const ask = (faulty: Faulty, header?: string): [string, number | null] =>
  outcome(
    faulty,
    faulty.server.infer(
      "m",
      header === undefined
        ? {}
        : { parameters: [{ name: FAULT_HEADER, value: { kind: "string", value: header } }] },
    ),
  );

test("faulty backend: does what the backend in it does, when no rule strikes", () => {
  const faulty = loadedServer([{ operation: "load", effect: "hang", model: "other" }]);
  expect(ask(faulty)).toEqual(["ok", 1000]);
  faulty.server.unload("m");
  faulty.server.clock.advance(1000);
  expect(faulty.server.index()).toContain("m:1 UNAVAILABLE unloaded");
});

test("faulty backend: a load runs out of memory in the words that make a 507, and the next one works", () => {
  const faulty = faultyServer([{ operation: "load", effect: "out-of-memory", first: 1 }]);
  expect(loadAndWait(faulty)).toContain("Internal: CUDA out of memory. Tried to allocate 2.0 MiB.");
  expect(loadAndWait(faulty)).toBe("loaded");
});

test("faulty backend: a load fails with the rule's message", () => {
  const faulty = faultyServer([{ operation: "load", effect: "fail", message: "no such plan" }]);
  expect(loadAndWait(faulty)).toContain("Internal: no such plan");
  expect(loadAndWait(faulty, "other")).toContain("Internal: no such plan");
});

test("faulty backend: a load takes longer, or never ends, and other models load meanwhile", () => {
  const slow = faultyServer([{ operation: "load", effect: "slow", delay: "2s", model: "m" }]);
  const call = slow.server.load("m");
  slow.server.clock.advance(2_004_999);
  expect(call.done).toBe(false);
  slow.server.clock.advance(1);
  expect(call).toEqual({ done: true, error: null });
  const hanging = faultyServer([{ operation: "load", effect: "hang", model: "m" }]);
  expect(loadAndWait(hanging)).toBe("still loading");
  expect(loadAndWait(hanging, "other")).toBe("loaded");
});

const inStub = 'parameters { key: "memory.profile" value { string_value: "python" } }';

test.for([["a stub"], [""]] as const)(
  "faulty backend: a load whose process dies fails after 2.3 s, in %s",
  ([stub]) => {
    const config = synthetic({ fields: stub === "" ? "" : inStub });
    const faulty = faultyServer([{ operation: "load", effect: "kill", first: 1 }], config);
    const call = faulty.server.load("m");
    faulty.server.clock.advance(2_299_999);
    expect(call.done).toBe(false);
    faulty.server.clock.advance(1);
    expect(call.error?.message).toContain("Internal: Stub process 'm_0_0' is not healthy.");
    expect(loadAndWait(faulty)).toBe("loaded");
  },
);

test("faulty backend: a stub that dies at an inference looks healthy, fails every call after a second and is never unloaded", () => {
  const weights = 'parameters { key: "memory.host_weights_bytes" value { string_value: "1MiB" } }';
  const faulty = loadedServer(
    [{ operation: "infer", effect: "kill", nth: 2 }],
    synthetic({ fields: `${inStub}\n${weights}` }),
  );
  const { server } = faulty;
  expect(ask(faulty)).toEqual(["ok", 1000]);
  const used = server.account.used("host");
  const dead = ["Stub process 'm_0_0' is not healthy.", 1_000_000];
  expect([ask(faulty), ask(faulty)]).toEqual([dead, dead]);
  expect(used - server.account.used("host")).toBe(2 ** 20);
  expect(server.index()).toContain("m:1 READY");
  server.unload("m");
  server.clock.advance(600_000_000);
  expect(server.index()).toContain("m:1 UNLOADING");
});

test("faulty backend: an instance without a stub fails in the same way, and goes when it is unloaded", () => {
  const faulty = loadedServer([{ operation: "infer", effect: "kill", nth: 1 }]);
  const dead = ["Stub process 'm_0_0' is not healthy.", 1_000_000];
  expect([ask(faulty), ask(faulty)]).toEqual([dead, dead]);
  faulty.server.unload("m");
  faulty.server.clock.advance(1);
  expect(faulty.server.index()).toContain("m:1 UNAVAILABLE unloaded");
});

test("faulty backend: the nth inference runs out of memory, those around it do not", () => {
  const faulty = loadedServer([{ operation: "infer", effect: "out-of-memory", nth: 2 }]);
  expect([ask(faulty)[0], ask(faulty)[0], ask(faulty)[0]]).toEqual([
    "ok",
    "CUDA out of memory. Tried to allocate 2.0 MiB.",
    "ok",
  ]);
  const { success, fail } = faulty.server.statistics("m").inference_stats;
  expect([success.count, fail.count]).toEqual([2, 1]);
});

test("faulty backend: a failure strikes one request of a batch, the others are answered with their own rows", () => {
  const faulty = loadedServer(
    [{ operation: "infer", effect: "fail", message: "not this one", nth: 2 }],
    synthetic({
      fields: `${batching}\nparameters { key: "synthetic.outputs" value { string_value: "hash" } }`,
    }),
  );
  const { server } = faulty;
  const calls = [1, 2, 3].map((value) => server.infer("m", { value }));
  server.clock.advance(10_000_000);
  expect(calls.map(({ error }) => error?.message)).toEqual([undefined, "not this one", undefined]);
  const answers = calls.map((call) => call.responses[0]?.outputs[0]?.data);
  const alone = [1, 3].map((value) => {
    const call = server.infer("m", { value });
    server.clock.advance(10_000_000);
    return call.responses[0]?.outputs[0]?.data;
  });
  expect([answers[0], answers[2]]).toEqual(alone);
  expect(alone[0]).not.toEqual(alone[1]);
});

test("faulty backend: an inference takes longer, and whatever waits for its instance with it", () => {
  const faulty = loadedServer([{ operation: "infer", effect: "slow", delay: "3s", nth: 1 }]);
  const first = faulty.server.infer("m");
  const second = faulty.server.infer("m");
  const sentUs = faulty.server.clock.now();
  expect(outcome(faulty, first, sentUs)).toEqual(["ok", 3_001_000]);
  expect(outcome(faulty, second, sentUs)).toEqual(["ok", 3_002_000]);
});

test("faulty backend: an inference that hangs is never answered, and its model never gone", () => {
  const faulty = loadedServer([{ operation: "infer", effect: "hang", nth: 1 }]);
  expect(ask(faulty)).toEqual(["no answer", null]);
  faulty.server.unload("m");
  faulty.server.clock.advance(600_000_000);
  expect(faulty.server.index()).toContain("m:1 UNLOADING");
});

test("faulty backend: an unload takes longer, or never ends; it is one call whatever the number of instances", () => {
  const config = synthetic({ group: "kind: KIND_CPU count: 3" });
  const slow = loadedServer([{ operation: "unload", effect: "slow", delay: "2s" }], config);
  slow.server.unload("m");
  slow.server.clock.advance(1_999_999);
  expect(slow.server.index()).toContain("m:1 UNLOADING");
  slow.server.clock.advance(1);
  expect(slow.server.index()).toContain("m:1 UNAVAILABLE unloaded");
  expect(slow.plan.rules()[0]?.counts).toMatchObject({ matched: 1, struck: 1 });
  const hanging = loadedServer([{ operation: "unload", effect: "hang", first: 1 }], config);
  const used = hanging.server.account.used("host");
  hanging.server.unload("m");
  hanging.server.clock.advance(600_000_000);
  expect(hanging.server.index()).toContain("m:1 UNLOADING");
  expect(hanging.server.account.used("host")).toBe(used);
});

test("faulty backend: a header strikes the inference that carries it, and leaves rules uncounted", () => {
  const faulty = loadedServer([
    { name: "second", operation: "infer", effect: "fail", message: "by rule", nth: 2 },
  ]);
  expect(ask(faulty, "out-of-memory")[0]).toBe("CUDA out of memory. Tried to allocate 2.0 MiB.");
  expect(ask(faulty, "effect=slow,delay=2s")).toEqual(["ok", 2_001_000]);
  expect(ask(faulty, "second")[0]).toBe("by rule");
  expect(ask(faulty, "effect=fail,message=a, b")[0]).toBe("a, b");
  expect(ask(faulty, "reset")[0]).toBe("ok");
  expect(faulty.plan.rules()[0]?.counts).toEqual({ asked: 0, matched: 0, struck: 0, overruled: 0 });
});

test.for([
  [
    "oom",
    "header x-triton-local-fault: there is no 'oom'; expected an effect ('out-of-memory', 'fail', 'slow', 'hang', 'kill', 'reset'), a rule ('late'), or the fields of a rule",
  ],
  ["slow", "header x-triton-local-fault.delay is missing: effect 'slow' needs it"],
  ["late", "header x-triton-local-fault: 'late' strikes at load, which no inference does"],
  [
    "effect=hang,operation=load",
    "header x-triton-local-fault: 'header-hang' strikes at load, which no inference does",
  ],
  ["imitate=load-body-crash", "header x-triton-local-fault: an imitation is not for one inference"],
] as const)("faulty backend: the header %s is refused", ([header, message]) => {
  const faulty = loadedServer([
    { name: "late", operation: "load", effect: "fail", message: "later", nth: 9 },
  ]);
  const call = faulty.server.infer("m", {
    parameters: [{ name: "X-Triton-Local-Fault", value: { kind: "string", value: header } }],
  });
  faulty.server.clock.advance(10_000_000);
  expect(call.error?.code).toBe("INVALID_ARG");
  expect(call.error?.message).toBe(message);
});
