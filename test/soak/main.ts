import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { OWN_SERVER, SAMPLE_REPOSITORY } from "../support/own-server.ts";
import { processTreeUsage } from "../support/process-tree.ts";
import { type ServerCommand, startServerProcess } from "../support/server-process.ts";
import { Gate } from "./gate.ts";
import { sendTraffic, type TrafficCounts } from "./traffic.ts";
import { leaksIn, type Sample, trendOf } from "./trend.ts";

/** What a Node process writes when nobody caught an error. */
const UNHANDLED = /unhandled|uncaught|^\s+at .*[:(]\d+:\d+|\w*Error: .*\[ERR_/im;
const ROWS_PRINTED = 20;
const SECONDS_BETWEEN_WORDS = 60;
const LIVE_MEMORY_PATIENCE_MS = 10_000;
/** Our server, which collects its garbage when it is asked how much memory is alive. */
const COLLECTING_SERVER: ServerCommand = {
  ...OWN_SERVER,
  command: OWN_SERVER.command.flatMap((part, i) =>
    i === 0 ? [part, "--expose-gc", "--import", join(import.meta.dirname, "live-memory.ts")] : [part],
  ),
};

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});

process.exitCode = await main(Number(options.minutes), Number(options.seed));

/** Mixed valid and invalid traffic with loads and unloads; fails on wrong answers, leaks and unhandled errors. */
async function main(minutes: number, seed: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "triton-local-soak-"));
  const logFile = join(folder, "server.log");
  const liveMemory = join(folder, "live-memory");
  writeFileSync(liveMemory, "");
  process.env.SOAK_LIVE_MEMORY = liveMemory;
  console.log(`${minutes} minutes, seed ${seed}, server log ${logFile}`);
  await using server = await startServerProcess(COLLECTING_SERVER, {
    modelRepository: SAMPLE_REPOSITORY,
    flags: ["--model-control-mode=explicit", "--load-model=*"],
    logFile,
  });
  const counts: TrafficCounts = { valid: 0, invalid: 0, loads: 0, wrong: [] };
  const startedAt = performance.now();
  const until = startedAt + minutes * 60_000;
  const goesOn = () => performance.now() < until && server.ended() === null;
  const gate = new Gate();
  const traffic = sendTraffic(server, goesOn, gate, seed, counts);
  const everyMs = Math.min(5000, (until - startedAt) / 60);
  const sample = async (): Promise<Sample> => {
    const seconds = (performance.now() - startedAt) / 1000;
    return { liveBytes: await liveBytesOf(server.pid, liveMemory), ...processTreeUsage(server.pid), seconds };
  };
  const samples = await sampleWhile(goesOn, gate, everyMs, sample);
  await traffic;

  const problems = [
    ...counts.wrong,
    ...leaksIn(samples),
    ...(server.ended() === null ? [] : [`the server ended (${server.ended()})`]),
    ...unhandledErrors(readFileSync(logFile, "utf8")),
  ];
  console.log(tableOf(samples));
  const { liveGrowth, residentGrowth, moreHandles, moreThreads } = trendOf(samples);
  console.log(
    `${counts.valid} valid, ${counts.invalid} invalid requests, ${counts.loads} loads; after the warm-up a minute: ` +
      `${liveGrowth.toFixed(2)} MB alive, ${residentGrowth.toFixed(2)} MB resident; ` +
      `${moreHandles} handles, ${moreThreads} threads more`,
  );
  for (const problem of problems) console.error(`FAILED ${problem}`);
  return problems.length > 0 ? 1 : 0;
}

/** Samples are taken between requests: what is under way would be counted as alive. */
async function sampleWhile(
  goesOn: () => boolean,
  gate: Gate,
  everyMs: number,
  sample: () => Promise<Sample>,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  let shown = 0;
  while (goesOn()) {
    await sleep(everyMs);
    if (!goesOn()) break;
    await gate.whileClosed(async () => {
      samples.push(await sample());
    });
    const { seconds = 0, liveBytes = 0 } = samples.at(-1) ?? {};
    if (seconds - shown < SECONDS_BETWEEN_WORDS) continue;
    shown = seconds;
    console.log(`${seconds.toFixed(0)} s: ${(liveBytes / 1e6).toFixed(1)} MB alive`);
  }
  return samples;
}

/** Has the server collect its garbage and say what is left. */
async function liveBytesOf(pid: number, liveMemory: string): Promise<number> {
  const before = readFileSync(liveMemory, "utf8").length;
  process.kill(pid, "SIGUSR2");
  for (let waited = 0; waited < LIVE_MEMORY_PATIENCE_MS; waited += 10) {
    const written = readFileSync(liveMemory, "utf8").slice(before);
    if (written.endsWith("\n")) return Number(written);
    await sleep(10);
  }
  throw new Error(`the server did not say within ${LIVE_MEMORY_PATIENCE_MS} ms how much memory is alive`);
}

function unhandledErrors(log: string): readonly string[] {
  const lines = log.split("\n").filter((line) => UNHANDLED.test(line));
  return lines.length === 0
    ? []
    : [`${lines.length} lines of unhandled errors in the log, first: ${lines[0]}`];
}

function tableOf(samples: readonly Sample[]): string {
  const step = Math.max(1, Math.ceil(samples.length / ROWS_PRINTED));
  const most = Math.max(...samples.map(({ rssBytes }) => rssBytes));
  const rows = samples
    .filter((_, i) => i % step === 0 || i === samples.length - 1)
    .map(({ seconds, liveBytes, rssBytes, handles, threads }) => {
      const bar = "#".repeat(Math.round((40 * rssBytes) / most));
      const megabytes = [liveBytes, rssBytes].map((bytes) => (bytes / 1e6).toFixed(1));
      const cells = [seconds.toFixed(0), ...megabytes, String(handles), String(threads)];
      return `${cells.map((cell) => cell.padStart(9)).join("")}  ${bar}`;
    });
  const header = ["seconds", "alive MB", "RSS MB", "handles", "threads"]
    .map((title) => title.padStart(9))
    .join("");
  return [header, ...rows].join("\n");
}
