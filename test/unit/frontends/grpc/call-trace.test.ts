import { expect, test } from "vitest";
import { TritonError } from "../../../../emulator/common/status.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { TraceManager } from "../../../../emulator/core/trace/trace-manager.ts";
import type { JsonObject } from "../../../../emulator/parity/exchange/json.ts";
import type { FakeInferenceServer } from "../../../support/fake-inference-server.ts";
import { echo } from "../../../support/fake-inference-server.ts";
import { GrpcFixture } from "../../../support/grpc-frontend.ts";
import { InMemoryTraceSink } from "../../../support/in-memory-trace-sink.ts";
import { traceEvents } from "../../../support/trace-events.ts";

/** Makes a server trace every request into a file of its own; the core's half of each trace is over at once. */
const traced = (server: FakeInferenceServer): Map<string, string> => {
  const sink = new InMemoryTraceSink();
  const manager = new TraceManager(
    {
      trace_level: ["TIMESTAMPS"],
      trace_rate: 1,
      trace_count: -1,
      log_frequency: 1,
      trace_file: "F",
      trace_mode: "triton",
    },
    sink,
    new VirtualClock(),
  );
  server.tracer = manager;
  const { onInfer } = server;
  server.onInfer = (request, version) => {
    request.trace?.release();
    return onInfer(request, version);
  };
  return sink.files;
};

const message = (fields: JsonObject = {}): JsonObject => ({
  model_name: "echo",
  inputs: [{ name: "A", datatype: "UINT8", shape: [1] }],
  raw_input_contents: ["Bw=="],
  ...fields,
});

const read = ["GRPC_WAITREAD_START", "GRPC_WAITREAD_END"];
const sent = ["GRPC_SEND_START", "GRPC_SEND_END"];
const numbered = (id: number, names: readonly string[]): string[] => names.map((name) => `${id} ${name}`);

test("ModelInfer: a traced call has its reading, response and sending", async () => {
  await using fixture = await GrpcFixture.start();
  const files = traced(fixture.server);
  await fixture.client.unary("ModelInfer", message(), {});
  expect(traceEvents(files.get("F.0"))).toEqual(numbered(1, [...read, "INFER_RESPONSE_COMPLETE", ...sent]));
});

test("ModelInfer: a call that the core refuses has no response", async () => {
  await using fixture = await GrpcFixture.start();
  fixture.server.onInfer = () => new TritonError("UNAVAILABLE", "full");
  const files = traced(fixture.server);
  expect((await fixture.client.unary("ModelInfer", message(), {})).code).toBe("UNAVAILABLE");
  expect(traceEvents(files.get("F.0"))).toEqual(numbered(1, [...read, ...sent]));
});

test("ModelInfer: a message that is no request is not sampled", async () => {
  await using fixture = await GrpcFixture.start();
  const files = traced(fixture.server);
  await fixture.client.unary("ModelInfer", message({ raw_input_contents: [] }), {});
  await fixture.client.unary("ModelInfer", message(), {});
  expect([...files.keys()]).toEqual(["F.0"]);
  expect(traceEvents(files.get("F.0"))[0]).toBe("1 GRPC_WAITREAD_START");
});

test("ModelStreamInfer: each request of a stream has a trace, in the order of answers", async () => {
  await using fixture = await GrpcFixture.start();
  const held: (() => void)[] = [];
  fixture.server.onInfer = (request) => {
    held.push(() => request.respond({ final: true, outputs: echo(request) }));
    // The second answer is ready before the first.
    if (held.length === 2) for (const respond of held.reverse()) respond();
    return null;
  };
  const files = traced(fixture.server);
  await fixture.client.stream("ModelStreamInfer", [message({ id: "a" }), message({ id: "b" })], {});
  const whole = [...read, "INFER_RESPONSE_COMPLETE", ...sent];
  expect([...files.values()].map(traceEvents)).toEqual([numbered(1, whole), numbered(2, whole)]);
});

test("ModelStreamInfer: every response of a decoupled model is sent, the first is recorded as response", async () => {
  await using fixture = await GrpcFixture.start();
  fixture.server.onInfer = (request) => {
    request.respond({ final: false, outputs: echo(request) });
    request.respond({ final: true, outputs: echo(request) });
    return null;
  };
  const files = traced(fixture.server);
  await fixture.client.stream("ModelStreamInfer", [message({ model_name: "decoupled" })], {});
  expect(traceEvents(files.get("F.0"))).toEqual(
    numbered(1, [...read, "INFER_RESPONSE_COMPLETE", ...sent, ...sent]),
  );
});
