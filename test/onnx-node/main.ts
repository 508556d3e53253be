import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { Agent } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { OWN_SERVER } from "../support/own-server.ts";
import { pythonEnvironment } from "../support/python-environment.ts";
import { type ServerCommand, type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { type NodeCase, type NodeCases, readCases } from "./cases.ts";
import { type CaseOutcome, summaryOf, unexplained, writePage } from "./report.ts";
import { servedReason, writeRepository } from "./served.ts";

const HERE = import.meta.dirname;
const PAGE = resolve(HERE, "..", "..", "docs", "onnx-node-tests.md");

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    "write-docs": { type: "boolean", default: false },
  },
});

process.exitCode = await main();

/** Plays the single-node tests of the PyPI package onnx on the runtime alone, on our server, and on REAL_SERVER if set. */
async function main(): Promise<number> {
  const environment = pythonEnvironment(join(HERE, "requirements.txt"));
  if (!environment.available) {
    console.error(`The ONNX single-node tests were not run: ${environment.reason}`);
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "triton-local-onnx-node-"));
  try {
    const exported = spawnSync(environment.python, [join(HERE, "export.py"), folder], { stdio: "inherit" });
    if (exported.status !== 0) return 1;
    const all = readCases(folder);
    const real = process.env.REAL_SERVER;
    const outcomes = await play(folder, all, real === undefined ? null : { name: "real", command: [real] });
    console.log(summaryOf(outcomes));
    if (options["write-docs"]) writePage(PAGE, all.onnx, outcomes);
    const bad = unexplained(outcomes);
    for (const { name, ours } of bad) console.error(`FAILED ${name}: ${ours}`);
    return bad.length > 0 ? 1 : 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function play(
  folder: string,
  { cases }: NodeCases,
  real: ServerCommand | null,
): Promise<readonly CaseOutcome[]> {
  console.error(`${cases.length} cases: ONNX Runtime alone ...`);
  const runtime = await runtimeReasons(folder, cases.length);
  const chosen = cases
    .map((nodeCase, index) => ({ nodeCase, index }))
    .filter(({ nodeCase }) => nodeCase.name.includes(options.only));
  const repository = join(folder, "repository");
  mkdirSync(repository);
  writeRepository(
    repository,
    chosen.map(({ nodeCase }) => nodeCase),
  );
  const played = chosen.map(({ nodeCase }) => nodeCase);
  console.error("our server ...");
  const ours = await servedReasons(OWN_SERVER, folder, repository, played, 0);
  if (real !== null) console.error("real server ...");
  // The real server now and then dies of a load while an unload goes on, whatever the models are.
  const theirs = real === null ? null : await servedReasons(real, folder, repository, played, 2);
  return chosen.map(({ nodeCase: { name }, index }, i) => ({
    name,
    runtime: runtime[index] ?? null,
    ours: ours[i] ?? null,
    real: theirs === null ? undefined : (theirs[i] ?? null),
  }));
}

/** By case: null when ONNX Runtime gets it right. A case that ends the process is told so, and the rest go on in another. */
async function runtimeReasons(folder: string, count: number): Promise<readonly (string | null)[]> {
  const reasons: (string | null)[] = [];
  while (reasons.length < count) {
    const child = spawn(process.execPath, [join(HERE, "runtime-worker.ts"), folder, String(reasons.length)], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = once(child, "exit");
    for await (const line of createInterface({ input: child.stdout })) reasons.push(JSON.parse(line).reason);
    const [code, signal] = await ended;
    if (reasons.length < count) reasons.push(`ONNX Runtime ends the process (${signal ?? code})`);
  }
  return reasons;
}

async function servedReasons(
  command: ServerCommand,
  folder: string,
  repository: string,
  cases: readonly NodeCase[],
  retries: number,
): Promise<readonly (string | null)[]> {
  const start = () =>
    startServerProcess(command, {
      modelRepository: repository,
      flags: ["--model-control-mode=explicit"],
      logFile: join(folder, `${command.name}.log`),
    });
  const agent = new Agent({ keepAlive: true });
  const reasons: (string | null)[] = [];
  let server: ServerProcess = await start();
  const play = async (nodeCase: NodeCase, attemptsLeft: number): Promise<string | null> => {
    try {
      return await servedReason(server.httpPort, agent, nodeCase);
    } catch (error) {
      await server.stop();
      server = await start();
      return attemptsLeft > 0
        ? play(nodeCase, attemptsLeft - 1)
        : `the server breaks the connection: ${error}`;
    }
  };
  try {
    for (const nodeCase of cases) reasons.push(await play(nodeCase, retries));
  } finally {
    agent.destroy();
    await server.stop();
  }
  return reasons;
}
