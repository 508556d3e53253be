import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** How to start a server that takes tritonserver's flags. */
export interface ServerCommand {
  /** As tables name it. */
  readonly name: string;
  /** Program and first arguments. */
  readonly command: readonly string[];
  /** The server's process id, where the command only starts it elsewhere. */
  readonly pidOf?: (httpPort: number) => number;
}

export interface StartOptions {
  /** Null = the flags say what is served. */
  readonly modelRepository: string | null;
  readonly flags?: readonly string[];
  /** Where stdout and stderr go. */
  readonly logFile: string;
  readonly readyTimeoutMs?: number;
}

/** A server as a process of its own, ready to serve on loopback. */
export interface ServerProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** Spawn to the first 200 of /v2/health/ready. */
  readonly readyMs: number;
  /** Null while it runs, then the exit code or the signal. */
  ended(): number | string | null;
  /** SIGTERM, then SIGKILL after ten seconds. */
  stop(): Promise<void>;
}

export async function startServerProcess(
  server: ServerCommand,
  options: StartOptions,
): Promise<ServerProcess> {
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(server, options);
    } catch (error) {
      // Between the choice of a port and its use somebody else may have taken it.
      const taken = error instanceof Error && error.message.includes("already in use");
      if (!taken || tries === MAX_TRIES) throw error;
    }
  }
}

const MAX_TRIES = 5;

async function startOnce(server: ServerCommand, options: StartOptions): Promise<ServerProcess> {
  const [httpPort, grpcPort, metricsPort] = await freePorts();
  const [program = "", ...firstArguments] = server.command;
  const log = createWriteStream(options.logFile);
  await once(log, "open");
  const startedAt = performance.now();
  const child = spawn(
    program,
    [
      ...firstArguments,
      ...(options.modelRepository === null ? [] : [`--model-repository=${options.modelRepository}`]),
      `--http-port=${httpPort}`,
      `--grpc-port=${grpcPort}`,
      `--metrics-port=${metricsPort}`,
      ...(options.flags ?? []),
    ],
    { stdio: ["ignore", log, log] },
  );
  const failure = await waitUntilReady(child, httpPort, "/v2/health/ready", options.readyTimeoutMs ?? 60_000);
  const readyMs = performance.now() - startedAt;
  log.close();
  if (failure !== null) {
    await stopChild(child);
    const tail = readFileSync(options.logFile, "utf8").slice(-2000);
    throw new Error(`${server.name} (${server.command.join(" ")}): ${failure}\n${tail}`);
  }
  const stop = () => stopChild(child);
  return {
    name: server.name,
    pid: server.pidOf?.(httpPort) ?? child.pid ?? 0,
    httpPort,
    grpcPort,
    metricsPort,
    readyMs,
    ended: () => child.exitCode ?? child.signalCode,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Null when `path` answered 200, else why it did not. */
export async function waitUntilReady(
  child: ChildProcess,
  port: number,
  path: string,
  timeoutMs: number,
): Promise<string | null> {
  let spawnError: Error | null = null;
  child.once("error", (error) => {
    spawnError = error;
  });
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (spawnError !== null) return String(spawnError);
    if (child.exitCode !== null) return `ended with exit code ${child.exitCode} before it was ready`;
    if ((await statusOf(port, path)) === 200) return null;
    await sleep(2);
  }
  return `not ready after ${timeoutMs} ms`;
}

export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}

/** Three different ports that were free a moment ago. */
export async function freePorts(): Promise<[number, number, number]> {
  const servers = [createServer(), createServer(), createServer()];
  const ports = await Promise.all(
    servers.map(async (server) => {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
  for (const server of servers) server.close();
  const [first = 0, second = 0, third = 0] = ports;
  return [first, second, third];
}

/** Null when nobody answers. */
function statusOf(port: number, path: string): Promise<number | null> {
  return new Promise((resolve) => {
    const probe = request({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? null);
    });
    probe.once("error", () => resolve(null));
    probe.end();
  });
}
