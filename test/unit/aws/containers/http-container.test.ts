import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HttpContainer } from "../../../../emulator/aws/containers/http-container.ts";
import type { Answered, ContainerAnswer } from "../../../../emulator/aws/placement/container.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly target: string | string[] | undefined;
  readonly body: string;
}

let server: Server;
let clock: VirtualClock;
let container: HttpContainer;
let seen: Seen[];
let connections: number;
let respond: (request: IncomingMessage, response: ServerResponse) => void;

const portOf = (listening: Server): number => {
  const address = listening.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  return address.port;
};

beforeEach(async () => {
  clock = new VirtualClock();
  seen = [];
  connections = 0;
  respond = (_, response) => response.writeHead(200, { "Content-Type": "text/plain" }).end();
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on("end", () => {
      const target = request.headers["x-amzn-sagemaker-target-model"];
      seen.push({ method: request.method, url: request.url, target, body });
      respond(request, response);
    });
  });
  server.on("connection", () => connections++);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  container = new HttpContainer({ url: new URL(`http://127.0.0.1:${portOf(server)}`), clock });
});

afterEach(async () => {
  container.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const answerOf = (begin: (answered: Answered) => void): Promise<ContainerAnswer | null> => new Promise(begin);

const model = { modelName: "h1", targetModel: "a.tar.gz" };
const invoke = { ...model, headers: ["Content-Type", "application/json"], body: Buffer.from("{}") };

test("http container: sends the operations of the container API, over one kept connection", async () => {
  await answerOf((answered) => container.ping(answered));
  await answerOf((answered) => container.list(answered));
  await answerOf((answered) => container.load({ ...model, url: "/opt/ml/models/h1/model" }, answered));
  await answerOf((answered) => container.invoke(invoke, answered));
  await answerOf((answered) => container.unload(model, answered));
  const target = "a.tar.gz";
  expect(seen).toEqual([
    { method: "GET", url: "/ping", target: undefined, body: "" },
    { method: "GET", url: "/models", target: undefined, body: "" },
    { method: "POST", url: "/models", target, body: '{"model_name":"h1","url":"/opt/ml/models/h1/model"}' },
    { method: "POST", url: "/models/h1/invoke", target, body: "{}" },
    { method: "DELETE", url: "/models/h1", target, body: "" },
  ]);
  expect(connections).toBe(1);
});

test("http container: status, headers and body come as they are, without those of the connection", async () => {
  respond = (_, response) => {
    response.sendDate = false;
    response.writeHead(507, ["Content-Type", "application/json", "X-Custom", "1"]).end('{"error":"OOM"}');
  };
  expect(await answerOf((answered) => container.invoke(invoke, answered))).toEqual({
    status: 507,
    headers: ["Content-Type", "application/json", "X-Custom", "1"],
    body: Buffer.from('{"error":"OOM"}'),
  });
});

test("http container: nobody answers where nobody listens", async () => {
  const unused = createServer();
  await new Promise<void>((resolve) => unused.listen(0, "127.0.0.1", resolve));
  const port = portOf(unused);
  await new Promise((resolve) => unused.close(resolve));
  const dead = new HttpContainer({ url: new URL(`http://127.0.0.1:${port}`), clock });
  expect(await answerOf((answered) => dead.ping(answered))).toBeNull();
});

test("http container: a connection that breaks, before or in an answer, is no answer", async () => {
  respond = (request) => request.socket.destroy();
  expect(await answerOf((answered) => container.invoke(invoke, answered))).toBeNull();
  respond = (request, response) => {
    response.writeHead(200, { "Content-Length": 100 }).write("only so much", () => request.socket.destroy());
  };
  expect(await answerOf((answered) => container.invoke(invoke, answered))).toBeNull();
});

test("http container: a kept connection that was closed meanwhile is replaced", async () => {
  await answerOf((answered) => container.ping(answered));
  respond = (request, response) => {
    if (connections === 1) request.socket.destroy();
    else response.writeHead(200).end();
  };
  expect(await answerOf((answered) => container.ping(answered))).toMatchObject({ status: 200 });
});

test("http container: a ping is given up after 2 s, an invocation after 60 s", async () => {
  const asked = new Promise<void>((resolve) => {
    respond = () => {
      if (seen.length === 2) resolve();
    };
  });
  const answers: string[] = [];
  container.ping((answer) => answers.push(`ping ${answer?.status} at ${clock.now()}`));
  container.invoke(invoke, (answer) => answers.push(`invoke ${answer?.status} at ${clock.now()}`));
  await asked;
  clock.advance(100_000_000);
  expect(answers).toEqual(["ping undefined at 2000000", "invoke undefined at 60000000"]);
});

test("http container: a restart waits until somebody answers again", async () => {
  const running = new Promise<boolean>((resolve) => {
    respond = (request, response) => {
      if (seen.length > 1) response.writeHead(400).end();
      else request.socket.destroy();
    };
    container.restart(resolve);
  });
  while (seen.length < 2) {
    await new Promise(setImmediate);
    clock.advance(500_000);
  }
  expect(await running).toBe(true);
});

/** What is told of an answer whose parts are asked for. */
const passedOn = async () => {
  const told: string[] = [];
  const parts = {
    begin: (headers: readonly string[]) => told.push(`begin ${headers.join(" ")}`),
    part: (bytes: Uint8Array) => told.push(Buffer.from(bytes).toString()),
  };
  const answer = await answerOf((answered) => container.invocations({ ...invoke, parts }, answered));
  return { told, answer: answer === null ? null : { status: answer.status, text: answer.body.toString() } };
};

test("http container: an answer in chunks is passed on as it comes, and then has no body", async () => {
  respond = (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("to");
    setImmediate(() => response.end("ken"));
  };
  const { told, answer } = await passedOn();
  expect([told[0], told.slice(1).join("")]).toEqual(["begin Content-Type text/event-stream", "token"]);
  expect(answer).toEqual({ status: 200, text: "" });
});

test("http container: chunks that break off have been passed on, and then nobody has answered", async () => {
  respond = (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write("half", () => response.destroy());
  };
  const { told, answer } = await passedOn();
  expect([told.slice(1).join(""), answer]).toEqual(["half", null]);
});

test("http container: an error in chunks, and an answer with a length, come whole", async () => {
  respond = (_, response) => {
    response.writeHead(500);
    response.write("err");
    response.end("or");
  };
  expect(await passedOn()).toEqual({ told: [], answer: { status: 500, text: "error" } });
  respond = (_, response) => response.end("whole");
  expect(await passedOn()).toEqual({ told: [], answer: { status: 200, text: "whole" } });
});
