import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../../../../emulator/common/log.ts";
import { TritonError } from "../../../../../emulator/common/status.ts";
import { VirtualClock } from "../../../../../emulator/common/virtual-clock.ts";
import { TraceManager } from "../../../../../emulator/core/trace/trace-manager.ts";
import { type HttpFrontend, startHttpFrontend } from "../../../../../emulator/frontends/http/server.ts";
import { FakeInferenceServer } from "../../../../support/fake-inference-server.ts";
import { InMemoryTraceSink } from "../../../../support/in-memory-trace-sink.ts";
import { traceEvents } from "../../../../support/trace-events.ts";

const server = new FakeInferenceServer();
const { onInfer } = server;
let frontend: HttpFrontend;
let sink: InMemoryTraceSink;

beforeAll(async () => {
  const options = { address: "127.0.0.1", port: 0, reusePort: false, restrictedApis: [] };
  frontend = await startHttpFrontend(server, { ...options, headerForwardPattern: null }, silentLog);
});

afterAll(() => frontend.close());

/** Every request is traced into a file of its own; the core's half of each trace is over at once. */
beforeEach(() => {
  sink = new InMemoryTraceSink();
  const settings = {
    trace_rate: 1,
    trace_count: -1,
    log_frequency: 1,
    trace_file: "F",
    trace_mode: "triton",
  };
  server.tracer = new TraceManager({ ...settings, trace_level: ["TIMESTAMPS"] }, sink, new VirtualClock());
  server.onInfer = (request, version) => {
    request.trace?.release();
    return onInfer(request, version);
  };
});

const input = { name: "A", datatype: "INT32", shape: [1], data: [7] };

const infer = (body: string, headers: Record<string, string> = {}): Promise<number> =>
  fetch(`http://127.0.0.1:${frontend.port}/v2/models/echo/infer`, { method: "POST", body, headers }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.status;
    },
  );

const whole = JSON.stringify({ inputs: [input] });
const answered = [
  "1 HTTP_RECV_START",
  "1 HTTP_RECV_END",
  "1 INFER_RESPONSE_COMPLETE",
  "1 HTTP_SEND_START",
  "1 HTTP_SEND_END",
];

test.each(["identity", "gzip"])(
  "infer: a traced request has its way over HTTP, answered in %s",
  async (encoding) => {
    expect(await infer(whole, { "Accept-Encoding": encoding })).toBe(200);
    expect(traceEvents(sink.files.get("F.0"))).toEqual(answered);
  },
);

test("infer: a request that fails in the backend is answered like any other", async () => {
  server.onInfer = (request) => {
    request.trace?.release();
    request.respond({ final: true, outputs: [], error: new TritonError("INTERNAL", "no") });
    return null;
  };
  expect(await infer(whole)).toBe(500);
  expect(traceEvents(sink.files.get("F.0"))).toEqual(answered);
});

test("infer: a body that cannot be read, and a request that is refused, end with their receipt", async () => {
  expect(await infer("{")).toBe(500);
  server.onInfer = (request) => {
    request.trace?.release();
    return new TritonError("UNAVAILABLE", "full");
  };
  expect(await infer(whole)).toBe(503);
  expect(["F.0", "F.1"].map((name) => traceEvents(sink.files.get(name)))).toEqual([
    ["1 HTTP_RECV_START", "1 HTTP_RECV_END"],
    ["2 HTTP_RECV_START", "2 HTTP_RECV_END"],
  ]);
});

test("infer: a request that fails before its body is looked at is counted and not written", async () => {
  expect(await infer(whole, { "Inference-Header-Content-Length": "9999" })).toBe(400);
  expect(await infer("x", { "Content-Encoding": "gzip" })).toBe(500);
  expect(await infer(whole)).toBe(200);
  expect([...sink.files.keys()]).toEqual(["F.0"]);
  expect(traceEvents(sink.files.get("F.0"))[0]).toBe("3 HTTP_RECV_START");
});
