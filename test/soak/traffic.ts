import { Agent } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import {
  binaryInference,
  grpcInference,
  jsonInference,
  MODEL_INFER,
  sendGrpc,
  sendHttp,
} from "../support/infer-requests.ts";
import type { Gate } from "./gate.ts";

export interface Ports {
  readonly httpPort: number;
  readonly grpcPort: number;
}

/** What the traffic has seen so far. */
export interface TrafficCounts {
  valid: number;
  invalid: number;
  loads: number;
  /** Valid requests that were not answered as they should be; the first twenty. */
  readonly wrong: string[];
}

const WRONG_LIMIT = 20;
const STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer";
/** Loaded and unloaded all the time; everything else stays loaded and must always answer. */
const CYCLED = ["identity_int8", "identity_uint16", "identity_fp64", "batched_linear"];

type Action = (ports: Ports, agent: Agent, random: () => number) => Promise<void>;

/** Sends mixed traffic with a handful of clients at once, as long as `goesOn` says so; each request through the gate. */
export async function sendTraffic(
  ports: Ports,
  goesOn: () => boolean,
  gate: Gate,
  seed: number,
  counts: TrafficCounts,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const client = async (number: number, actions: readonly Action[], count: () => void, mustWork: boolean) => {
    const random = mulberry32(seed + number);
    while (goesOn()) {
      const action = actions[Math.floor(random() * actions.length)]!;
      try {
        await gate.run(() => action(ports, agent, random));
      } catch (error) {
        if (mustWork && counts.wrong.length < WRONG_LIMIT) counts.wrong.push(`${action.name}: ${error}`);
      }
      count();
      await sleep(random() * 8);
    }
  };
  const clients = [
    ...[1, 2, 3].map((n) => client(n, VALID, () => counts.valid++, true)),
    ...[11, 12].map((n) => client(n, INVALID, () => counts.invalid++, false)),
    client(21, LIFECYCLE, () => counts.loads++, true),
    client(31, FAILING_LOADS, () => counts.loads++, false),
  ];
  await Promise.all(clients);
  agent.destroy();
}

const first = Array.from({ length: 16 }, (_, i) => i);
const second = first.map((i) => 3 * i + 1);
const sum = Buffer.from(Int32Array.from(first, (value, i) => value + second[i]!).buffer);
const simpleInputs = [
  { name: "INPUT0", datatype: "INT32", shape: [1, 16], data: Buffer.from(Int32Array.from(first).buffer) },
  { name: "INPUT1", datatype: "INT32", shape: [1, 16], data: Buffer.from(Int32Array.from(second).buffer) },
];
const simpleBinary = binaryInference("simple", simpleInputs, ["OUTPUT0", "OUTPUT1"]);
const simpleJson = jsonInference("simple", [
  { name: "INPUT0", datatype: "INT32", shape: [1, 16], data: first },
  { name: "INPUT1", datatype: "INT32", shape: [1, 16], data: second },
]);
const simpleGrpc = grpcInference("simple", simpleInputs, ["OUTPUT0", "OUTPUT1"]);

