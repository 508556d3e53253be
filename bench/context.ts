import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  freePorts,
  type ServerCommand,
  type ServerProcess,
  startServerProcess,
  stopChild,
  waitUntilReady,
} from "../test/support/server-process.ts";

/** What every scenario is given. */
export interface BenchContext {
  readonly rounds: number;
  readonly seconds: number;
  /** Ours, and the real server where it can be had. */
  readonly servers: readonly ServerCommand[];
  /** The sample models. */
  readonly modelRepository: string;
  /** For files of this run; removed at its end. */
  readonly folder: string;
  log(line: string): void;
}

export function createFolder(): string {
  return mkdtempSync(join(tmpdir(), "triton-local-bench-"));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Starts each server on the same repository, with the models named loaded. */
export async function startServers(
  context: BenchContext,
  modelRepository: string,
  models: readonly string[],
): Promise<readonly ServerProcess[]> {
  const started: ServerProcess[] = [];
  try {
    for (const server of context.servers) {
      started.push(await startServer(context, server, modelRepository, models));
    }
  } catch (error) {
    await stopAll(started);
    throw error;
  }
  return started;
}

export function startServer(
  context: BenchContext,
  server: ServerCommand,
  modelRepository: string,
  models: readonly string[],
): Promise<ServerProcess> {
  return startServerProcess(server, {
    modelRepository,
    flags: ["--model-control-mode=explicit", ...models.map((model) => `--load-model=${model}`)],
    logFile: join(context.folder, `${server.name.replaceAll(" ", "-")}-${process.hrtime.bigint()}.log`),
    readyTimeoutMs: 120_000,
  });
}

export async function stopAll(servers: readonly { stop(): Promise<void> }[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

/** A server that only answers, to compare with: see bench/references. */
export interface ReferenceServer {
  readonly name: string;
  readonly pid: number;
  readonly httpPort: number;
  readonly readyMs: number;
  stop(): Promise<void>;
}

export const BARE_HTTP = "node:http";
export const PLAIN_EXPRESS = "Express";

export async function startReference(
  name: typeof BARE_HTTP | typeof PLAIN_EXPRESS,
  answerBytes: number,
): Promise<ReferenceServer> {
  const script = name === BARE_HTTP ? "bare-http.mjs" : "plain-express.mjs";
  const [port] = await freePorts();
  const startedAt = performance.now();
  const child: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, "references", script), String(port), String(answerBytes)],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const failure = await waitUntilReady(child, port, "/v2/health/ready", 30_000);
  const readyMs = performance.now() - startedAt;
  if (failure !== null) throw new Error(`${script}: ${failure}`);
  return { name, pid: child.pid ?? 0, httpPort: port, readyMs, stop: () => stopChild(child) };
}

/**
 * A repository of copies of one model, each without the name that its config.pbtxt may state.
 * @param editConfig what else to change in the text of config.pbtxt
 */
export function copyModel(
  context: BenchContext,
  model: string,
  repositoryName: string,
  copies: readonly string[],
  editConfig: (config: string) => string = (config) => config,
): string {
  const repository = join(context.folder, repositoryName);
  for (const copy of copies) {
    const folder = join(repository, copy);
    cpSync(join(context.modelRepository, model), folder, { recursive: true });
    const configFile = join(folder, "config.pbtxt");
    if (!existsSync(configFile)) continue;
    const config = readFileSync(configFile, "utf8").replace(/^name:.*\n/m, "");
    writeFileSync(configFile, editConfig(config));
  }
  return repository;
}
