import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

/** What a load client saw during one run. */
export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Refused, broken, timed out or answered with another status than 200. */
  readonly errors: number;
  /** Bytes of response bodies; what one answer takes times the requests, when all are right. Null where not counted. */
  readonly bodyBytes: number | null;
}

export interface HttpLoad {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly concurrency: number;
  readonly seconds: number;
}

export interface GrpcLoad {
  readonly port: number;
  /** `/package.Service/Method` */
  readonly method: string;
  /** The protobuf message, without the five bytes that frame it. */
  readonly message: Buffer;
  /** Streams in flight on the one connection. */
  readonly streams: number;
  readonly seconds: number;
}

/** One line for each client that is missing, saying how to get it. */
export function missingLoadClients(): readonly string[] {
  return [
    { program: "wrk", flag: "-v", hint: "apt-get install wrk" },
    { program: "h2load", flag: "--version", hint: "apt-get install nghttp2-client" },
  ]
    .filter(({ program, flag }) => spawnSync(program, [flag]).error !== undefined)
    .map(({ program, hint }) => `${program} is not installed; on Debian and Ubuntu: ${hint}`);
}

/** Runs wrk with one thread. @param folder for its script and body */
export async function runWrk(folder: string, load: HttpLoad): Promise<LoadResult> {
  const bodyFile = join(folder, "wrk-body");
  const scriptFile = join(folder, "wrk.lua");
  writeFileSync(bodyFile, load.body);
  writeFileSync(scriptFile, wrkScript(bodyFile, load.headers));
  const output = await runToEnd("wrk", [
    "--threads=1",
    `--connections=${load.concurrency}`,
    `--duration=${load.seconds}s`,
    `--script=${scriptFile}`,
    load.url,
  ]);
  const line = output.split("\n").find((candidate) => candidate.startsWith("{"));
  if (line === undefined) throw new Error(`wrk printed no summary:\n${output}`);
  const { requests, errors, seconds } = JSON.parse(line);
  return { requests, errors, requestsPerSecond: requests / seconds, bodyBytes: null };
}

function wrkScript(bodyFile: string, headers: Readonly<Record<string, string>>): string {
  const headerLines = Object.entries(headers).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  );
  return `wrk.method = "POST"
${headerLines.join("\n")}
local file = io.open(${JSON.stringify(bodyFile)}, "rb")
wrk.body = file:read("*a")
file:close()
function done(summary)
  local errors = summary.errors
  io.write(string.format('\\n{"requests":%d,"errors":%d,"seconds":%f}\\n', summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, summary.duration / 1e6))
end
`;
}

/** Runs h2load on one connection. */
export async function runH2load(folder: string, load: GrpcLoad): Promise<LoadResult> {
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(load.message.length, 1);
  const bodyFile = join(folder, "h2load-body");
  writeFileSync(bodyFile, Buffer.concat([frame, load.message]));
  const output = await runToEnd("h2load", [
    "--threads=1",
    "--clients=1",
    `--max-concurrent-streams=${load.streams}`,
    `--duration=${load.seconds}`,
    `--data=${bodyFile}`,
    "--header=content-type: application/grpc",
    "--header=te: trailers",
    `http://127.0.0.1:${load.port}${load.method}`,
  ]);
  const requests =
    /requests: .* (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(output);
  const statuses = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(output);
  const data = /\((\d+)\) data$/m.exec(output);
  const rate = /finished in [^,]+, ([\d.]+) req\/s/.exec(output);
  if (requests === null || statuses === null || data === null || rate === null) {
    throw new Error(`h2load printed something else than expected:\n${output}`);
  }
  const [, , succeeded, failed, , timeout] = requests.map(Number);
  const [, , redirected, clientErrors, serverErrors] = statuses.map(Number);
  return {
    requests: succeeded ?? 0,
    requestsPerSecond: Number(rate[1]),
    errors: [failed, timeout, redirected, clientErrors, serverErrors].reduce<number>(
      (sum, n) => sum + (n ?? 0),
      0,
    ),
    bodyBytes: Number(data[1]),
  };
}

async function runToEnd(program: string, args: readonly string[]): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, "close");
  const output = Buffer.concat(chunks).toString();
  if (code !== 0) throw new Error(`${program} ended with ${code}:\n${output}`);
  return output;
}