const VALID: readonly Action[] = [
  async function binary({ httpPort }, agent) {
    const { body } = await sendHttp(
      httpPort,
      "POST",
      simpleBinary.path,
      simpleBinary.headers,
      simpleBinary.body,
      agent,
    );
    expect(body.includes(sum), body.toString());
  },
  async function json({ httpPort }, agent) {
    const { body } = await sendHttp(
      httpPort,
      "POST",
      simpleJson.path,
      simpleJson.headers,
      simpleJson.body,
      agent,
    );
    expect(JSON.parse(body.toString()).outputs?.[0].data[2] === 9, body.toString());
  },
  async function compressedJson({ httpPort }, agent) {
    const headers = { ...simpleJson.headers, "Content-Encoding": "gzip", "Accept-Encoding": "gzip" };
    const { status } = await sendHttp(
      httpPort,
      "POST",
      simpleJson.path,
      headers,
      gzipSync(simpleJson.body),
      agent,
    );
    expect(status === 200, `status ${status}`);
  },
  async function anySize({ httpPort }, agent, random) {
    const data = Buffer.alloc(4 * Math.ceil(10 ** (random() * 6)), 7);
    const input = { name: "INPUT0", datatype: "FP32", shape: [1, data.length / 4], data };
    const { path, headers, body } = binaryInference("identity_fp32", [input], ["OUTPUT0"]);
    const answer = await sendHttp(httpPort, "POST", path, headers, body, agent);
    expect(
      answer.body.subarray(-data.length).equals(data),
      `${data.length} bytes came back as ${answer.body.length}`,
    );
  },
  async function strings({ httpPort }, agent, random) {
    const data = Array.from({ length: 1 + Math.floor(random() * 50) }, (_, i) =>
      "ü".repeat(i % 7).concat(String(i)),
    );
    const request = jsonInference("simple_identity", [
      { name: "INPUT0", datatype: "BYTES", shape: [1, data.length], data },
    ]);
    const { body } = await sendHttp(httpPort, "POST", request.path, request.headers, request.body, agent);
    expect(
      JSON.stringify(JSON.parse(body.toString()).outputs?.[0].data) === JSON.stringify(data),
      body.toString(),
    );
  },
  async function grpc({ grpcPort }) {
    const { status, body } = await sendGrpc(grpcPort, MODEL_INFER, simpleGrpc);
    expect(status === "0" && body.includes(sum), `grpc-status ${status}`);
  },
  async function grpcStream({ grpcPort }) {
    const { status, body } = await sendGrpc(grpcPort, STREAM_INFER, simpleGrpc);
    expect(status === "0" && body.includes(sum), `grpc-status ${status}`);
  },
  ...[
    "/v2/health/live",
    // Not /v2/health/ready: it is right to say no while a model is being loaded or could not be.
    "/v2/models/simple/ready",
    "/v2",
    "/v2/models/simple",
    "/v2/models/simple/config",
    "/v2/models/stats",
    "/v2/models/simple/trace/setting",
    "/v2/logging",
  ].map(
    (path): Action =>
      async function get({ httpPort }, agent) {
        const { status } = await sendHttp(httpPort, "GET", path, {}, "", agent);
        expect(status === 200, `${path}: status ${status}`);
      },
  ),
  async function index({ httpPort }, agent) {
    const { status } = await sendHttp(httpPort, "POST", "/v2/repository/index", {}, "{}", agent);
    expect(status === 200, `status ${status}`);
  },
];

