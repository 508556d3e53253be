import { expect, test } from "vitest";
import { TritonError } from "../../../../emulator/common/status.ts";
import type { TraceLevel, TraceSettings } from "../../../../emulator/core/settings/trace-settings.ts";
import {
  Call,
  type CoreFixture,
  type FixtureOptions,
  int32,
  modelConfig,
  tensor,
  tritonServer,
} from "../../../support/core-fixture.ts";
import { ensembleConfig } from "../../../support/ensemble-models.ts";
import { traceEvents, traceTimes } from "../../../support/trace-events.ts";

const trace: TraceSettings = {
  trace_level: ["TIMESTAMPS"],
  trace_rate: 1,
  trace_count: -1,
  log_frequency: 1,
  trace_file: "F",
  trace_mode: "triton",
};

const serving = (config: string, levels: readonly TraceLevel[] = ["TIMESTAMPS"], rest: FixtureOptions = {}) =>
  tritonServer({ models: { m: config }, loaded: ["m"], trace: { ...trace, trace_level: levels }, ...rest });

/** Sends a traced request as a front end does that lets go of the trace when the call is over or refused. */
const infer = (fixture: CoreFixture, fields: ConstructorParameters<typeof Call>[1]): Call => {
  const found = fixture.server.findVersion("m", -1);
  if (!found.ok) throw found.error;
  const sampled = fixture.server.tracer.sample("m");
  const call = new Call(fixture.clock, fields);
  call.request.trace = sampled;
  call.refused = fixture.server.infer(found.value, call.request);
  sampled?.release();
  return call;
};

const eventsOf = (fixture: CoreFixture, file = "F.0"): string[] =>
  traceEvents(fixture.traceFiles.files.get(file));

const computed = [
  "1 COMPUTE_START",
  "1 COMPUTE_INPUT_END",
  "1 COMPUTE_OUTPUT_START",
  "1 COMPUTE_END",
  "1 REQUEST_END",
];

test("trace: has every event of a request, in order and with its times", () => {
  const fixture = serving(modelConfig());
  infer(fixture, { id: "r", inputs: [tensor()] });
  fixture.clock.advance(1000);
  expect(eventsOf(fixture)).toEqual(["1 request r", "1 REQUEST_START", "1 QUEUE_START", ...computed]);
  const times = traceTimes(fixture.traceFiles.files.get("F.0"));
  expect(times).toEqual({
    REQUEST_START: 0,
    QUEUE_START: 0,
    COMPUTE_START: 0,
    COMPUTE_INPUT_END: 250_000,
    COMPUTE_OUTPUT_START: 750_000,
    COMPUTE_END: 1_000_000,
    REQUEST_END: 1_000_000,
  });
});

test("trace: at level TENSORS alone has tensors only", () => {
  const fixture = serving(modelConfig(), ["TENSORS"]);
  infer(fixture, { inputs: [tensor({ data: int32(5) })] });
  fixture.clock.advance(1000);
  expect(eventsOf(fixture)).toEqual(["1 TENSOR_QUEUE_INPUT IN=5", "1 TENSOR_BACKEND_OUTPUT OUT=5"]);
});

test("trace: an input without a byte is left out, an output is not", () => {
  const config = modelConfig().replaceAll("dims: [ 1 ]", "dims: [ -1 ]");
  const fixture = serving(config, ["TENSORS"]);
  infer(fixture, { inputs: [tensor({ shape: [0] })] });
  fixture.clock.advance(1000);
  expect(eventsOf(fixture)).toEqual(["1 TENSOR_BACKEND_OUTPUT OUT="]);
});

test("trace: a request that the backend fails has its times all the same", () => {
  const fixture = serving(modelConfig(), ["TIMESTAMPS", "TENSORS"]);
  fixture.backend.outcomeOf = () => ({ error: new TritonError("INTERNAL", "no") });
  infer(fixture, { inputs: [tensor({ data: int32(5) })] });
  fixture.clock.advance(1000);
  expect(eventsOf(fixture)).toEqual([
    "1 request undefined",
    "1 REQUEST_START",
    "1 QUEUE_START",
    "1 TENSOR_QUEUE_INPUT IN=5",
    ...computed,
  ]);
});

test("trace: of a request that is not valid nothing is written", () => {
  const fixture = serving(modelConfig());
  expect(infer(fixture, { inputs: [] }).refused).not.toBeNull();
  infer(fixture, { id: "good", inputs: [tensor()] });
  fixture.clock.advance(1000);
  expect(eventsOf(fixture)[0]).toBe("2 request good");
  expect([...fixture.traceFiles.files.keys()]).toEqual(["F.0"]);
});

test("trace: of a request that its queue refuses the beginning is written", () => {
  const fixture = serving(
    modelConfig("max_batch_size: 1 dynamic_batching { default_queue_policy { max_queue_size: 1 } }"),
  );
  const inputs = [tensor({ shape: [1, 1] })];
  const calls = ["a", "b"].map((id) => infer(fixture, { id, inputs }));
  expect(calls.map(({ refused }) => refused?.message ?? null)).toEqual([
    null,
    "[request id: b] Exceeds maximum queue size",
  ]);
  expect(eventsOf(fixture)).toEqual(["2 request b", "2 REQUEST_START", "2 QUEUE_START"]);
});

