import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import {
  askEngine,
  daemonArguments,
  engineSockets,
  runningEngine,
  runningOrOwnEngine,
  startEngine,
} from "../../../../emulator/parity/real-triton/engine.ts";
import { ownImage, serverImage } from "../../../../emulator/parity/real-triton/image.ts";

let folder = "";
let socket = "";
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tl-engine-"));
  socket = join(folder, "docker.sock");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

/** What answers on the socket instead of an engine. */
const listen = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  path = socket,
): Promise<void> => {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(path, resolve));
};
const fakeEngine = (images: readonly string[] = [], path = socket): Promise<void> =>
  listen(({ url }, response) => {
    const known = url === "/_ping" || images.some((image) => url === `/images/${image}/json`);
    response.writeHead(known ? 200 : 404).end("OK");
  }, path);

test("engineSockets: DOCKER_HOST alone where it is set, else the usual ones", () => {
  expect(engineSockets({ DOCKER_HOST: "unix:///my/docker.sock" })).toEqual(["/my/docker.sock"]);
  expect(engineSockets({ DOCKER_HOST: "tcp://10.0.0.1:2375" })).toEqual([]);
  expect(engineSockets({ XDG_RUNTIME_DIR: "/run/user/1" }, "/home/me")).toEqual([
    "/var/run/docker.sock",
    "/run/user/1/docker.sock",
    "/home/me/.docker/run/docker.sock",
  ]);
});

test("runningEngine: the one that DOCKER_HOST names, with what testcontainers must know, and leaves it alone", async () => {
  await fakeEngine();
  vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
  const engine = await runningEngine();
  expect(engine.env).toEqual({
    DOCKER_HOST: `unix://${socket}`,
    TESTCONTAINERS_RYUK_DISABLED: "true",
    TESTCONTAINERS_HOST_OVERRIDE: "127.0.0.1",
  });
  await engine.stop();
  expect((await askEngine(socket, "GET", "/_ping")).text).toBe("OK");
});

test("runningEngine: says where none answers, and how one would be found", async () => {
  vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
  await expect(runningEngine()).rejects.toMatchObject({
    message: `no Docker engine answers on ${socket} (ENOENT)`,
    remedy: "start Docker, or name its socket: DOCKER_HOST=unix://...",
  });
  await listen((_, response) => response.writeHead(500).end());
  await expect(runningEngine()).rejects.toMatchObject({
    message: `no Docker engine answers on ${socket} (status 500)`,
  });
});

test("runningEngine: does not take an engine that may be on another machine", async () => {
  vi.stubEnv("DOCKER_HOST", "tcp://10.0.0.1:2375");
  await expect(runningEngine()).rejects.toThrow("DOCKER_HOST=tcp://10.0.0.1:2375 may be another machine");
});

test("runningOrOwnEngine: the one that answers; where none does, our own of the cache", async () => {
  const own = join(folder, "triton-local/engine");
  mkdirSync(own, { recursive: true });
  await fakeEngine([], join(own, "docker.sock"));
  vi.stubEnv("XDG_CACHE_HOME", folder);
  vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
  expect((await runningOrOwnEngine(() => {})).socket).toBe(join(own, "docker.sock"));
  await fakeEngine();
  expect((await runningOrOwnEngine(() => {})).socket).toBe(socket);
});

test("startEngine: uses the one that runs in the folder, and leaves it alone", async () => {
  await fakeEngine();
  const engine = await startEngine(folder, () => {});
  await engine.stop();
  expect((await askEngine(socket, "GET", "/_ping")).status).toBe(200);
});

test("daemonArguments: everything lies in the folder, and ports are published on loopback", () => {
  const args = daemonArguments("/e").join(" ");
  expect(args).toContain("--ip 127.0.0.1");
  for (const place of ["/e/data", "/e/exec", "/e/pid", "unix:///e/docker.sock"])
    expect(args).toContain(place);
});

test("askEngine: sends a body and gives status and text", async () => {
  await listen((request, response) => {
    let text = "";
    request
      .on("data", (chunk) => (text += chunk))
      .on("end", () => response.writeHead(201).end(`got ${text}`));
  });
  const answer = await askEngine(socket, "POST", "/images/create", Readable.from(["a", "b"]));
  expect(answer).toEqual({ status: 201, text: "got ab" });
});

test("serverImage: takes the image that REAL_TRITON_IMAGE names where the engine has it, else says how to get it", async () => {
  await fakeEngine(["nvidia/tritonserver:24.10-py3"]);
  vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
  const engine = await runningEngine();
  vi.stubEnv("REAL_TRITON_IMAGE", "nvidia/tritonserver:24.10-py3");
  expect(await serverImage(engine, () => {})).toBe("nvidia/tritonserver:24.10-py3");
  vi.stubEnv("REAL_TRITON_IMAGE", "nvidia/tritonserver:none");
  await expect(serverImage(engine, () => {})).rejects.toMatchObject({
    message: "the engine has no image nvidia/tritonserver:none (REAL_TRITON_IMAGE)",
    remedy: "docker pull nvidia/tritonserver:none",
  });
});

test("serverImage: takes our own image where the engine has it, one for each ONNX Runtime", async () => {
  await fakeEngine(["tritonserver-real:2.51.0", "tritonserver-real:2.51.0-onnxruntime-1.30.0"]);
  vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
  vi.stubEnv("REAL_TRITON_IMAGE", "");
  const engine = await runningEngine();
  expect(await serverImage(engine, () => {})).toBe(ownImage("1.19.2"));
  expect(await serverImage(engine, () => {}, "1.30.0")).toBe("tritonserver-real:2.51.0-onnxruntime-1.30.0");
});
