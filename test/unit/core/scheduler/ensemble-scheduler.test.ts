import { expect, test } from "vitest";
import type {
  InferenceRequest,
  InferenceResponse,
  OutputTensor,
} from "../../../../emulator/core/tensor/inference-request.ts";
import {
  type Call,
  type CoreFixture,
  int32,
  modelConfig,
  tensor,
  tritonServer,
} from "../../../support/core-fixture.ts";
import { ensembleConfig } from "../../../support/ensemble-models.ts";
import { backendError } from "../../../support/scripted-backend.ts";

const chain = ensembleConfig(["a IN=IN OUT=mid", "b IN=mid OUT=OUT"]);
const parallel = ensembleConfig(["a IN=X OUT=O1", "b IN=Y OUT=O2"], {
  inputs: ["X", "Y"],
  outputs: ["O1", "O2"],
});
const members = { a: modelConfig(), b: modelConfig() };

const out = (value: number, shape: readonly number[] = [1]): OutputTensor => ({
  name: "OUT",
  datatype: "INT32",
  shape,
  data: int32(value),
});

const firstValue = (call: Call, output = "OUT"): number | undefined => {
  const found = call.responses.at(-1)?.outputs.find(({ name }) => name === output);
  return found === undefined ? undefined : new Int32Array(found.data.slice().buffer)[0];
};

const inputOf = (request: InferenceRequest): number =>
  new Int32Array(request.inputs[0]!.data.slice().buffer)[0]!;

/** `a` adds 1, `b` multiplies by 10. */
const arithmetic = (fixture: CoreFixture): void => {
  fixture.backend.responsesOf = (request, { model }) => [
    { final: true, outputs: [out(model === "a" ? inputOf(request) + 1 : inputOf(request) * 10)] },
  ];
};

const both = (fixture: CoreFixture, fields: { readonly requestedOutputs?: readonly string[] } = {}): Call =>
  fixture.infer("e", {
    inputs: [tensor({ name: "X", data: int32(1) }), tensor({ name: "Y", data: int32(2) })],
    ...fields,
  });

test("ensemble: a step runs as soon as the one before has answered, and the last one's answer is the ensemble's", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  arithmetic(fixture);
  const call = fixture.infer("e", { value: 3, id: "r" });
  fixture.clock.advance(60_000);
  expect(call.answeredUs).toBe(2000);
  expect(firstValue(call)).toBe(40);
  expect(fixture.backend.runs.map(({ model, atUs, ids }) => [model, atUs, ids])).toEqual([
    ["a", 0, ["r"]],
    ["b", 1000, ["r"]],
  ]);
});

test("ensemble: steps that do not depend on one another run side by side", () => {
  const fixture = tritonServer({ models: { e: parallel, ...members }, loaded: ["e"] });
  arithmetic(fixture);
  const call = both(fixture);
  fixture.clock.advance(60_000);
  expect(call.answeredUs).toBe(1000);
  expect([firstValue(call, "O1"), firstValue(call, "O2")]).toEqual([2, 20]);
});

test("ensemble: a tensor goes from the client to every step and from step to step without being copied", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  const data = int32(7);
  const call = fixture.infer("e", { inputs: [tensor({ data })] });
  fixture.clock.advance(60_000);
  expect(fixture.backend.runs.map(({ requests }) => requests[0]!.inputs[0]!.data)).toEqual([data, data]);
  for (const { requests } of fixture.backend.runs) expect(requests[0]!.inputs[0]!.data).toBe(data);
  expect(call.responses[0]?.outputs[0]?.data).toBe(data);
});

test("ensemble: what the client said of id, parameters, sequence, priority and timeout is said to every step", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  const parameters = [{ name: "p", value: { kind: "int", value: 5 } as const }];
  fixture.infer("e", { id: "x", parameters, sequenceId: 9, sequenceStart: true, priority: 2, timeoutUs: 77 });
  fixture.clock.advance(60_000);
  expect(fixture.backend.runs).toHaveLength(2);
  for (const { requests } of fixture.backend.runs) {
    const { id, sequenceId, sequenceStart, sequenceEnd, priority, timeoutUs, requestedOutputs } =
      requests[0]!;
    expect({ id, sequenceId, sequenceStart, sequenceEnd, priority, timeoutUs, requestedOutputs }).toEqual({
      id: "x",
      sequenceId: 9,
      sequenceStart: true,
      sequenceEnd: false,
      priority: 2,
      timeoutUs: 77,
      requestedOutputs: ["OUT"],
    });
    expect(requests[0]!.parameters).toBe(parameters);
  }
});

