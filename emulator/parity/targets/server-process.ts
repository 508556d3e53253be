import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";
import { becomesReady, serverFlags, signalNumbers, withoutLogPrefix } from "./start-up.ts";
import { type RunningServer, StartFailure, type StartOptions, withoutGpus } from "./target.ts";

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
  const flags = serverFlags(options, {
    http: httpPort,
    grpc: grpcPort,
    metrics: metricsPort,
    sagemaker: sagemakerPort,
  });
  const [program = "", ...first] = command;
  const child = spawn(program, [...first, ...flags], {
    detached: true,
    env: { ...process.env, ...withoutGpus, ...options.env },
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
  try {
    if (await becomesReady({ http: httpPort, metrics: metricsPort }, () => code !== null)) return running;
  } catch (error) {
    await running.stop();
    throw new Error(`${error instanceof Error ? error.message : error}:\n${text}`);
  }
  killGroup();
  throw new StartFailure(await exited, withoutLogPrefix(text));
};

let nextPort = Number(process.env.CONFORMANCE_PORTS?.split("-")[0] ?? 0);

/** Below those that systems hand out by themselves: whoever asks for any port meanwhile gets none of these. */
const [FIRST_PORT, PORTS] = [12_000, 20_000];

/** Four different ports nobody uses, by chance, or counted up from CONFORMANCE_PORTS=<first>-<last>. */
const freePorts = async (): Promise<[number, number, number, number]> => {
  const held: Server[] = [];
  const [first, last] = (process.env.CONFORMANCE_PORTS ?? "0-0").split("-").map(Number);
  while (held.length < 4) {
    let wanted = FIRST_PORT + randomInt(PORTS);
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
