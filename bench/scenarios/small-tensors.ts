import {
  binaryInference,
  grpcInference,
  type HttpInference,
  jsonInference,
  MODEL_INFER,
  sendGrpc,
  sendHttp,
} from "../../test/support/infer-requests.ts";
import { processTreeUsage } from "../../test/support/process-tree.ts";
import type { ServerProcess } from "../../test/support/server-process.ts";
import {
  BARE_HTTP,
  type BenchContext,
  copyModel,
  PLAIN_EXPRESS,
  type ReferenceServer,
  startReference,
  startServers,
  stopAll,
} from "../context.ts";
import { type LoadResult, runH2load, runWrk } from "../load-clients.ts";
import { interleave } from "../rounds.ts";
import { type Row, rowOf, type Target } from "../row.ts";

/**
 * Both ways of serving the same model, because they answer different questions: without dynamic batching a figure is
 * the cost of a request, with it clients that send in step share executions, and the figure falls with the batch size.
 */
const SINGLE = {
  section: "Small tensors, one execution a request (`simple`, two INT32 [1,16], without dynamic batching)",
  repositoryName: "simple-single",
  editConfig: (config: string) => config.replace(/^dynamic_batching\s*\{[^}]*\}/m, ""),
};
const BATCHED = {
  section: "Small tensors, `simple` as it ships: requests share executions (`dynamic_batching { }`)",
  repositoryName: "simple-batched",
  editConfig: (config: string) => `${SINGLE.editConfig(config)}\ndynamic_batching { }\n`,
};
type Variant = typeof SINGLE;

const CPU_UNIT = "CPU us a request";
const OUTPUTS = ["OUTPUT0", "OUTPUT1"];

const first = Array.from({ length: 16 }, (_, i) => i * 1000);
const second = Array.from({ length: 16 }, (_, i) => i + 1);
const sum = first.map((value, i) => value + second[i]!);
const difference = first.map((value, i) => value - second[i]!);

const inputs = [
  { name: "INPUT0", datatype: "INT32", shape: [1, 16], data: int32Bytes(first) },
  { name: "INPUT1", datatype: "INT32", shape: [1, 16], data: int32Bytes(second) },
];
const binary = binaryInference("simple", inputs, OUTPUTS);
const json = jsonInference("simple", [
  { name: "INPUT0", datatype: "INT32", shape: [1, 16], data: first },
  { name: "INPUT1", datatype: "INT32", shape: [1, 16], data: second },
]);
const grpc = grpcInference("simple", inputs, OUTPUTS);

/** CPU time and throughput of small requests over HTTP, beside servers that only answer. */
export async function httpSmallTensors(context: BenchContext): Promise<readonly Row[]> {
  const size = await withServers(context, SINGLE, async ([server]) => {
    const { path, headers, body } = binary;
    return (await sendHttp(server!.httpPort, "POST", path, headers, body)).body.length;
  });
  const references = [await startReference(BARE_HTTP, size), await startReference(PLAIN_EXPRESS, size)];
  try {
    return await withServers(context, SINGLE, (servers) =>
      httpRows(context, SINGLE, servers, references, [1, 4, 16]),
    );
  } finally {
    await stopAll(references);
  }
}

async function httpRows(
  context: BenchContext,
  variant: Variant,
  servers: readonly ServerProcess[],
  references: readonly ReferenceServer[],
  concurrencies: readonly number[],
): Promise<readonly Row[]> {
  for (const server of servers) await checkHttp(server);
  const rows: Row[] = [];
  const subjects = [...servers, ...references];
  for (const concurrency of concurrencies) {
    const runs = await httpRuns(context, subjects, binary, concurrency);
    const what = `HTTP binary, c = ${concurrency}`;
    rows.push(cpuRow(variant, what, runs, { of: "ratio", atMost: 1.05, aim: 0.85 }));
    if (concurrency === 16) rows.push(throughputRow(variant, what, runs), batchRow(variant, what, runs));
  }
  for (const concurrency of concurrencies) {
    const runs = await httpRuns(context, subjects, json, concurrency);
    const what = `HTTP JSON, c = ${concurrency}`;
    rows.push(cpuRow(variant, what, runs, { of: "ratio", atMost: 1.15, aim: 0.95 }));
  }
  return rows;
}

