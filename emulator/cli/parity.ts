import { fileURLToPath } from "node:url";
import type { Backend } from "../core/backend.ts";
import { type ParityListener, type ParityOptions, runParity } from "../parity/parity.ts";
import { recordedPartner } from "../parity/recordings/recorded-partner.ts";
import { playRecordedTraffic, standardTraffic } from "../parity/recordings/recorded-traffic.ts";
import { findingText, type ParityReport, tableOf, unexplained } from "../parity/report/parity-report.ts";
import { writeReport } from "../parity/report/report-file.ts";
import { type Chosen, chooseTarget, type TargetKind } from "../parity/targets/choose.ts";
import { endpointTarget } from "../parity/targets/endpoint.ts";
import { surfaces } from "../parity/traffic/surfaces.ts";
import type { Environment } from "./environment.ts";
import { ownTarget } from "./own-target.ts";
import { renderTable } from "./table.ts";

export const PARITY_USAGE = `Usage: triton-local parity [options]

Asks our server and a real tritonserver the same, and says where they answer differently: conformance cases, generated
requests, and sequences of loads, unloads and inferences. Each difference is shrunk to the smallest request that shows it.

Whom to compare:
  --real=<which>          container, native, recordings, or the URL of a server that runs; absent = the first of the three
                          that is possible here
  --real-onnxruntime=<v>  version of ONNX Runtime in a server made here; default: the release's own
  --ours=<URL>            a server that runs, in the place of one started here
  --models=<folder>       your model repository, in the place of ours. With --real=<URL>, what that server serves

What to ask:
  --requests=<number>     default 10000; 0 = none
  --sequences=<number>    default 500; 0 = none
  --surfaces=<names>      of requests, with commas: ${surfaces.map(({ name }) => name).join(", ")}
  --no-cases              leaves the conformance cases out
  --seed=<number>         default: another one each day; the one that was taken is printed
  --only=<place>          one request or sequence of a run, as a difference names it: infer-json:17, sequences:4
  --tolerance=<number>    by how much floating-point results may differ, relative to the larger; default 0

  --report=<file>         writes all that was found as JSON
  --help                  print this

A server that runs already is not changed: no loads, no settings, no sequences.
Exit codes: 0 = they agree, or each difference is listed with its reason; 1 = some differ; 2 = it cannot be run so.
`;

/** What `npm run parity` adds. */
export interface ParityAdditions {
  readonly extraBackends: () => readonly Backend[];
  /** Serves with these backends in a process of its own, as `triton-local serve` does. */
  readonly command: readonly string[];
  /** Called with what was found; the checkout keeps it in fixtures/parity. */
  readonly keep: ((report: ParityReport) => void) | null;
}

const published: ParityAdditions = {
  extraBackends: () => [],
  command: [process.execPath, fileURLToPath(new URL(process.argv[1] ?? "", "file:///")), "serve"],
  keep: null,
};