const INVALID: readonly Action[] = [
  ...[
    "{",
    "[]",
    "null",
    '{"inputs":5}',
    `{"inputs":${"[".repeat(20_000)}`,
    '{"inputs":[{"name":"INPUT0","shape":[1,-16],"datatype":"INT32","data":[]}]}',
    '{"inputs":[{"name":"INPUT0","shape":[1,9007199254740993],"datatype":"INT32","data":[1]}]}',
    '{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","data":["a"]}]}',
    '{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"NONE","data":[1]}]}',
    '{"inputs":[{"name":"INPUT0","shape":[1,16],"datatype":"INT32","parameters":{"binary_data_size":99999}}]}',
  ].map(
    (body): Action =>
      async function badBody({ httpPort }, agent) {
        await sendHttp(httpPort, "POST", "/v2/models/simple/infer", {}, body, agent);
      },
  ),
  ...[
    "/v2/models/..%2f..%2fetc%2fpasswd/config",
    "/v2/models/nothing",
    "/v2/models/simple/versions/99999999999999999999",
    "/no/such/route",
    "/v2/models/%00/ready",
    `/v2/models/${"a".repeat(4000)}`,
  ].map(
    (path): Action =>
      async function badPath({ httpPort }, agent) {
        await sendHttp(httpPort, "GET", path, {}, "", agent);
      },
  ),
  async function badCompression({ httpPort }, agent) {
    await sendHttp(
      httpPort,
      "POST",
      simpleJson.path,
      { "Content-Encoding": "gzip" },
      Buffer.alloc(100, 1),
      agent,
    );
  },
  async function badHeaderLength({ httpPort }, agent) {
    const headers = { ...simpleBinary.headers, "Inference-Header-Content-Length": "999999" };
    await sendHttp(httpPort, "POST", simpleBinary.path, headers, simpleBinary.body, agent);
  },
  async function hugeHeader({ httpPort }, agent) {
    await sendHttp(httpPort, "GET", "/v2", { "X-Huge": "a".repeat(100_000) }, "", agent);
  },
  async function truncatedBody({ httpPort }) {
    await sendAndDrop(
      httpPort,
      `POST /v2/models/simple/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{"inputs"`,
    );
  },
  async function notHttp({ httpPort }) {
    await sendAndDrop(httpPort, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc");
  },
  async function notHttp2({ grpcPort }) {
    await sendAndDrop(grpcPort, "GET / HTTP/1.1\r\n\r\n");
  },
  async function closedWithoutReading({ httpPort }) {
    const head = `POST ${simpleJson.path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${simpleJson.body.length}\r\n\r\n`;
    await sendAndDrop(httpPort, `${head}${simpleJson.body.toString()}`);
  },
  async function grpcGarbage({ grpcPort }, _agent, random) {
    const garbage = Buffer.from(Array.from({ length: 50 }, () => Math.floor(random() * 256)));
    await sendGrpc(grpcPort, random() < 0.5 ? MODEL_INFER : STREAM_INFER, garbage);
  },
  async function grpcUnknownMethod({ grpcPort }) {
    await sendGrpc(grpcPort, "/inference.GRPCInferenceService/Nothing", simpleGrpc);
  },
  async function grpcUnknownModel({ grpcPort }) {
    await sendGrpc(grpcPort, MODEL_INFER, grpcInference("nothing", simpleInputs, []));
  },
  async function grpcCancelled({ grpcPort }) {
    await cancelStream(grpcPort);
  },
];

const LIFECYCLE: readonly Action[] = CYCLED.map(
  (model): Action =>
    async function loadAndUnload({ httpPort }, agent, random) {
      const path = `/v2/repository/models/${model}`;
      const load = await sendHttp(httpPort, "POST", `${path}/load`, {}, "{}", agent);
      expect(load.status === 200, load.body.toString());
      await sleep(random() * 20);
      const unload = await sendHttp(httpPort, "POST", `${path}/unload`, {}, "{}", agent);
      expect(unload.status === 200, unload.body.toString());
      await sleep(20);
    },
);

const FAILING_LOADS: readonly Action[] = [
  { model: "nothing", parameters: {} },
  { model: "simple_string", parameters: { config: '{"max_batch_size":"x"}' } },
  {
    model: "sent",
    parameters: {
      config: '{"backend":"onnxruntime"}',
      "file:1/model.onnx": Buffer.alloc(5000, 1).toString("base64"),
    },
  },
  {
    model: "sent",
    parameters: {
      config: '{"backend":"onnxruntime"}',
      "file:../../out": Buffer.alloc(10).toString("base64"),
    },
  },
].map(
  ({ model, parameters }): Action =>
    async function failingLoad({ httpPort }, agent) {
      await sendHttp(
        httpPort,
        "POST",
        `/v2/repository/models/${model}/load`,
        {},
        JSON.stringify({ parameters }),
        agent,
      );
      await sleep(100);
    },
);

function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message.slice(0, 300));
}

/** Writes, waits a moment and breaks the connection. */
async function sendAndDrop(port: number, text: string): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(Buffer.from(text, "latin1"));
  await sleep(10);
  socket.resetAndDestroy();
}

/** Opens a stream of inferences, sends half a message and resets it. */
async function cancelStream(port: number): Promise<void> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const stream = session.request({
    ":method": "POST",
    ":path": STREAM_INFER,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => {});
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(simpleGrpc.length, 1);
  stream.write(Buffer.concat([frame, simpleGrpc, frame, simpleGrpc.subarray(0, 20)]));
  await sleep(10);
  stream.close(8);
  session.destroy();
}

/** A small seeded generator, so that a run can be repeated. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
