import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { Agent } from "node:http";
import { join } from "node:path";
import { sendHttp } from "../../test/support/infer-requests.ts";
import { processTreeUsage } from "../../test/support/process-tree.ts";
import { freePorts, type ServerProcess, startServerProcess } from "../../test/support/server-process.ts";
import { type BenchContext, copyModel } from "../context.ts";
import { quantile } from "../rounds.ts";
import { OURS, type Row, rowOf } from "../row.ts";

const SECTION = "Reset, and an endpoint with many archives (copies of `simple`)";
const MODELS = 100;
const ARCHIVES = 10_000;
const INVOKED = 100;
const TARGET = { of: "ours", atMost: 10 } as const;

const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `model_${index}`);

/** How long a test waits between two cases, and what an archive costs that nobody asks for. */
export async function reset(context: BenchContext): Promise<readonly Row[]> {
  const archive = makeArchive(context);
  const plain = await resetOfTriton(context);
  const endpoint = await resetOfEndpoint(context, archive);
  const few = await endpointFigures(context, archive, INVOKED);
  const many = await endpointFigures(context, archive, ARCHIVES);
  const row = (what: string, unit: string, values: readonly number[], target: Row["target"] = null) =>
    rowOf(SECTION, what, unit, new Map([[OURS, values]]), target);
  return [
    row(`reset of a tritonserver with ${MODELS} models loaded`, "ms", plain, TARGET),
    row(`reset of an endpoint with ${MODELS} models in memory`, "ms", endpoint, TARGET),
    row(`endpoint with ${INVOKED} archives: start to ready`, "ms", [few.readyMs]),
    row(`endpoint with ${ARCHIVES} archives: start to ready`, "ms", [many.readyMs]),
    row(`endpoint with ${INVOKED} archives: first invocation of a model, p50`, "ms", [few.coldMs]),
    row(`endpoint with ${ARCHIVES} archives: first invocation of a model, p50`, "ms", [many.coldMs]),
    row(`endpoint with ${INVOKED} archives: later invocation, p50`, "ms", [few.warmMs]),
    row(`endpoint with ${ARCHIVES} archives: later invocation, p50`, "ms", [many.warmMs]),
    row("RSS for each archive nobody asks for", "kB", [(many.rssBytes - few.rssBytes) / ARCHIVES / 1000]),
  ];
}

const inference = JSON.stringify({
  inputs: ["INPUT0", "INPUT1"].map((name) => ({
    name,
    datatype: "INT32",
    shape: [1, 16],
    data: new Array<number>(16).fill(1),
  })),
});

/** What is loaded at the start is loaded again; so nothing is, and everything goes. */
async function resetOfTriton(context: BenchContext): Promise<readonly number[]> {
  const models = names(MODELS);
  const repository = copyModel(context, "simple", "reset", models);
  const { server, emulatorPort } = await start(context, repository, ["--model-control-mode=explicit"]);
  await using _ = server;
  const client = new Client(server);
  return await client.resets(context.rounds, emulatorPort, (model) =>
    client.post(server.httpPort, `/v2/repository/models/${model}/load`, "{}"),
  );
}

async function resetOfEndpoint(context: BenchContext, archive: string): Promise<readonly number[]> {
  const { server, emulatorPort } = await startEndpoint(context, archive, MODELS);
  await using _ = server;
  const client = new Client(server);
  return await client.resets(context.rounds, emulatorPort, (model) => client.invoke(emulatorPort, model));
}

interface EndpointFigures {
  readonly readyMs: number;
  readonly rssBytes: number;
  readonly coldMs: number;
  readonly warmMs: number;
}

async function endpointFigures(
  context: BenchContext,
  archive: string,
  archives: number,
): Promise<EndpointFigures> {
  const { server, emulatorPort } = await startEndpoint(context, archive, archives);
  await using _ = server;
  const client = new Client(server);
  const { rssBytes } = processTreeUsage(server.pid);
  const invoked = names(archives).slice(-INVOKED);
  const cold: number[] = [];
  const warm: number[] = [];
  for (const times of [cold, warm]) {
    for (const model of invoked) times.push(await client.invoke(emulatorPort, model));
  }
  return { readyMs: server.readyMs, rssBytes, coldMs: median(cold), warmMs: median(warm) };
}

const median = (values: readonly number[]): number =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );

function makeArchive(context: BenchContext): string {
  const archive = join(context.folder, "simple.tar.gz");
  execFileSync("tar", ["czf", archive, "-C", context.modelRepository, "simple"]);
  return archive;
}

function startEndpoint(context: BenchContext, archive: string, archives: number) {
  const folder = join(context.folder, `archives-${process.hrtime.bigint()}`);
  mkdirSync(folder);
  for (const name of names(archives)) copyFileSync(archive, join(folder, `${name}.tar.gz`));
  return start(context, null, [`--model-data=${folder}`, "--machine=64GiB"]);
}

async function start(context: BenchContext, modelRepository: string | null, flags: readonly string[]) {
  const ours = context.servers.find(({ name }) => name === OURS);
  if (ours === undefined) throw new Error("our server is not among those to measure");
  const [emulatorPort] = await freePorts();
  const server = await startServerProcess(ours, {
    modelRepository,
    flags: [...flags, `--emulator-port=${emulatorPort}`],
    logFile: join(context.folder, `reset-${process.hrtime.bigint()}.log`),
    readyTimeoutMs: 120_000,
  });
  return { server, emulatorPort };
}

class Client {
  readonly #name: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor({ name }: ServerProcess) {
    this.#name = name;
  }

  /** Fills the server and sets it back, again and again. @returns the milliseconds of each reset */
  async resets(
    rounds: number,
    emulatorPort: number,
    bringIn: (model: string) => Promise<unknown>,
  ): Promise<readonly number[]> {
    const times: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      for (const model of names(MODELS)) await bringIn(model);
      times.push(await this.post(emulatorPort, "/_emulator/reset", ""));
    }
    // The first one runs code that was never run before.
    return times.slice(1);
  }

  invoke(emulatorPort: number, model: string): Promise<number> {
    return this.post(emulatorPort, "/endpoints/any/invocations", inference, {
      "Content-Type": "application/json",
      "X-Amzn-SageMaker-Target-Model": `${model}.tar.gz`,
    });
  }

  /** @returns milliseconds; anything but 200 is an error */
  async post(
    port: number,
    path: string,
    body: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<number> {
    const startedAt = performance.now();
    const { status, body: answer } = await sendHttp(port, "POST", path, headers, body, this.#agent);
    if (status !== 200) throw new Error(`${this.#name}: ${path} answered ${status} ${answer.toString()}`);
    return performance.now() - startedAt;
  }
}
