import { setTimeout as sleep } from "node:timers/promises";
import { binaryInference, sendHttp } from "../../test/support/infer-requests.ts";
import { processTreeUsage } from "../../test/support/process-tree.ts";
import {
  BARE_HTTP,
  type BenchContext,
  copyModel,
  startReference,
  startServer,
  startServers,
  stopAll,
} from "../context.ts";
import { interleave } from "../rounds.ts";
import { type Row, rowOf } from "../row.ts";

const SECTION = "Start and rest (one model, `simple`)";
const STARTS = 7;
const IDLE_MS = 10_000;

/** From the spawn to the first 200 of the readiness route. */
export async function startToReady(context: BenchContext): Promise<readonly Row[]> {
  const repository = copyModel(context, "simple", "start", ["simple"]);
  const startReal = context.servers.map((server) => ({
    name: server.name,
    start: () => startServer(context, server, repository, ["simple"]),
  }));
  const subjects = [...startReal, { name: BARE_HTTP, start: () => startReference(BARE_HTTP, 0) }];
  const runs = await interleave(subjects, STARTS, async ({ start }) => {
    const server = await start();
    await server.stop();
    return server.readyMs;
  });
  const byName = new Map([...runs].map(([{ name }, series]) => [name, series]));
  return [rowOf(SECTION, "start to ready", "ms", byName, { of: "ratio", atMost: 5 }, BARE_HTTP)];
}

/** What a server holds and uses while nobody asks it anything. */
export async function idle(context: BenchContext): Promise<readonly Row[]> {
  const repository = copyModel(context, "simple", "idle", ["simple"]);
  const servers = await startServers(context, repository, ["simple"]);
  try {
    const data = Buffer.alloc(64);
    const inputs = ["INPUT0", "INPUT1"].map((name) => ({ name, datatype: "INT32", shape: [1, 16], data }));
    const { path, headers, body } = binaryInference("simple", inputs, ["OUTPUT0", "OUTPUT1"]);
    for (const server of servers) await sendHttp(server.httpPort, "POST", path, headers, body);
    await sleep(IDLE_MS);
    const before = servers.map((server) => processTreeUsage(server.pid));
    await sleep(IDLE_MS);
    const after = servers.map((server) => processTreeUsage(server.pid));
    const figures = (pick: (i: number) => number) =>
      new Map(servers.map((server, i) => [server.name, [pick(i)]]));
    return [
      rowOf(
        SECTION,
        "RSS after 10 s at rest",
        "MB",
        figures((i) => before[i]!.rssBytes / 1e6),
        {
          of: "ours",
          atMost: 130,
        },
      ),
      rowOf(
        SECTION,
        "CPU at rest",
        "% of a core",
        figures((i) => (100 * (after[i]!.cpuUs - before[i]!.cpuUs)) / (IDLE_MS * 1000)),
        { of: "ours", atMost: 0.5 },
      ),
      rowOf(
        SECTION,
        "threads",
        "threads",
        figures((i) => before[i]!.threads),
      ),
    ];
  } finally {
    await stopAll(servers);
  }
}
