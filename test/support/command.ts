import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What npm and vitest set for the processes they start, and our own options. Where packages come from is not among it. */
const notOfTheUser = [
  /^npm_(package_|lifecycle_|command$|execpath$|node_execpath$)/,
  /^npm_config_(local_prefix|prefix|user_agent|node_gyp)$/,
  /^(INIT_CWD|NODE|TEST|DEV|PROD|MODE|SSR|BASE_URL)$/,
  /^(NODE_|VITE|TRITON_LOCAL_)/,
];

/** The environment of a user who has nothing of ours on the PATH. */
export const userEnvironment = (): NodeJS.ProcessEnv => {
  const kept = Object.entries(process.env).filter(
    ([name]) => !notOfTheUser.some((known) => known.test(name)),
  );
  const path = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => !/node_modules|node-gyp-bin/.test(folder))
    .join(delimiter);
  return { ...Object.fromEntries(kept), PATH: path };
};

/** The same, with this Node first on the PATH. */
export const environmentWithThisNode = (): NodeJS.ProcessEnv => {
  const environment = userEnvironment();
  return { ...environment, PATH: [dirname(process.execPath), environment.PATH].join(delimiter) };
};

export interface CommandOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

export interface CommandResult {
  /** null when the timeout ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end. */
export const runCommand = async (
  [program = "", ...args]: readonly string[],
  { cwd, env, timeoutMs }: CommandOptions,
): Promise<CommandResult> => {
  const child = spawn(program, args, { cwd, env, timeout: timeoutMs, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [exitCode] = await once(child, "close");
  return { exitCode, stdout, stderr };
};

/** Runs a command that has to succeed. */
export const mustRun = async (command: readonly string[], options: CommandOptions): Promise<string> => {
  const { exitCode, stdout, stderr } = await runCommand(command, options);
  if (exitCode === 0) return stdout;
  throw new Error(`${command.join(" ")} ended with ${exitCode}\n${stdout}\n${stderr}`);
};

/** Whether npm failed because it reached no registry and its cache lacks a package. */
export const npmIsOffline = ({ exitCode, stderr }: CommandResult): boolean =>
  exitCode !== 0 && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENOTCACHED/.test(stderr);

export interface Ports {
  readonly http: number;
  readonly grpc: number;
  readonly metrics: number;
}

export interface StartedCommand extends AsyncDisposable {
  readonly ports: Ports;
  /** What it has written so far, both streams. */
  output(): string;
  /** Sends a signal to the command and all that it started; resolves with the exit code of the command. */
  stop(signal?: "SIGTERM" | "SIGINT"): Promise<number | null>;
}

const waitForFile = async (file: string, child: ChildProcess, output: () => string, timeoutMs: number) => {
  const deadline = performance.now() + timeoutMs;
  while (!existsSync(file)) {
    if (child.exitCode !== null)
      throw new Error(`ended with ${child.exitCode} before it was ready\n${output()}`);
    if (performance.now() > deadline) throw new Error(`not ready after ${timeoutMs} ms\n${output()}`);
    await sleep(20);
  }
};

const isPorts = (value: unknown): value is Ports =>
  typeof value === "object" &&
  value !== null &&
  ["http", "grpc", "metrics"].every((name) => typeof Reflect.get(value, name) === "number");

/** Starts a server by a command that takes our flags, on free ports, and waits until it wrote its ports file. */
export const startCommand = async (
  [program = "", ...args]: readonly string[],
  portsFile: string,
  { cwd, env, timeoutMs }: CommandOptions,
): Promise<StartedCommand> => {
  const flags = ["--http-port=0", "--grpc-port=0", "--metrics-port=0", `--ports-file=${portsFile}`];
  // A group of its own, so that a signal reaches the server behind npm and a shell as Ctrl-C in a terminal does.
  const child = spawn(program, [...args, ...flags], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
  }
  const closed = once(child, "close");
  const signalAll = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The whole group has ended.
    }
  };
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> => {
    signalAll(signal);
    const timer = setTimeout(() => signalAll("SIGKILL"), 20_000);
    await closed;
    clearTimeout(timer);
    return child.exitCode;
  };
  let ports: unknown;
  try {
    await waitForFile(portsFile, child, () => text, timeoutMs);
    ports = JSON.parse(readFileSync(portsFile, "utf8"));
    if (!isPorts(ports)) throw new Error(`unexpected ports file: ${JSON.stringify(ports)}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ports,
    output: () => text,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
};

/** [1, 16] of 0..15 and of ones through `simple`; true when sum and difference are right. */
export const simpleAnswersRight = async (httpPort: number): Promise<boolean> => {
  const data = Array.from({ length: 16 }, (_, index) => index);
  const ones = data.map(() => 1);
  const tensor = (name: string, values: readonly number[]) => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    data: values,
  });
  const response = await fetch(`http://127.0.0.1:${httpPort}/v2/models/simple/infer`, {
    method: "POST",
    body: JSON.stringify({ inputs: [tensor("INPUT0", data), tensor("INPUT1", ones)] }),
  });
  const answer = await response.text();
  const sums = JSON.stringify(data.map((value) => value + 1));
  const differences = JSON.stringify(data.map((value) => value - 1));
  return response.status === 200 && answer.includes(sums) && answer.includes(differences);
};
