import { afterEach, beforeEach, expect, test } from "vitest";
import type { Clock } from "../../../../emulator/common/clock.ts";
import { silentLog } from "../../../../emulator/common/log.ts";
import { ok, TritonError } from "../../../../emulator/common/status.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { type FaultSource, noFaults } from "../../../../emulator/core/faults/fault-source.ts";
import type { RepositoryRegistry } from "../../../../emulator/core/repository-registry.ts";
import {
  ContainerApi,
  type ContainerApiOptions,
} from "../../../../emulator/frontends/sagemaker/container-api.ts";
import {
  type SageMakerFrontend,
  startSageMakerFrontend,
} from "../../../../emulator/frontends/sagemaker/server.ts";
import {
  type HttpAnswer,
  parseAnswer,
  requestBytes,
} from "../../../../emulator/parity/exchange/http-connection.ts";
import { InMemoryStorage } from "../../../../emulator/storage/in-memory-storage.ts";
import { FakeInferenceServer } from "../../../support/fake-inference-server.ts";
import { headerOf, sendAndClose, textOf } from "../../../support/http-frontend.ts";

class FakeContainerServer extends FakeInferenceServer implements RepositoryRegistry {
  readonly registered = new Map<string, ReadonlyMap<string, string>>();

  registerRepository(
    path: string,
    served: ReadonlyMap<string, string>,
    done: (error: TritonError | null) => void,
  ): void {
    this.registered.set(path, served);
    done(null);
  }

  unregisterRepository(path: string): TritonError | null {
    this.registered.delete(path);
    return null;
  }

  repositoryIndexOf(...[, done]: Parameters<RepositoryRegistry["repositoryIndexOf"]>): void {
    done(ok([]));
  }
}

let server: FakeContainerServer;
let frontend: SageMakerFrontend;

/** The storage answers before its call returns. */
const immediateClock: Clock = {
  now: () => 0,
  epochMs: () => 0,
  setTimer: () => ({ cancel: () => {} }),
  defer: (run) => run(),
  hold: () => () => {},
};

const crashes: string[] = [];

const start = async ({
  faults = noFaults,
  ...options
}: Partial<ContainerApiOptions> & { readonly faults?: FaultSource } = {}): Promise<void> => {
  const clock = new VirtualClock();
  const storage = new InMemoryStorage(immediateClock);
  storage.write("/opt/ml/models/h1/model/m/config.pbtxt", "");
  frontend = await startSageMakerFrontend(
    { address: "127.0.0.1", port: 0 },
    new ContainerApi(
      { pingMode: "ready", defaultModel: "echo", ...options },
      { server, storage, clock, log: silentLog, faults, onCrash: (because) => crashes.push(because) },
    ),
    silentLog,
  );
};

beforeEach(async () => {
  server = new FakeContainerServer();
  await start();
});

afterEach(() => frontend.close());