/** `triton-local parity`. @returns the exit code */
export const parity = async (
  args: readonly string[],
  _environment: Environment,
  additions: ParityAdditions = published,
): Promise<number> => {
  if (args.includes("--help")) {
    process.stdout.write(PARITY_USAGE);
    return 0;
  }
  const read = readArguments(args);
  if (typeof read === "string") {
    process.stderr.write(`error: ${read}\n\n${PARITY_USAGE}`);
    return 2;
  }
  let chosen: Chosen;
  try {
    chosen = await choose(read);
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  try {
    const report = await runParity(optionsOf(read, chosen, additions), listener);
    tell(report, read.seed, chosen.target === null);
    if (read.report !== null) writeReport(read.report, report);
    if (read.isWhole && chosen.target !== null) additions.keep?.(report);
    return unexplained(report) === 0 ? 0 : 1;
  } finally {
    await chosen.close();
  }
};

interface Arguments {
  readonly real: string | null;
  readonly onnxRuntime: string | null;
  readonly ours: string | null;
  readonly models: string | null;
  readonly requests: number;
  readonly sequences: number;
  readonly surfaces: readonly string[];
  readonly cases: boolean;
  readonly seed: number;
  readonly only: ParityOptions["only"];
  readonly tolerance: number;
  readonly report: string | null;
  /** Nothing was left out. */
  readonly isWhole: boolean;
}

const valued = [
  "real",
  "real-onnxruntime",
  "ours",
  "models",
  "requests",
  "sequences",
  "surfaces",
  "seed",
  "only",
  "tolerance",
  "report",
];

/** A text says what is wrong. */
const readArguments = (args: readonly string[]): Arguments | string => {
  const values = new Map<string, string>();
  for (const arg of args) {
    const [, name = "", value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(arg) ?? [];
    if (arg === "--no-cases" || arg === "--cases") values.set("cases", arg === "--cases" ? "1" : "0");
    else if (!valued.includes(name)) return `'${arg}' is not known`;
    else if (value === undefined || value === "") return `--${name} takes a value: --${name}=...`;
    else values.set(name, value);
  }
  const numbers: Record<string, number> = {};
  const standards = {
    requests: 10_000,
    sequences: 500,
    tolerance: 0,
    seed: Math.floor(Date.now() / 86_400_000),
  };
  for (const [name, standard] of Object.entries(standards)) {
    const number = Number(values.get(name) ?? standard);
    if (!Number.isFinite(number) || number < 0 || (name !== "tolerance" && !Number.isInteger(number)))
      return `--${name}=${values.get(name)}: a number from 0 on is expected`;
    numbers[name] = number;
  }
  const chosen = values.get("surfaces")?.split(",") ?? [];
  const unknown = chosen.find((name) => !surfaces.some((surface) => surface.name === name));
  if (unknown !== undefined)
    return `--surfaces: '${unknown}' is none of ${surfaces.map(({ name }) => name).join(", ")}`;
  const onlyText = values.get("only");
  const [, surface, number] = /^([a-z-]+):(\d+)$/.exec(onlyText ?? "") ?? [];
  if (onlyText !== undefined && (surface === undefined || number === undefined))
    return `--only=${onlyText}: expected a place like infer-json:17`;
  const real = values.get("real") ?? null;
  const ours = values.get("ours") ?? null;
  const models = values.get("models") ?? null;
  if (real?.startsWith("http") === true && ours === null && models === null)
    return "--real=<URL> needs --models=<folder>, the repository that it serves, or --ours=<URL>";
  if (ours !== null && real?.startsWith("http") !== true)
    return "--ours=<URL> needs --real=<URL>: both serve the same models";
  return {
    real,
    onnxRuntime: values.get("real-onnxruntime") ?? null,
    ours,
    models,
    requests: numbers.requests ?? 0,
    sequences: numbers.sequences ?? 0,
    surfaces: chosen,
    cases:
      onlyText === undefined &&
      real?.startsWith("http") !== true &&
      models === null &&
      values.get("cases") !== "0",
    seed: numbers.seed ?? 0,
    only: surface === undefined ? null : { surface, number: Number(number) },
    tolerance: numbers.tolerance ?? 0,
    report: values.get("report") ?? null,
    isWhole: ["requests", "sequences", "surfaces", "only", "models", "ours", "cases"].every(
      (name) => !values.has(name),
    ),
  };
};

const choose = async ({ real, onnxRuntime }: Arguments): Promise<Chosen> => {
  if (real?.startsWith("http") === true)
    return { kind: "container", target: endpointTarget(real), close: () => Promise.resolve() };
  return await chooseTarget({
    say,
    ...(real === null ? {} : { wanted: kindOf(real) }),
    ...(onnxRuntime === null ? {} : { onnxRuntime }),
  });
};

const kindOf = (text: string): TargetKind => {
  if (text === "container" || text === "native" || text === "recordings") return text;
  throw new Error(`--real=${text}: expected container, native, recordings or http://host:port`);
};

const optionsOf = (read: Arguments, { target }: Chosen, additions: ParityAdditions): ParityOptions => {
  const { ours, real, models, seed, requests, sequences, only, tolerance, cases } = read;
  return {
    ours: ours === null ? ownTarget(additions) : endpointTarget(ours),
    theirs: target,
    recordings: target === null ? recordedPartner() : null,
    recordedRequests: (own, { progress, found }) =>
      playRecordedTraffic(own, {
        file: standardTraffic,
        tolerance,
        onProgress: (done, of, findings) => progress("recorded requests", done, of, findings),
        onFinding: found,
      }),
    own: real?.startsWith("http") !== true,
    models,
    seed,
    requests,
    sequences,
    surfaces: read.surfaces,
    only,
    tolerance,
    cases,
  };
};

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** A line after so many; on a terminal the same line is written over. */
const PROGRESS_STEPS = 20;

const listener: ParityListener = {
  progress: (what, done, of, findings) => {
    const step = Math.max(1, Math.floor(of / PROGRESS_STEPS));
    if (done % step !== 0 && done !== of) return;
    const text = `${what}: ${done} of ${of}${findings === 0 ? "" : `, ${findings} kinds of differences`}`;
    if (process.stderr.isTTY === true) process.stderr.write(`\r${text}${done === of ? "\n" : ""}`);
    else process.stderr.write(`${text}\n`);
  },
  found: (finding) => process.stderr.write(`\ndiffers: ${finding.first}: ${finding.key.slice(0, 200)}\n`),
  disagreed: (text) => process.stderr.write(`\ndiffers: ${text}\n`),
  say,
};

const tell = (report: ParityReport, seed: number, onlyRecorded: boolean): void => {
  for (const finding of report.findings) say(`\n${findingText(finding, seed)}`);
  for (const text of report.cases) say(`\n${text}`);
  say(`\n${report.ours} beside ${report.theirs}, seed ${seed}`);
  say(renderTable(tableOf(report)));
  if (report.deaths.length > 0)
    say(`the real server died of ${report.deaths.length} requests:\n  ${report.deaths.join("\n  ")}`);
  if (report.races > 0)
    say(`the real server died ${report.races} times in a sequence, which was then played again`);
  for (const [name, count] of Object.entries(report.leftOut)) say(`left out ${count} times: ${name}`);
  if (onlyRecorded)
    say(
      "newly generated requests and sequences: not checked, no real server is here. To check them: triton-local parity --real=native",
    );
  else if (report.unused.length > 0) say(`listed differences that did not show: ${report.unused.join("; ")}`);
};
