import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { binaryInference, type HttpInference, sendHttp } from "../../test/support/infer-requests.ts";
import type { ServerProcess } from "../../test/support/server-process.ts";
import { type BenchContext, startServers, stopAll } from "../context.ts";
import { runWrk } from "../load-clients.ts";
import { interleave, quantile } from "../rounds.ts";
import { OURS, type Row, rowOf } from "../row.ts";

const SECTION = "Health while a 5 ms model is saturated (`text_encoder`, c = 16)";
const WANTED_MS = 5;
const PROBE_EVERY_MS = 5;

/** What a readiness probe waits while a model is as busy as it can be. */
export async function healthUnderLoad(context: BenchContext): Promise<readonly Row[]> {
  const servers = await startServers(context, context.modelRepository, ["text_encoder"]);
  try {
    const own = servers.find((server) => server.name === OURS) ?? servers[0]!;
    const { inference, tokens, runMs } = await fiveMillisecondInference(own);
    context.log(`text_encoder with ${tokens} tokens takes ${runMs.toFixed(1)} ms`);
    const seconds = Math.max(3, context.seconds);
    const measure = async (server: ServerProcess) => {
      const load = runWrk(context.folder, {
        url: `http://127.0.0.1:${server.httpPort}${inference.path}`,
        headers: inference.headers,
        body: inference.body,
        concurrency: 16,
        seconds,
      });
      const latencies = await probe(server.httpPort, (seconds - 0.5) * 1000);
      const { errors, requestsPerSecond } = await load;
      if (errors > 0) throw new Error(`${server.name}: ${errors} errors under load`);
      return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), requestsPerSecond };
    };
    const runs = await interleave(servers, context.rounds, measure);
    const series = (pick: (run: { p50: number; p99: number; requestsPerSecond: number }) => number) =>
      new Map([...runs].map(([server, rounds]) => [server.name, rounds.map(pick)]));
    return [
      rowOf(
        SECTION,
        "health p50",
        "ms",
        series((run) => run.p50),
      ),
      rowOf(
        SECTION,
        "health p99",
        "ms",
        series((run) => run.p99),
        { of: "ours", atMost: 20 },
      ),
      rowOf(
        SECTION,
        "inferences",
        "requests/s",
        series((run) => run.requestsPerSecond),
      ),
    ];
  } finally {
    await stopAll(servers);
  }
}

/** The sequence length whose median latency is the nearest to 5 ms on this machine. */
async function fiveMillisecondInference(
  server: ServerProcess,
): Promise<{ inference: HttpInference; tokens: number; runMs: number }> {
  const candidates = [];
  for (const tokens of [16, 32, 64, 128, 192, 256, 384]) {
    const inference = textInference(tokens);
    const latencies: number[] = [];
    for (let i = 0; i < 12; i++) {
      const startedAt = performance.now();
      const answer = await sendHttp(
        server.httpPort,
        "POST",
        inference.path,
        inference.headers,
        inference.body,
      );
      if (answer.status !== 200) throw new Error(`text_encoder answered ${answer.body.toString()}`);
      latencies.push(performance.now() - startedAt);
    }
    const runMs = quantile(
      latencies.slice(2).sort((a, b) => a - b),
      0.5,
    );
    candidates.push({ inference, tokens, runMs });
    if (runMs > WANTED_MS) break;
  }
  candidates.sort((a, b) => Math.abs(a.runMs - WANTED_MS) - Math.abs(b.runMs - WANTED_MS));
  return candidates[0]!;
}

function textInference(tokens: number): HttpInference {
  const tensor = (name: string, valueAt: (i: number) => bigint) => {
    const data = Buffer.alloc(tokens * 8);
    for (let i = 0; i < tokens; i++) data.writeBigInt64LE(valueAt(i), i * 8);
    return { name, datatype: "INT64", shape: [1, tokens], data };
  };
  const inputs = [tensor("input_ids", (i) => BigInt(3 + (i % 100))), tensor("attention_mask", () => 1n)];
  return binaryInference("text_encoder", inputs, ["sentence_embedding"]);
}

/** @returns latencies in ms, ascending */
async function probe(port: number, durationMs: number): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const latencies: number[] = [];
  const endsAt = performance.now() + durationMs;
  while (performance.now() < endsAt) {
    latencies.push(await healthMs(agent, port));
    await sleep(PROBE_EVERY_MS);
  }
  agent.destroy();
  return latencies.sort((a, b) => a - b);
}

function healthMs(agent: Agent, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now();
    const sent = request({ host: "127.0.0.1", port, path: "/v2/health/ready", agent }, (response) => {
      response.resume();
      response.once("end", () => {
        if (response.statusCode === 200) resolve(performance.now() - startedAt);
        else reject(new Error(`health answered ${response.statusCode}`));
      });
    });
    sent.once("error", reject);
    sent.end();
  });
}