test("trace: a request whose time in the queue ran out was never computed", () => {
  const policy =
    "default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 100 } max_queue_delay_microseconds: 1000000";
  const fixture = serving(
    modelConfig(`max_batch_size: 4 dynamic_batching { preferred_batch_size: [ 4 ] ${policy} }`),
  );
  const call = infer(fixture, { inputs: [tensor({ shape: [1, 1] })] });
  fixture.clock.advance(2_000_000);
  expect(call.error?.message).toContain("Request timeout expired");
  expect(eventsOf(fixture)).toEqual([
    "1 request undefined",
    "1 REQUEST_START",
    "1 QUEUE_START",
    "1 REQUEST_END",
  ]);
});

test("trace: a request of a sequence enters its queue without its tensors", () => {
  const fixture = serving(modelConfig("sequence_batching { }"), ["TIMESTAMPS", "TENSORS"]);
  infer(fixture, { sequenceId: 1, sequenceStart: true, inputs: [tensor({ data: int32(5) })] });
  fixture.clock.advance(1000);
  expect(eventsOf(fixture)).toEqual([
    "1 request undefined",
    "1 REQUEST_START",
    "1 QUEUE_START",
    "1 TENSOR_BACKEND_OUTPUT OUT=5",
    ...computed,
  ]);
});

test("trace: a request of no sequence is written as far as it came", () => {
  const fixture = serving(modelConfig("sequence_batching { }"));
  expect(infer(fixture, { sequenceId: 1, inputs: [tensor()] }).refused).not.toBeNull();
  expect(eventsOf(fixture)).toEqual(["1 request undefined", "1 REQUEST_START", "1 QUEUE_START"]);
});

test("trace files: are complete when the server has stopped", () => {
  const fixture = tritonServer({
    models: { m: modelConfig() },
    loaded: ["m"],
    trace: { ...trace, log_frequency: 0 },
  });
  infer(fixture, { id: "r", inputs: [tensor()] });
  fixture.clock.advance(1000);
  expect([...fixture.traceFiles.files.keys()]).toEqual([]);
  fixture.server.stop(5, () => {});
  fixture.clock.settle();
  expect(eventsOf(fixture, "F")).toHaveLength(8);
});

test("trace: of an ensemble, is written with those of its steps, which name it", () => {
  const fixture = tritonServer({
    models: {
      m: ensembleConfig(["a IN=IN OUT=mid", "b IN=mid OUT=OUT"]),
      a: modelConfig(),
      b: modelConfig(),
    },
    loaded: ["m"],
    trace,
  });
  infer(fixture, { id: "q", inputs: [tensor()] });
  fixture.clock.advance(2000);
  const events = eventsOf(fixture);
  expect(events.filter((event) => event.startsWith("1 "))).toEqual([
    "1 request q",
    "1 REQUEST_START",
    "1 QUEUE_START",
    "1 REQUEST_END",
  ]);
  for (const id of ["2", "3"]) {
    expect(events.filter((event) => event.startsWith(`${id} `))).toEqual([
      `${id} request q`,
      `${id} REQUEST_START`,
      `${id} QUEUE_START`,
      ...computed.map((event) => event.replace("1", id)),
    ]);
  }
  const text = fixture.traceFiles.files.get("F.0") ?? "";
  expect(text).toContain('{"id":2,"model_name":"a","model_version":1,"request_id":"q","parent_id":1}');
  expect(text).toContain('{"id":3,"model_name":"b","model_version":1,"request_id":"q","parent_id":1}');
  expect(text).toContain('{"id":1,"model_name":"m","model_version":1,"request_id":"q"}');
});

test("trace: shows the tensors that go in and out of an ensemble and of each step", () => {
  const fixture = tritonServer({
    models: { m: ensembleConfig(["a IN=IN OUT=OUT"]), a: modelConfig() },
    loaded: ["m"],
    trace: { ...trace, trace_level: ["TENSORS"] },
  });
  infer(fixture, { inputs: [tensor({ data: int32(5) })] });
  fixture.clock.advance(1000);
  const shown = (id: number, activity: string, name: string): string =>
    `{"id":${id},"activity":"${activity}","tensor":{"name":"${name}","data":"5","shape":"1","dtype":"INT32"}}`;
  expect(fixture.traceFiles.files.get("F.0")).toBe(
    `[${[
      shown(2, "TENSOR_QUEUE_INPUT", "IN"),
      shown(2, "TENSOR_BACKEND_OUTPUT", "OUT"),
      shown(1, "TENSOR_QUEUE_INPUT", "IN"),
      shown(1, "TENSOR_BACKEND_OUTPUT", "OUT"),
    ].join(",")}]`,
  );
});