test("ensemble: its answer says the sequence for every output, as the member's answer has it if that says one", () => {
  const fixture = tritonServer({ models: { e: parallel, ...members }, loaded: ["e"] });
  fixture.backend.responsesOf = (_, { model }) => [
    {
      final: true,
      outputs: [out(1)],
      parameters: model === "a" ? [] : [{ name: "sequence_id", value: { kind: "string", value: "s" } }],
    },
  ];
  const call = fixture.infer("e", {
    inputs: [tensor({ name: "X" }), tensor({ name: "Y" })],
    sequenceId: 4,
    sequenceEnd: true,
  });
  fixture.clock.advance(60_000);
  expect(call.responses[0]?.outputs.map(({ name }) => name)).toEqual(["O2", "O1"]);
  expect(call.responses[0]?.parameters?.map(({ name, value }) => [name, value.value])).toEqual([
    ["sequence_id", "s"],
    ["sequence_start", false],
    ["sequence_end", false],
    ["sequence_id", 4],
    ["sequence_start", false],
    ["sequence_end", true],
  ]);
});

test.each([
  [
    "sequence_id",
    { kind: "bool", value: true } as const,
    "expected parameter 'sequence_id' to be TRITONSERVER_PARAMETER_INT or TRITONSERVER_PARAMETER_STRING",
  ],
  [
    "sequence_start",
    { kind: "int", value: 1 } as const,
    "expect parameter 'sequence_start' to be TRITONSERVER_PARAMETER_BOOL",
  ],
])("ensemble: a member whose answer gives %s another kind fails it", (name, value, message) => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  fixture.backend.responsesOf = () => [{ final: true, outputs: [out(1)], parameters: [{ name, value }] }];
  const call = fixture.infer("e");
  fixture.clock.advance(60_000);
  expect(call.error?.asString()).toBe(`Invalid argument: in ensemble 'e', ${message}`);
});

test("ensemble: the error of a step is its own, with its code and the ensemble's name, and counts twice", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  fixture.backend.outcomeOf = ({ model }) =>
    model === "b" ? { error: backendError("Stub process 'b_0_0' is not healthy.") } : {};
  const call = fixture.infer("e");
  fixture.clock.advance(60_000);
  expect(call.error?.asString()).toBe("Internal: in ensemble 'e', Stub process 'b_0_0' is not healthy.");
  expect(call.responses).toHaveLength(1);
  expect(fixture.statistics("e").inference_stats.fail.count).toBe(2);
  expect(fixture.metricsOf("e").failures).toMatchObject({ OTHER: 2, BACKEND: 0 });
  expect(fixture.statistics("a").inference_stats.success.count).toBe(1);
  expect(fixture.statistics("b").inference_stats.fail.count).toBe(1);
});

test("ensemble: an error is answered at once while another step runs; that one keeps its own copy of the client's bytes", () => {
  const fixture = tritonServer({ models: { e: parallel, ...members }, loaded: ["e"] });
  fixture.backend.durationOf = ({ model }) => (model === "a" ? 1000 : 5000);
  fixture.backend.outcomeOf = ({ model }) => (model === "a" ? { error: backendError("no") } : {});
  const data = int32(2);
  const call = fixture.infer("e", { inputs: [tensor({ name: "X" }), tensor({ name: "Y", data })] });
  fixture.clock.advance(1000);
  expect(call.answeredUs).toBe(1000);
  data[0] = 99;
  expect(inputOf(fixture.backend.runs[1]!.requests[0]!)).toBe(2);
  expect(fixture.statistics("e").inference_stats.fail.count).toBe(1);
  fixture.clock.advance(60_000);
  expect(fixture.statistics("e").inference_stats.fail.count).toBe(1);
  expect(call.responses).toHaveLength(1);
});