/** The same with dynamic batching. */
export function httpBatchedTensors(context: BenchContext): Promise<readonly Row[]> {
  return withServers(context, BATCHED, (servers) => httpRows(context, BATCHED, servers, [], [1, 4, 16]));
}

/** CPU time of small requests over gRPC: one at a time, and 16 streams on one connection. */
export function grpcSmallTensors(context: BenchContext): Promise<readonly Row[]> {
  return withServers(context, SINGLE, (servers) => grpcRows(context, SINGLE, servers, [1, 16]));
}

/** The same with dynamic batching. */
export function grpcBatchedTensors(context: BenchContext): Promise<readonly Row[]> {
  return withServers(context, BATCHED, (servers) => grpcRows(context, BATCHED, servers, [1, 16]));
}

async function grpcRows(
  context: BenchContext,
  variant: Variant,
  servers: readonly ServerProcess[],
  streamCounts: readonly number[],
): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const answerBytes = new Map<string, number>();
  for (const server of servers) answerBytes.set(server.name, await checkGrpc(server));
  for (const streams of streamCounts) {
    const measure = async (server: ServerProcess) => {
      const load = { port: server.grpcPort, method: MODEL_INFER, message: grpc, streams };
      const run = await measured(server, () =>
        runH2load(context.folder, { ...load, seconds: context.seconds }),
      );
      const expected = (answerBytes.get(server.name) ?? 0) * run.load.requests;
      const inFlight = (answerBytes.get(server.name) ?? 0) * streams;
      if (Math.abs((run.load.bodyBytes ?? 0) - expected) > inFlight) {
        throw new Error(`${server.name}: ${run.load.bodyBytes} bytes answered instead of ${expected}`);
      }
      return run;
    };
    await warmUp(servers, measure);
    const runs = await interleave(servers, context.rounds, measure);
    const what = streams === 1 ? "gRPC, c = 1" : `gRPC, ${streams} streams on one connection`;
    const target: Target =
      streams === 1 ? { of: "ratio", atMost: 1.2 } : { of: "ratio", atMost: 1, aim: 0.85 };
    rows.push(cpuRow(variant, what, runs, target));
    if (streams > 1) rows.push(batchRow(variant, what, runs));
  }
  return rows;
}

async function withServers<Result>(
  context: BenchContext,
  variant: Variant,
  use: (servers: readonly ServerProcess[]) => Promise<Result>,
): Promise<Result> {
  const repository = copyModel(context, "simple", variant.repositoryName, ["simple"], variant.editConfig);
  const servers = await startServers(context, repository, ["simple"]);
  try {
    return await use(servers);
  } finally {
    await stopAll(servers);
  }
}

interface Run {
  readonly load: LoadResult;
  readonly cpuUsPerRequest: number;
  /** Inferences an execution by the server's own statistics; null for a server that only answers. */
  readonly batchSize: number | null;
}

type Subject = Pick<ServerProcess | ReferenceServer, "name" | "pid" | "httpPort">;
type Runs = ReadonlyMap<{ readonly name: string }, readonly Run[]>;

async function httpRuns(
  context: BenchContext,
  subjects: readonly Subject[],
  inference: HttpInference,
  concurrency: number,
): Promise<Runs> {
  const measure = (subject: Subject) =>
    measured(subject, () =>
      runWrk(context.folder, {
        url: `http://127.0.0.1:${subject.httpPort}${inference.path}`,
        headers: inference.headers,
        body: inference.body,
        concurrency,
        seconds: context.seconds,
      }),
    );
  await warmUp(subjects, measure);
  return interleave(subjects, context.rounds, measure);
}

/** One run that does not count: compilers and caches get warm under the very load that follows. */
async function warmUp<S>(subjects: readonly S[], measure: (subject: S) => Promise<unknown>): Promise<void> {
  for (const subject of subjects) await measure(subject);
}

