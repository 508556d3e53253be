import { setTimeout as sleep } from "node:timers/promises";
import { sendHttp } from "../../test/support/infer-requests.ts";
import { processTreeUsage } from "../../test/support/process-tree.ts";
import type { ServerCommand, ServerProcess } from "../../test/support/server-process.ts";
import { type BenchContext, copyModel, startServer } from "../context.ts";
import { quantile } from "../rounds.ts";
import { type Row, rowOf } from "../row.ts";

const MODELS = 1000;
const REPETITIONS = 20;
const SETTLE_MS = 5000;
const SECTION = "1,000 models in the repository (copies of `simple`)";

/** What a large repository costs, with nothing loaded and with everything loaded. */
export async function manyModels(context: BenchContext): Promise<readonly Row[]> {
  const names = Array.from({ length: MODELS }, (_, i) => `model_${String(i).padStart(4, "0")}`);
  const repository = copyModel(context, "simple", "many", names);
  const figures = new Map<string, Figures>();
  for (const server of context.servers) {
    figures.set(server.name, {
      ...(await nothingLoaded(context, server, repository)),
      ...(await everythingLoaded(context, server, repository)),
    });
  }
  const row = (what: string, unit: string, pick: (f: Figures) => number) =>
    rowOf(SECTION, what, unit, new Map([...figures].map(([name, f]) => [name, [pick(f)]])));
  return [
    row("start to ready, none loaded", "ms", (f) => f.emptyReadyMs),
    row("repository index, p50", "ms", (f) => f.indexMs),
    row("load one, p50", "ms", (f) => f.loadMs),
    row("unload one, p50", "ms", (f) => f.unloadMs),
    row("start to ready, all loaded", "ms", (f) => f.fullReadyMs),
    row("RSS for each idle model", "kB", (f) => (f.fullRssBytes - f.emptyRssBytes) / MODELS / 1000),
    row("threads with all loaded", "threads", (f) => f.fullThreads),
  ];
}

interface EmptyFigures {
  readonly emptyReadyMs: number;
  readonly emptyRssBytes: number;
  readonly indexMs: number;
  readonly loadMs: number;
  readonly unloadMs: number;
}

interface FullFigures {
  readonly fullReadyMs: number;
  readonly fullRssBytes: number;
  readonly fullThreads: number;
}

type Figures = EmptyFigures & FullFigures;

async function nothingLoaded(
  context: BenchContext,
  command: ServerCommand,
  repository: string,
): Promise<EmptyFigures> {
  await using server = await startServer(context, command, repository, []);
  await sleep(SETTLE_MS);
  const emptyRssBytes = processTreeUsage(server.pid).rssBytes;
  const index: number[] = [];
  const load: number[] = [];
  const unload: number[] = [];
  for (let i = 0; i < REPETITIONS; i++) {
    const model = `model_${String(i * 37).padStart(4, "0")}`;
    index.push(await postMs(server, "/v2/repository/index"));
    load.push(await postMs(server, `/v2/repository/models/${model}/load`));
    unload.push(await postMs(server, `/v2/repository/models/${model}/unload`));
  }
  const median = (values: number[]) =>
    quantile(
      values.sort((a, b) => a - b),
      0.5,
    );
  return {
    emptyReadyMs: server.readyMs,
    emptyRssBytes,
    indexMs: median(index),
    loadMs: median(load),
    unloadMs: median(unload),
  };
}

async function everythingLoaded(
  context: BenchContext,
  command: ServerCommand,
  repository: string,
): Promise<FullFigures> {
  await using server = await startServer(context, command, repository, ["*"]);
  await sleep(SETTLE_MS);
  const usage = processTreeUsage(server.pid);
  return { fullReadyMs: server.readyMs, fullRssBytes: usage.rssBytes, fullThreads: usage.threads };
}

async function postMs(server: ServerProcess, path: string): Promise<number> {
  const startedAt = performance.now();
  const { status, body } = await sendHttp(server.httpPort, "POST", path, {}, "{}");
  if (status !== 200) throw new Error(`${server.name}: ${path} answered ${status} ${body.toString()}`);
  return performance.now() - startedAt;
}