const ask = async (
  method: string,
  path: string,
  body: object | null = null,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> => {
  const bytes = body === null ? null : Buffer.from(JSON.stringify(body));
  const answer = parseAnswer(
    await sendAndClose(frontend.port, requestBytes({ method, path, headers, body: bytes })),
  );
  if (answer === null) throw new Error(`no answer to ${method} ${path}`);
  return answer;
};

const target = (name: string) => ({ "X-Amzn-SageMaker-Target-Model": name });
const load = { model_name: "h1", url: "/opt/ml/models/h1/model" };
const input = { name: "IN", datatype: "INT32", shape: [1], data: [7] };

const loadEcho = async (): Promise<void> => {
  expect((await ask("POST", "/models", load, target("echo"))).status).toBe(200);
};

test.each([
  ["GET", "/ping", 200, ""],
  ["POST", "/ping", 405, '{"error":"Method Not Allowed"}'],
  ["GET", "/invocations", 405, '{"error":"Method Not Allowed"}'],
  ["GET", "/models", 200, '{"models":[{}]}'],
  ["GET", "/models/", 200, '{"models":[{}]}'],
  ["GET", "/models/h1", 200, '{"modelName":"h1","modelUrl":"/opt/ml/models/h1/model"}'],
  ["GET", "/models/h1/invoke", 200, '{"modelName":"h1","modelUrl":"/opt/ml/models/h1/model"}'],
  ["GET", "/modelsh1", 200, '{"modelName":"h1","modelUrl":"/opt/ml/models/h1/model"}'],
  ["GET", "/models/h2", 404, ""],
  ["POST", "/models//invoke", 404, ""],
  ["POST", "/models/h2/invoke", 404, ""],
  ["DELETE", "/models", 404, ""],
  ["DELETE", "/models/h2/invoke", 404, ""],
  ["GET", "/models/h1/", 400, ""],
  ["PUT", "/models", 400, ""],
  ["HEAD", "/models/h1", 400, ""],
  ["GET", "/v2/health/live", 400, ""],
  ["GET", "/metrics", 400, ""],
  ["GET", "/", 400, ""],
])("%s %s answers %i", async (method, path, status, body) => {
  await loadEcho();
  const answer = await ask(method, path);
  expect([answer.status, textOf(answer)]).toEqual([status, body]);
  expect(headerOf(answer, "Content-Type")).toBe("text/plain");
});

test.each(["/models", "/models/", "/models/x", "/models/invoke"])("POST %s loads", async (path) => {
  expect((await ask("POST", path, load, target("echo"))).status).toBe(200);
  expect(server.registered.get(load.url)).toEqual(new Map([["m", "echo"]]));
  expect(server.loads).toEqual([{ model: "echo", parameters: [] }]);
});

test("list: an entry is filled where version 1 of a model with the platform's name is ready", async () => {
  await ask("POST", "/models", { ...load, model_name: "echo" });
  expect(textOf(await ask("GET", "/models"))).toBe(
    '{"models":[{"modelName":"echo","modelUrl":"/opt/ml/models/h1/model"}]}',
  );
});

test("ping: not ready is 400, and 200 in mode live", async () => {
  server.ready = false;
  expect((await ask("GET", "/ping")).status).toBe(400);
  await frontend.close();
  await start({ pingMode: "live" });
  expect((await ask("GET", "/ping")).status).toBe(200);
});

test("invoke: the header names the model, the path only lets it pass", async () => {
  await loadEcho();
  const answer = await ask("POST", "/models/h1/invoke", { inputs: [input] }, target("echo"));
  expect(answer.status).toBe(200);
  expect(headerOf(answer, "Content-Type")).toBe("application/json");
  expect(JSON.parse(textOf(answer)).outputs).toEqual([{ ...input }]);
  const other = await ask("POST", "/models/h1/invoke", { inputs: [input] });
  expect([other.status, textOf(other)]).toEqual([
    400,
    `{"error":"Request for unknown model: 'h1' is not found"}`,
  ]);
});

test("invoke: a header without a value names a model of one blank", async () => {
  await ask("POST", "/models", { ...load, model_name: "echo" }, target(""));
  expect(server.loads).toEqual([{ model: " ", parameters: [] }]);
});

test("invoke: a binary answer has SageMaker's own type with the size of its JSON", async () => {
  await loadEcho();
  const json = JSON.stringify({
    inputs: [{ ...input, data: undefined, parameters: { binary_data_size: 4 } }],
    parameters: { binary_data_output: true },
  });
  const bytes = requestBytes({
    method: "POST",
    path: "/models/h1/invoke",
    headers: {
      ...target("echo"),
      "Content-Type": `application/vnd.sagemaker-triton.binary+json;json-header-size=${json.length}`,
    },
    body: Buffer.concat([Buffer.from(json), Buffer.from([7, 0, 0, 0])]),
  });
  const answer = parseAnswer(await sendAndClose(frontend.port, bytes));
  const size = answer!.body.length - 4;
  expect(answer?.status).toBe(200);
  expect(headerOf(answer!, "Content-Type")).toBe(
    `application/vnd.sagemaker-triton.binary+json;json-header-size=${size}`,
  );
  expect([...answer!.body.subarray(size)]).toEqual([7, 0, 0, 0]);
});

test.each([
  ["/models/h1/invoke", "UNAVAILABLE", "busy", 400],
  ["/models/h1/invoke", "NOT_FOUND", "gone", 400],
  ["/models/h1/invoke", "INTERNAL", "CUDA out of memory", 507],
  ["/invocations", "UNAVAILABLE", "busy", 503],
  ["/invocations", "NOT_FOUND", "gone", 404],
  ["/invocations", "INTERNAL", "CUDA out of memory", 500],
] as const)("%s: a model's %s %s is %i", async (path, code, message, status) => {
  await loadEcho();
  server.onInfer = (request) => {
    request.respond({ final: true, error: new TritonError(code, message), outputs: [] });
    return null;
  };
  const answer = await ask("POST", path, { inputs: [input] }, target("echo"));
  expect([answer.status, textOf(answer)]).toEqual([status, `{"error":"${message}"}`]);
  expect(headerOf(answer, "Content-Type")).toBe("text/plain");
});

test("invocations: a model that is not known answers as the HTTP front end does", async () => {
  await frontend.close();
  await start({ defaultModel: "nope" });
  const answer = await ask("POST", "/invocations", { inputs: [input] });
  expect([answer.status, textOf(answer)]).toEqual([
    404,
    `{"error":"Request for unknown model: 'nope' is not found"}`,
  ]);
  expect(headerOf(answer, "Content-Type")).toBe("text/plain");
});

test("invoke: a decoupled model is refused", async () => {
  await ask("POST", "/models", load, target("decoupled"));
  const answer = await ask("POST", "/models/h1/invoke", { inputs: [input] }, target("decoupled"));
  expect([answer.status, textOf(answer)]).toEqual([
    400,
    `{"error":"HTTP end point doesn't support models with decoupled transaction policy"}`,
  ]);
  expect(headerOf(answer, "Content-Type")).toBe("application/json");
});