test("ensemble: a member that refuses a tensor as none of its own fails the request as that member words it", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  fixture.backend.responsesOf = () => [{ final: true, outputs: [{ ...out(1), datatype: "FP32" }] }];
  const call = fixture.infer("e");
  fixture.clock.advance(60_000);
  expect(call.error?.message).toBe(
    "in ensemble 'e', [request id: <id_unknown>] inference input 'IN' data-type is 'FP32', but model 'b' expects 'INT32'",
  );
  expect(fixture.backend.runs).toHaveLength(1);
});

test("ensemble: a full queue of a later step fails the request at once", () => {
  const fixture = tritonServer({
    models: {
      e: chain,
      a: modelConfig(),
      b: modelConfig("max_batch_size: 1 dynamic_batching { default_queue_policy { max_queue_size: 1 } }"),
    },
    loaded: ["e"],
  });
  fixture.backend.durationOf = ({ model }) => (model === "b" ? 10_000 : 1000);
  const first = fixture.infer("b", { rows: 1 });
  fixture.clock.advance(0);
  const second = fixture.infer("b", { rows: 1 });
  const call = fixture.infer("e");
  fixture.clock.advance(1000);
  expect(call.error?.asString()).toBe(
    "Unavailable: in ensemble 'e', [request id: <id_unknown>] Exceeds maximum queue size",
  );
  fixture.clock.advance(60_000);
  expect([first.error, second.error]).toEqual([null, null]);
});

test("ensemble: compute times are the sums of its steps, also over an ensemble among them", () => {
  const fixture = tritonServer({
    models: { outer: ensembleConfig(["e IN=IN OUT=OUT"]), e: chain, ...members },
    loaded: ["outer"],
  });
  fixture.infer("outer");
  fixture.clock.advance(60_000);
  for (const model of ["outer", "e"]) {
    const { inference_count, execution_count, inference_stats, batch_stats } = fixture.statistics(model);
    expect({ inference_count, execution_count }).toEqual({ inference_count: 1, execution_count: 1 });
    expect(inference_stats.success).toEqual({ count: 1, ns: 2_000_000 });
    expect(inference_stats.compute_input).toEqual({ count: 1, ns: 500_000 });
    expect(inference_stats.compute_infer).toEqual({ count: 1, ns: 1_000_000 });
    expect(inference_stats.compute_output).toEqual({ count: 1, ns: 500_000 });
    expect(batch_stats).toMatchObject([{ batch_size: 1, compute_infer: { count: 1, ns: 1_000_000 } }]);
  }
});

test("ensemble: a response of a decoupled member is an answer each, and the last one ends the stream", () => {
  const fixture = tritonServer({
    models: { e: chain, a: modelConfig("model_transaction_policy { decoupled: true }"), b: modelConfig() },
    loaded: ["e"],
  });
  const stream = (values: readonly number[]): InferenceResponse[] => [
    ...values.map((value) => ({ final: false, outputs: [out(value)] })),
    { final: true, outputs: [] },
  ];
  fixture.backend.responsesOf = (request, { model }) =>
    model === "a"
      ? stream([1, 2, 3].slice(0, inputOf(request)))
      : [{ final: true, outputs: [out(10 * inputOf(request))] }];
  const three = fixture.infer("e", { value: 3 });
  fixture.clock.advance(60_000);
  expect(three.responses.map(({ final }) => final)).toEqual([false, false, true]);
  expect(three.responses.map(({ outputs }) => new Int32Array(outputs[0]!.data.slice().buffer)[0])).toEqual([
    10, 20, 30,
  ]);
  const none = fixture.infer("e", { value: 0 });
  fixture.clock.advance(60_000);
  expect(none.responses).toEqual([{ final: true, outputs: [] }]);
  expect(fixture.statistics("e").inference_count).toBe(2);
  expect(fixture.server.findVersion("e", -1)).toMatchObject({ value: { decoupled: true } });
});

test("ensemble: with some outputs asked for, steps that nobody needs are left out", () => {
  const fixture = tritonServer({ models: { e: parallel, ...members }, loaded: ["e"] });
  const call = both(fixture, { requestedOutputs: ["O2"] });
  fixture.clock.advance(60_000);
  expect(call.responses[0]?.outputs.map(({ name }) => name)).toEqual(["O2"]);
  expect(fixture.backend.runs.map(({ model }) => model)).toEqual(["b"]);
});

