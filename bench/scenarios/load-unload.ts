import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { sendHttp } from "../../test/support/infer-requests.ts";
import { processTreeUsage } from "../../test/support/process-tree.ts";
import type { ServerProcess } from "../../test/support/server-process.ts";
import { type BenchContext, copyModel, startServers, stopAll } from "../context.ts";
import { quantile } from "../rounds.ts";
import { OURS, type Row, rowOf } from "../row.ts";

const SECTION = "Loads and unloads (a copy of `simple`, 500 times)";
const CYCLES = 500;
const SETTLE_MS = 2000;
/** Not measured. The real server calls a version gone a moment before it is, and can die of a load in that moment. */
const PAUSE_MS = 10;

/** How long a small ONNX model takes to come and go, and whether threads or memory stay behind. */
export async function loadUnload(context: BenchContext): Promise<readonly Row[]> {
  const repository = copyModel(context, "simple", "load-unload", ["kept", "cycled"]);
  const servers = await startServers(context, repository, ["kept"]);
  const figures = new Map<string, CycleFigures>();
  try {
    for (const server of servers) {
      try {
        figures.set(server.name, await cycle(server));
      } catch (error) {
        if (server.name === OURS) throw error;
        context.log(`${server.name} did not survive the loads and unloads: ${error}`);
      }
    }
  } finally {
    await stopAll(servers);
  }
  const row = (what: string, unit: string, pick: (f: CycleFigures) => number, target?: Row["target"]) =>
    rowOf(SECTION, what, unit, new Map([...figures].map(([name, f]) => [name, [pick(f)]])), target);
  return [
    row("load and unload until gone, p50", "ms", (f) => f.p50Ms, { of: "ours", atMost: 5 }),
    row("load and unload until gone, p99", "ms", (f) => f.p99Ms),
    row("load, p50", "ms", (f) => f.loadP50Ms),
    row("threads before", "threads", (f) => f.threadsBefore),
    row("threads more at the end", "threads", (f) => f.threadsAfter - f.threadsBefore, {
      of: "ours",
      atMost: 0,
    }),
    row("RSS more at the end", "MB", (f) => f.rssGrowthMB),
  ];
}

interface CycleFigures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly loadP50Ms: number;
  readonly threadsBefore: number;
  readonly threadsAfter: number;
  readonly rssGrowthMB: number;
}

async function cycle(server: ServerProcess): Promise<CycleFigures> {
  const agent = new Agent({ keepAlive: true });
  // The pools that a server keeps for good start with its first loads.
  for (let i = 0; i < 10; i++) {
    await sleep(PAUSE_MS);
    await loadAndUnload(server, agent);
  }
  await sleep(SETTLE_MS);
  const before = processTreeUsage(server.pid);
  const totals: number[] = [];
  const loads: number[] = [];
  for (let i = 0; i < CYCLES; i++) {
    await sleep(PAUSE_MS);
    const { loadMs, totalMs } = await loadAndUnload(server, agent);
    loads.push(loadMs);
    totals.push(totalMs);
  }
  agent.destroy();
  await sleep(SETTLE_MS);
  const after = processTreeUsage(server.pid);
  totals.sort((a, b) => a - b);
  loads.sort((a, b) => a - b);
  return {
    p50Ms: quantile(totals, 0.5),
    p99Ms: quantile(totals, 0.99),
    loadP50Ms: quantile(loads, 0.5),
    threadsBefore: before.threads,
    threadsAfter: after.threads,
    rssGrowthMB: (after.rssBytes - before.rssBytes) / 1e6,
  };
}

async function loadAndUnload(
  server: ServerProcess,
  agent: Agent,
): Promise<{ loadMs: number; totalMs: number }> {
  const startedAt = performance.now();
  await post(server, agent, "/v2/repository/models/cycled/load");
  const loadMs = performance.now() - startedAt;
  await post(server, agent, "/v2/repository/models/cycled/unload");
  // The answer to an unload comes before the model is gone.
  while (!(await isGone(server, agent))) await sleep(0);
  return { loadMs, totalMs: performance.now() - startedAt };
}

async function isGone(server: ServerProcess, agent: Agent): Promise<boolean> {
  const rows: { name: string; state?: string }[] = JSON.parse(
    await post(server, agent, "/v2/repository/index"),
  );
  return rows.every(({ name, state }) => name !== "cycled" || state === "UNAVAILABLE");
}

async function post(server: ServerProcess, agent: Agent, path: string): Promise<string> {
  const { status, body } = await sendHttp(server.httpPort, "POST", path, {}, "{}", agent);
  if (status !== 200) throw new Error(`${server.name}: ${path} answered ${status} ${body.toString()}`);
  return body.toString();
}
