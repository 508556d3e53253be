import { spawn } from "node:child_process";
import { createServer, type Server } from "node:net";
import { exchange } from "../exchange/http-connection.ts";
import { type RunningServer, StartFailure, type StartOptions } from "./target.ts";

/** Runs a command that takes tritonserver's flags, in a process group of its own. */
export const startServerProcess = async (
  command: readonly string[],
  options: StartOptions,
): Promise<RunningServer> => {
  for (let tries = 1; ; tries++) {
    try {
      return await startOnce(command, options);
    } catch (error) {
      // Between the choice of a port and its use somebody else may have taken it.
      const taken = error instanceof StartFailure && error.output.includes("already in use");
      if (!taken || tries === MAX_TRIES) throw error;
    }
  }
};

const MAX_TRIES = 5;

const startOnce = async (command: readonly string[], options: StartOptions): Promise<RunningServer> => {
  const [httpPort, grpcPort, metricsPort, sagemakerPort] = await freePorts();
  const ownRepository = options.flags.some((flag) => flag.startsWith("--model-repository="));
  const flags = [
    ...(ownRepository ? [] : [`--model-repository=${options.repository}`]),
    `--http-port=${httpPort}`,
    `--grpc-port=${grpcPort}`,
    `--metrics-port=${metricsPort}`,
    `--sagemaker-port=${sagemakerPort}`,
    ...options.flags,
  ];
  const [program = "", ...first] = command;
  const child = spawn(program, [...first, ...flags], {
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  let code: number | null = null;
  const exited = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode, signal) => {
      code = exitCode ?? -(signalNumbers[signal ?? ""] ?? 1);
      resolve(code);
    });
  });
  exited.catch(() => {});
  const killGroup = (): void => {
    process.off("exit", killGroup);
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // Every process of the group has ended.
    }
  };
  // A run that is broken off leaves no servers behind.
  process.on("exit", killGroup);
  const running: RunningServer = {
    httpPort,
    grpcPort,
    metricsPort,
    sagemakerPort,
    output: () => withoutLogPrefix(text),
    signal: (name) => child.kill(name),
    exited,
    stop: async () => {
      killGroup();
      await exited;
    },
  };
  const giveUp = Date.now() + 60_000;
  while (code === null) {
    const answer = await exchange(httpPort, liveRequest, (received) => received.includes("\r\n\r\n"), 1000);
    if (answer.received.length > 0) {
      // The metrics port opens last.
      for (let tries = 0; tries < 25 && !(await accepts(metricsPort)); tries++) await pause();
      return running;
    }
    if (Date.now() > giveUp) {
      await running.stop();
      throw new Error(`the server did not become ready:\n${text}`);
    }
    await pause();
  }
  killGroup();
  throw new StartFailure(code, withoutLogPrefix(text));
};

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

const accepts = async (port: number): Promise<boolean> =>
  (await exchange(port, liveRequest, (received) => received.length > 0, 500)).ended !== "refused";

const liveRequest = Buffer.from("GET /v2/health/live HTTP/1.1\r\n\r\n");
const signalNumbers: Readonly<Record<string, number>> = {
  SIGINT: 2,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** `I1125 15:36:00.000000 123 file.cc:1] "text"` without what changes from run to run; ONNX Runtime's time stamp too. */
export const withoutLogPrefix = (text: string): string =>
  text.replace(/^[IWEF]\d{4} [\d:.]+ \d+ /gm, "").replace(/^\d{4}-\d\d-\d\d [\d:.]+ \[/gm, "[");

let nextPort = Number(process.env.CONFORMANCE_PORTS?.split("-")[0] ?? 0);

/** Four different ports nobody uses: of the operating system's choice, or counted up from CONFORMANCE_PORTS=<first>-<last>. */
const freePorts = async (): Promise<[number, number, number, number]> => {
  const held: Server[] = [];
  const [first, last] = (process.env.CONFORMANCE_PORTS ?? "0-0").split("-").map(Number);
  while (held.length < 4) {
    let wanted = 0;
    if (first !== 0 && first !== undefined && last !== undefined) {
      const worker = (Number(process.env.VITEST_POOL_ID ?? 1) - 1) % 4;
      const share = Math.floor((last - first) / 4);
      wanted = first + worker * share + (nextPort++ % share);
    }
    const server = await bind(wanted);
    if (server !== null) held.push(server);
  }
  const [http = 0, grpc = 0, metrics = 0, sagemaker = 0] = held.map(portOf);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return [http, grpc, metrics, sagemaker];
};

const portOf = (server: Server): number => {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
};

/** Null = the port is taken. */
const bind = (port: number): Promise<Server | null> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
