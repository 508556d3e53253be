import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { tuneHeap } from "../emulator/cli/heap.ts";
import type { ServerCommand } from "../test/support/server-process.ts";
import { CONTAINER_ONNX_RUNTIME, containerServers } from "./containers.ts";
import { type BenchContext, createFolder, removeFolder } from "./context.ts";
import { missingLoadClients } from "./load-clients.ts";
import { describeMachine } from "./machine.ts";
import { type BenchReport, tableOf, writePerformancePage } from "./report.ts";
import { OURS, REAL, type Row } from "./row.ts";
import { scenarios } from "./scenarios.ts";

const ROOT = resolve(import.meta.dirname, "..");

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    server: { type: "string" },
    containers: { type: "boolean", default: false },
    "write-docs": { type: "boolean", default: false },
    beside: { type: "string", default: "" },
    page: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (options.help) {
  console.log(`npm run bench -- [options]
  --only=NAME,...   scenarios to run: ${scenarios.map(({ name }) => name).join(", ")}
  --rounds=N        interleaved rounds (default 5)
  --seconds=N       of load in each round and for each server (default 2)
  --server=COMMAND  measure this command instead of the built package of this folder
  --containers      both servers in containers of their images (docs/containers.md)
  --write-docs      write docs/performance.md from the figures
  --page=RESULT     write that page from a run of before, of which bench/results has the file
  --beside=RESULT,...  put the figures of those runs before the others on the page, told apart
  REAL_SERVER=COMMAND in the environment: a tritonserver to compare with; REAL_ORT=VERSION: its
  ONNX Runtime, for the report`);
} else if (options.page !== undefined) {
  writePage(readReport(options.page));
} else {
  process.exitCode = await main();
}

function readReport(path: string): BenchReport {
  return JSON.parse(readFileSync(path, "utf8"));
}

function writePage(report: BenchReport): void {
  const beside = options.beside
    .split(",")
    .filter((path) => path !== "")
    .map(readReport);
  writePerformancePage(join(ROOT, "docs", "performance.md"), report, beside);
}

async function main(): Promise<number> {
  // What is measured in this process is what a server does.
  tuneHeap();
  const missing = missingLoadClients();
  for (const line of missing) console.error(line);
  if (missing.length > 0) return 1;

  const log = (line: string): void => console.error(line);
  const folder = createFolder();
  const servers = options.containers ? await containerServers({ folder, log }) : serverProcesses();
  const real = servers.find(({ name }) => name === REAL) ?? null;
  if (real === null) {
    console.log(
      "No real server: set REAL_SERVER to a tritonserver command to compare with it. Ratios are left out.",
    );
  }
  const context: BenchContext = {
    rounds: Number(options.rounds),
    seconds: Number(options.seconds),
    servers,
    modelRepository: join(ROOT, "model-repo"),
    folder,
    log,
  };
  const machine = describeMachine();
  if (machine.loadBefore > machine.cores / 2) {
    console.log(
      `The machine is busy (load ${machine.loadBefore.toFixed(1)}): trust the ratios only, and those little.`,
    );
  }
  const only = options.only.split(",").filter((name) => name !== "");
  const rows: Row[] = [];
  const failures: string[] = [];
  for (const scenario of scenarios) {
    if (only.length > 0 && !only.includes(scenario.name)) continue;
    context.log(`${scenario.name} ...`);
    try {
      rows.push(...(await scenario.run(context)));
    } catch (error) {
      failures.push(`${scenario.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (failures.length === 0) removeFolder(folder);
  else context.log(`logs kept in ${folder}`);

  const report: BenchReport = {
    date: new Date().toISOString(),
    machine,
    rounds: context.rounds,
    seconds: context.seconds,
    realServer: real && {
      command: real.command.join(" "),
      onnxRuntime: options.containers
        ? CONTAINER_ONNX_RUNTIME
        : (process.env.REAL_ORT ?? "of an unknown version"),
    },
    rows,
    failures,
  };
  console.log(tableOf(report));
  for (const failure of failures) console.error(`FAILED ${failure}`);
  const results = join(ROOT, "bench", "results");
  mkdirSync(results, { recursive: true });
  const file = join(results, `${report.date.replaceAll(":", "-")}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`written: ${file}`);
  if (options["write-docs"]) writePage(report);
  return failures.length > 0 ? 1 : 0;
}

function serverProcesses(): readonly ServerCommand[] {
  const real = realServer();
  return real === null ? [ourServer()] : [real, ourServer()];
}

/** The built package, built now so that it cannot be an old one. */
function ourServer(): ServerCommand {
  if (options.server !== undefined) return { name: OURS, command: options.server.split(" ") };
  const build = spawnSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: "inherit" });
  if (build.status !== 0) throw new Error("npm run build failed");
  const { bin } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  return { name: OURS, command: [process.execPath, join(ROOT, bin["triton-local"]), "serve"] };
}

function realServer(): ServerCommand | null {
  // Ours switches it off; the real server with the same ONNX Runtime is not to pay for it either.
  process.env.ORT_DISABLE_TELEMETRY = "1";
  const command = process.env.REAL_SERVER;
  return command === undefined || command === "" ? null : { name: REAL, command: command.split(" ") };
}