test("ensemble: without the last output the real server leaves out the first step too, and so do we", () => {
  const fixture = tritonServer({ models: { e: parallel, ...members }, loaded: ["e"] });
  const call = both(fixture, { requestedOutputs: ["O1"] });
  fixture.clock.advance(60_000);
  expect(call.error?.message).toBe(
    "in ensemble 'e', [request id: <id_unknown>] unexpected deadlock, at least one output is not set while no more ensemble steps can be made",
  );
  expect(fixture.backend.runs).toEqual([]);
  expect(fixture.statistics("e").inference_stats.fail.count).toBe(2);
});

test.each([
  {
    title: "a batching ensemble takes the dimension away for a member that does not batch",
    ensemble: 4,
    member: 0,
    given: [1, 1],
    seen: [1],
  },
  {
    title: "an ensemble without batching adds it for a member that batches",
    ensemble: 0,
    member: 4,
    given: [1],
    seen: [1, 1],
  },
  { title: "two that batch leave it as it is", ensemble: 4, member: 4, given: [3, 1], seen: [3, 1] },
])("ensemble: batch dimension: $title", ({ ensemble, member, given, seen }) => {
  const fixture = tritonServer({
    models: {
      e: ensembleConfig(["a IN=IN OUT=OUT"], { fields: `max_batch_size: ${ensemble}` }),
      a: modelConfig(`max_batch_size: ${member}`),
    },
    loaded: ["e"],
  });
  const rows = given.length === 2 ? given[0]! : 1;
  const call = fixture.infer("e", {
    inputs: [tensor({ shape: given, data: int32(...new Array<number>(rows).fill(1)) })],
  });
  fixture.clock.advance(60_000);
  expect(fixture.backend.runs[0]?.requests[0]?.inputs[0]?.shape).toEqual(seen);
  expect(call.error).toBeNull();
  expect(call.responses[0]?.outputs[0]?.shape).toEqual(given);
});

test("ensemble: a cancel reaches steps that have not begun", () => {
  const fixture = tritonServer({
    models: {
      e: chain,
      a: modelConfig(),
      b: modelConfig("max_batch_size: 1 dynamic_batching { default_queue_policy { max_queue_size: 9 } }"),
    },
    loaded: ["e"],
  });
  const call = fixture.infer("e");
  fixture.clock.advance(500);
  call.request.cancel();
  fixture.clock.advance(60_000);
  expect(call.error?.code).toBe("CANCELLED");
  expect(fixture.backend.runs.map(({ model }) => model)).toEqual(["a"]);
});

test("ensemble: a member stays loaded until the requests that began before its unload have used it", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  const call = fixture.infer("e");
  fixture.clock.advance(500);
  fixture.unload("b");
  expect(fixture.index()).toEqual(["a:1 READY", "b:1 UNLOADING", "e:1 UNLOADING"]);
  fixture.clock.advance(1000);
  expect(fixture.backend.events).not.toContain("finalize b:1");
  fixture.clock.advance(60_000);
  expect(call.error).toBeNull();
  expect(fixture.backend.events).toContain("finalize b:1");
  expect(fixture.index()).toEqual(["a:1 READY", "b:1 UNAVAILABLE unloaded", "e:1 UNAVAILABLE unloaded"]);
});

test("ensemble: a shutdown waits for its requests, whose later steps are refused, and so are new ones", () => {
  const fixture = tritonServer({ models: { e: chain, ...members }, loaded: ["e"] });
  const before = fixture.infer("e");
  let clean: boolean | null = null;
  fixture.server.stop(30, (ended) => {
    clean = ended;
  });
  expect(fixture.logged).toContain("Model 'e' (version 1) has 1 in-flight inferences");
  const after = fixture.infer("e");
  fixture.clock.advance(60_000_000);
  for (const { error } of [before, after]) {
    expect(error?.asString()).toBe(
      "Unavailable: in ensemble 'e', [request id: <id_unknown>] Server is stopping, scheduler for model has stopped accepting new inference requests",
    );
  }
  expect(clean).toBe(true);
});
