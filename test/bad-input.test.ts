import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../emulator/common/random.ts";
import { GrpcClient } from "../emulator/parity/exchange/grpc-client.ts";
import { parseAnswer } from "../emulator/parity/exchange/http-connection.ts";
import type { JsonObject } from "../emulator/parity/exchange/json.ts";
import type { RunningServer } from "../emulator/parity/targets/target.ts";
import { badRequests, mutated, soundInference } from "./support/bad-requests.ts";
import { turn } from "./support/memory-socket.ts";
import { SAMPLE_REPOSITORY } from "./support/own-server.ts";
import { emulatorTarget } from "./support/targets/emulator.ts";

/** Another seed: SEED in the environment. */
const seed = Number(process.env.SEED ?? 20251125);

let server: RunningServer;
let socketsAtStart: number;
const warnings: Error[] = [];
const onWarning = (warning: Error): void => void warnings.push(warning);

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;

beforeAll(async () => {
  process.on("warning", onWarning);
  server = await emulatorTarget.start({
    repository: SAMPLE_REPOSITORY,
    flags: [
      "--model-control-mode=explicit",
      ...["simple", "simple_string", "identity_fp32"].map((model) => `--load-model=${model}`),
    ],
    env: {},
    ownProcess: false,
  });
  socketsAtStart = openSockets();
});

afterAll(async () => {
  await server.stop();
  process.off("warning", onWarning);
});

/** Sends bytes, closes the sending side and gives all that comes until the server closes too. */
const ask = (port: number, bytes: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    const received: Buffer[] = [];
    const socket = connect({ host: "127.0.0.1", port, noDelay: true });
    socket.on("data", (chunk: Buffer) => received.push(chunk));
    // A server that does not want to read on resets the connection.
    socket.on("error", () => {});
    socket.on("close", () => resolve(Buffer.concat(received)));
    socket.end(bytes);
  });

/** The statuses of all answers; each must be sound HTTP, and an error must say in JSON what it is. */
const statusesOf = (received: Buffer): number[] => {
  const statuses: number[] = [];
  for (let rest = received; rest.length > 0; ) {
    const answer = parseAnswer(rest);
    if (answer === null) throw new Error(`no HTTP: ${rest.toString("latin1")}`);
    statuses.push(answer.status);
    if (answer.status !== 200)
      expect(JSON.parse(answer.body.toString())).toEqual({ error: expect.any(String) });
    const interim = rest.toString("latin1", 0, 15).includes(" 100 ");
    const headLength = (part: Buffer): number => part.indexOf("\r\n\r\n") + 4;
    if (interim) rest = rest.subarray(headLength(rest));
    rest = rest.subarray(headLength(rest) + answer.body.length);
  }
  return statuses;
};

let asked = 0;

/** The server answers a sound request with the right numbers, has not lost its nerve and no socket. */
const expectServing = async (): Promise<void> => {
  const first = ++asked;
  const answer = parseAnswer(await ask(server.httpPort, soundInference(first)));
  expect(answer?.status).toBe(200);
  const { outputs } = JSON.parse(answer!.body.toString());
  expect(outputs.map(({ data }: { data: number[] }) => data[0])).toEqual([first + 1, first - 1]);
  expect(server.output()).not.toMatch(/unexpected failure|internal error/);
  expect(warnings).toEqual([]);
  while (openSockets() > socketsAtStart) await turn();
};

describe("HTTP", () => {
  test.each(badRequests)("$title", async ({ bytes, status }) => {
    const statuses = statusesOf(await ask(server.httpPort, bytes));
    if (status === "closed") expect(statuses).toEqual([]);
    else if (status !== null) expect(statuses).toEqual([status]);
    await expectServing();
  });

  test(`300 requests with random mistakes, seed ${seed}`, async () => {
    const random = new Random(seed);
    for (let i = 0; i < 300; i++) {
      const { title, bytes } = mutated(random);
      const received = await ask(server.httpPort, bytes);
      for (const status of statusesOf(received)) {
        expect([200, 400, 403, 404, 405, 500, 501, 503], `${i}: ${title}`).toContain(status);
      }
      if (i % 20 === 0) await expectServing();
    }
    await expectServing();
  });

  test(`200 connections of random bytes on the HTTP and the metrics port, seed ${seed}`, async () => {
    const random = new Random(seed + 1);
    for (const port of [server.httpPort, server.metricsPort]) {
      const all = Array.from({ length: 100 }, () => ask(port, randomBytes(random, 2000)));
      for (const received of await Promise.all(all)) expect(received).toHaveLength(0);
    }
    await expectServing();
  });
});

const randomBytes = (random: Random, limit: number): Buffer =>
  Buffer.from(Array.from({ length: 1 + (random.nextUint32() % limit) }, () => random.nextUint32() & 0xff));

