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
  PLAIN_EXPRESS,
  type ReferenceServer,
  startReference,
  startServers,
  stopAll,
} from "../context.ts";
import { type LoadResult, runH2load, runWrk } from "../load-clients.ts";
import { interleave } from "../rounds.ts";
import { type Row, rowOf, type Target } from "../row.ts";

const SECTION = "Small tensors (`simple`: two INT32 [1,16])";
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
  const rows: Row[] = [];
  const servers = await startServers(context, context.modelRepository, ["simple"]);
  try {
    for (const server of servers) await checkHttp(server);
    const size = (await sendHttp(servers[0]!.httpPort, "POST", binary.path, binary.headers, binary.body)).body
      .length;
    const references = [await startReference(BARE_HTTP, size), await startReference(PLAIN_EXPRESS, size)];
    try {
      const subjects = [...servers, ...references];
      for (const concurrency of [1, 4, 16]) {
        const runs = await httpRuns(context, subjects, binary, concurrency);
        rows.push(cpuRow(`HTTP binary, c = ${concurrency}`, runs, { of: "ratio", atMost: 1.05, aim: 0.85 }));
        if (concurrency === 16) rows.push(throughputRow("HTTP binary, c = 16", runs));
      }
      for (const concurrency of [1, 4, 16]) {
        const runs = await httpRuns(context, subjects, json, concurrency);
        rows.push(cpuRow(`HTTP JSON, c = ${concurrency}`, runs, { of: "ratio", atMost: 1.15, aim: 0.95 }));
      }
    } finally {
      await stopAll(references);
    }
  } finally {
    await stopAll(servers);
  }
  return rows;
}

/** CPU time of small requests over gRPC: one at a time, and 16 streams on one connection. */
export async function grpcSmallTensors(context: BenchContext): Promise<readonly Row[]> {
  const rows: Row[] = [];
  const servers = await startServers(context, context.modelRepository, ["simple"]);
  try {
    const answerBytes = new Map<string, number>();
    for (const server of servers) answerBytes.set(server.name, await checkGrpc(server));
    const loads: readonly { streams: number; what: string; target: Target }[] = [
      { streams: 1, what: "gRPC, c = 1", target: { of: "ratio", atMost: 1.2 } },
      {
        streams: 16,
        what: "gRPC, 16 streams on one connection",
        target: { of: "ratio", atMost: 1, aim: 0.85 },
      },
    ];
    for (const { streams, what, target } of loads) {
      const measure = async (server: ServerProcess) => {
        const message = { port: server.grpcPort, method: MODEL_INFER, message: grpc };
        const run = await measured(server, () =>
          runH2load(context.folder, { ...message, streams, seconds: context.seconds }),
        );
        const expected = (answerBytes.get(server.name) ?? 0) * run.load.requests;
        const inFlight = (answerBytes.get(server.name) ?? 0) * streams;
        if (Math.abs((run.load.bodyBytes ?? 0) - expected) > inFlight) {
          throw new Error(`${server.name}: ${run.load.bodyBytes} bytes answered instead of ${expected}`);
        }
        return run;
      };
      await warmUp(servers, measure);
      rows.push(cpuRow(what, await interleave(servers, context.rounds, measure), target));
    }
  } finally {
    await stopAll(servers);
  }
  return rows;
}

interface Run {
  readonly load: LoadResult;
  readonly cpuUsPerRequest: number;
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

async function measured(
  subject: { readonly name: string; readonly pid: number },
  load: () => Promise<LoadResult>,
): Promise<Run> {
  const before = processTreeUsage(subject.pid).cpuUs;
  const result = await load();
  const after = processTreeUsage(subject.pid).cpuUs;
  if (result.errors > 0 || result.requests === 0) {
    throw new Error(`${subject.name}: ${result.errors} errors in ${result.requests} requests`);
  }
  return { load: result, cpuUsPerRequest: (after - before) / result.requests };
}

function cpuRow(what: string, runs: Runs, target: Target): Row {
  return rowOf(
    SECTION,
    what,
    CPU_UNIT,
    series(runs, (run) => run.cpuUsPerRequest),
    target,
  );
}

function throughputRow(what: string, runs: Runs): Row {
  const target: Target = { of: "ratio", atLeast: 0.7 };
  return rowOf(
    SECTION,
    what,
    "requests/s",
    series(runs, (run) => run.load.requestsPerSecond),
    target,
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