async function measured(subject: Subject, load: () => Promise<LoadResult>): Promise<Run> {
  const countsBefore = await executionCounts(subject);
  const before = processTreeUsage(subject.pid).cpuUs;
  const result = await load();
  const after = processTreeUsage(subject.pid).cpuUs;
  const countsAfter = await executionCounts(subject);
  if (result.errors > 0 || result.requests === 0) {
    throw new Error(`${subject.name}: ${result.errors} errors in ${result.requests} requests`);
  }
  const cpuUsPerRequest = (after - before) / result.requests;
  if (countsBefore === null || countsAfter === null)
    return { load: result, cpuUsPerRequest, batchSize: null };
  const inferences = countsAfter.inferences - countsBefore.inferences;
  // An answer from anywhere but the model would make every other figure here worthless.
  if (inferences < result.requests) {
    throw new Error(`${subject.name}: ${result.requests} answers from ${inferences} inferences`);
  }
  const batchSize = inferences / (countsAfter.executions - countsBefore.executions);
  return { load: result, cpuUsPerRequest, batchSize };
}

/** Null for the reference servers, which have no model. */
async function executionCounts(
  subject: Subject,
): Promise<{ readonly inferences: number; readonly executions: number } | null> {
  if (subject.name === BARE_HTTP || subject.name === PLAIN_EXPRESS) return null;
  const { body } = await sendHttp(subject.httpPort, "GET", "/v2/models/simple/stats");
  const [stats] = JSON.parse(body.toString()).model_stats;
  return { inferences: stats.inference_count, executions: stats.execution_count };
}

function cpuRow({ section }: Variant, what: string, runs: Runs, target: Target): Row {
  return rowOf(
    section,
    what,
    CPU_UNIT,
    series(runs, (run) => run.cpuUsPerRequest),
    target,
  );
}

function throughputRow({ section }: Variant, what: string, runs: Runs): Row {
  const target: Target = { of: "ratio", atLeast: 0.7 };
  return rowOf(
    section,
    what,
    "requests/s",
    series(runs, (run) => run.load.requestsPerSecond),
    target,
  );
}

/** How many requests shared an execution: without it nobody can tell what the CPU time stands for. */
function batchRow({ section }: Variant, what: string, runs: Runs): Row {
  const batched = new Map(
    [...runs].filter(([, rounds]) => rounds.every(({ batchSize }) => batchSize !== null)),
  );
  return rowOf(
    section,
    what,
    "requests an execution",
    series(batched, ({ batchSize }) => batchSize ?? 0),
  );
}

function series(runs: Runs, pick: (run: Run) => number): ReadonlyMap<string, readonly number[]> {
  return new Map([...runs].map(([subject, rounds]) => [subject.name, rounds.map(pick)]));
}

async function checkHttp(server: ServerProcess): Promise<void> {
  const binaryAnswer = await sendHttp(server.httpPort, "POST", binary.path, binary.headers, binary.body);
  const expected = Buffer.concat([int32Bytes(sum), int32Bytes(difference)]);
  if (binaryAnswer.status !== 200 || !binaryAnswer.body.subarray(-expected.length).equals(expected)) {
    throw new Error(`${server.name}: wrong answer to HTTP binary: ${binaryAnswer.body.toString()}`);
  }
  const jsonAnswer = await sendHttp(server.httpPort, "POST", json.path, json.headers, json.body);
  const { outputs } = JSON.parse(jsonAnswer.body.toString());
  if (JSON.stringify([outputs?.[0]?.data, outputs?.[1]?.data]) !== JSON.stringify([sum, difference])) {
    throw new Error(`${server.name}: wrong answer to HTTP JSON: ${jsonAnswer.body.toString()}`);
  }
}

/** @returns bytes of one framed answer */
async function checkGrpc(server: ServerProcess): Promise<number> {
  const { status, body } = await sendGrpc(server.grpcPort, MODEL_INFER, grpc);
  if (status !== "0" || !body.includes(int32Bytes(sum)) || !body.includes(int32Bytes(difference))) {
    throw new Error(`${server.name}: wrong answer over gRPC, status ${status}`);
  }
  return body.length;
}

function int32Bytes(values: readonly number[]): Buffer {
  const view = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => {
    view.writeInt32LE(value, i * 4);
  });
  return view;
}