describe("gRPC", () => {
  const grpcInput = (name: string, shape: readonly string[], datatype = "FP32"): JsonObject => ({
    name,
    datatype,
    shape,
  });

  const identityOf = (shape: readonly string[], byteSize: number): JsonObject => ({
    model_name: "identity_fp32",
    inputs: [grpcInput("INPUT0", shape)],
    raw_input_contents: [Buffer.alloc(byteSize).toString("base64")],
  });

  test.each<readonly [title: string, message: JsonObject, code: string]>([
    ["nothing", {}, "NOT_FOUND"],
    ["hostile name", { model_name: "../../etc/passwd\0" }, "NOT_FOUND"],
    ["long name", { model_name: "a".repeat(4000) }, "NOT_FOUND"],
    ["bad version", { model_name: "simple", model_version: "9".repeat(1000) }, "INVALID_ARGUMENT"],
    ["no inputs", { model_name: "simple" }, "INVALID_ARGUMENT"],
    ["shape beyond 2^63", identityOf(["4294967295", "4294967295"], 16), "INVALID_ARGUMENT"],
    ["shape of 2^63 - 1", identityOf(["1", "9223372036854775807"], 16), "INVALID_ARGUMENT"],
    ["shape below 0", identityOf(["1", "-4"], 16), "INVALID_ARGUMENT"],
    ["batch below 0", identityOf(["-1", "4"], 16), "INVALID_ARGUMENT"],
    ["too few bytes", identityOf(["1", "4"], 15), "INVALID_ARGUMENT"],
    ["too many bytes", identityOf(["1", "4"], 1600), "INVALID_ARGUMENT"],
    [
      "more contents than inputs",
      { ...identityOf(["1", "4"], 16), raw_input_contents: ["", "", ""] },
      "INVALID_ARGUMENT",
    ],
    [
      "strings without their lengths",
      {
        model_name: "simple_string",
        inputs: ["INPUT0", "INPUT1"].map((name) => grpcInput(name, ["1", "16"], "BYTES")),
        raw_input_contents: [Buffer.alloc(64, 0xff).toString("base64"), "YWJj"],
      },
      "INVALID_ARGUMENT",
    ],
  ])("%s", async (_, message, code) => {
    const client = new GrpcClient(server.grpcPort);
    expect((await client.unary("ModelInfer", message, {})).code).toBe(code);
    const sound = await client.unary("ModelInfer", identityOf(["1", "4"], 16), {});
    expect(sound.code).toBe("OK");
    client.close();
    await expectServing();
  });

  test(`100 connections of random bytes, with and without the preface of HTTP/2, seed ${seed}`, async () => {
    const random = new Random(seed + 2);
    const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const settings = Buffer.from("000000040000000000", "hex");
    for (let i = 0; i < 100; i++) {
      const start = [[], [preface], [preface, settings]][i % 3]!;
      await ask(server.grpcPort, Buffer.concat([...start, randomBytes(random, 500)]));
    }
    await expectServing();
  });
});

describe("models", () => {
  const model = readFileSync(join(SAMPLE_REPOSITORY, "identity_fp32", "1", "model.onnx"));
  const onnx = '{"backend":"onnxruntime"}';

  const load = async (config: string, file: Buffer): Promise<number> => {
    const parameters = { config, "file:1/model.onnx": file.toString("base64") };
    const body = JSON.stringify({ parameters });
    const request = `POST /v2/repository/models/broken/load HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const [status] = statusesOf(await ask(server.httpPort, Buffer.from(request)));
    return status ?? 0;
  };

  const unload = async (): Promise<void> => {
    const request = "POST /v2/repository/models/broken/unload HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    await ask(server.httpPort, Buffer.from(request));
  };

  test.each([
    ["an empty file", 400, onnx, Buffer.alloc(0)],
    ["text", 400, onnx, Buffer.from("not a model")],
    ["zeros", 400, onnx, Buffer.alloc(10_000)],
    ["a model cut short", 400, onnx, model.subarray(0, model.length - 10)],
    ["half a model", 400, onnx, model.subarray(0, model.length >> 1)],
    ["no JSON", 500, "{", model],
    ["deep JSON", 500, "[".repeat(100_000), model],
    ["an array", 500, "[]", model],
    ["unknown field", 500, '{"backend":"onnxruntime","nope":1}', model],
    ["batch size beyond 32 bits", 500, '{"backend":"onnxruntime","max_batch_size":99999999999}', model],
    ["batch size below 0", 500, '{"backend":"onnxruntime","max_batch_size":-1}', model],
    ["unknown backend", 400, '{"backend":"../../nope"}', model],
    ["other name", 500, '{"name":"simple","backend":"onnxruntime"}', model],
    [
      "shape below -1",
      400,
      '{"backend":"onnxruntime","max_batch_size":0,"input":[{"name":"INPUT0","data_type":"TYPE_FP32","dims":[-5]}]}',
      model,
    ],
  ])("%s is refused with %i", async (_, status, config, file) => {
    expect(await load(config, file)).toBe(status);
    await expectServing();
  });

  test(`40 models with changed bytes, seed ${seed}`, async () => {
    const random = new Random(seed + 3);
    for (let i = 0; i < 40; i++) {
      const file = Buffer.from(model);
      for (let changes = 1 + (random.nextUint32() % 4); changes > 0; changes--) {
        file[random.nextUint32() % file.length] = random.nextUint32() & 0xff;
      }
      expect([200, 400, 500]).toContain(await load(onnx, file));
      await unload();
    }
    await expectServing();
  });

  test("a model that could not be loaded is there once it is sound, and stays when a later file is not", async () => {
    await unload();
    expect(await load(onnx, Buffer.from("x"))).toBe(400);
    expect(await load(onnx, model)).toBe(200);
    // The version that serves makes the load a success (seen on 2.51.0).
    expect(await load(onnx, Buffer.from("x"))).toBe(200);
    const inputs = [{ name: "INPUT0", datatype: "FP32", shape: [1, 2], data: [1, 2] }];
    const body = JSON.stringify({ inputs });
    const request = `POST /v2/models/broken/infer HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    expect(statusesOf(await ask(server.httpPort, Buffer.from(request)))).toEqual([200]);
    await expectServing();
  });
});
