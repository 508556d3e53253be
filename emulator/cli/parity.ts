import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Backend } from "../core/backend.ts";
import { type ParityListener, type ParityOptions, runParity } from "../parity/parity.ts";
import { playKinds } from "../parity/plays/kinds.ts";
import { Unavailable } from "../parity/real-triton/unavailable.ts";
import { recordedPartner } from "../parity/recordings/recorded-partner.ts";
import { playRecordedTraffic, standardTraffic, TRAFFIC_SEED } from "../parity/recordings/recorded-traffic.ts";
import { findingText, type ParityReport, tableOf, unexplained } from "../parity/report/parity-report.ts";
import { writeReports } from "../parity/report/report-file.ts";
import { type Chosen, chooseTarget, notTaken, type TargetKind } from "../parity/targets/choose.ts";
import { endpointTarget } from "../parity/targets/endpoint.ts";
import { stopAll } from "../parity/targets/stop-all.ts";
import type { Target } from "../parity/targets/target.ts";
import { surfaces } from "../parity/traffic/surfaces.ts";
import type { Environment } from "./environment.ts";
import { ownTarget } from "./own-target.ts";
import { renderTable } from "./table.ts";

export const PARITY_USAGE = `Usage: triton-local parity [options]

Asks our server and a real tritonserver the same, and says where they answer differently: conformance cases, generated
requests, and what takes several: loads and unloads, inferences that belong together, configurations. Each difference is
shrunk to the smallest request that shows it.

Whom to compare:
  --real=<which>          container, native, recordings, several of them with commas, or the URL of a server that runs;
                          absent = the first of the three that is possible here. For container as root a Docker engine
                          of one's own is installed and started where none answers, and ended afterwards
  --real-onnxruntime=<v>  version of ONNX Runtime in a server made here; default: the release's own
  --ours=<URL>            a server that runs, in the place of one started here
  --models=<folder>       your model repository, in the place of ours. With --real=<URL>, what that server serves

What to ask:
  --requests=<number>     default 10000; 0 = none
${playKinds.map(({ name, title, standard }) => `${`  --${name}=<number>`.padEnd(34)}${title}; default ${standard}`).join("\n")}
  --surfaces=<names>      of requests, with commas: ${surfaces.map(({ name }) => name).join(", ")}
  --no-cases              leaves the conformance cases out
  --seed=<number>         default: another one each day; the one that was taken is printed
  --only=<place>          one of them, as a difference names it: infer-json:17, sequences:4, configurations:9
  --tolerance=<number>    by how much floating-point results may differ, relative to the larger; default 0

  --report=<file>         writes all that was found as JSON
  --help                  print this

A server that runs already is not changed: no loads, no settings, nothing that takes several.
Exit codes: 0 = they agree, or each difference is listed with its reason; 1 = some differ; 2 = it cannot be run so.
`;

/** What `npm run parity` adds. */
export interface ParityAdditions {
  readonly extraBackends: () => readonly Backend[];
  /** Serves with these backends in a process of its own, as `triton-local serve` does. */
  readonly command: readonly string[];
  /** Whom to compare with where nobody is named, each that is possible; empty = the first that is. */
  readonly kinds: readonly TargetKind[];
  /** Called with what was found; the checkout keeps it in fixtures/parity. */
  readonly keep: ((report: ParityReport) => void) | null;
}

const published: ParityAdditions = {
  extraBackends: () => [],
  command: [process.execPath, fileURLToPath(new URL(process.argv[1] ?? "", "file:///")), "serve"],
  kinds: [],
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
  const isBrokenOff = endOnSignals();
  const reports: ParityReport[] = [];
  const compare = async (open: () => Promise<Chosen>): Promise<void> => {
    const chosen = await open();
    try {
      const report = await runParity(optionsOf(read, chosen, additions), listener);
      tell(report);
      reports.push(report);
      if (read.report !== null) writeReports(read.report, reports);
      if (read.isWhole && chosen.target !== null) additions.keep?.(report);
    } finally {
      await chosen.close();
    }
  };
  try {
    await compareWith(read, additions.kinds, compare);
  } catch (error) {
    // What is under way fails when its servers end; the process ends when they have.
    if (isBrokenOff()) return await new Promise<never>(() => {});
    if (!(error instanceof Unavailable || error instanceof UsageError)) throw error;
    const remedy = error instanceof Unavailable ? `. To check it: ${error.remedy}` : "";
    process.stderr.write(`error: ${error.message}${remedy}\n`);
    return 2;
  }
  return reports.every((report) => unexplained(report) === 0) ? 0 : 1;
};

const STOP_TIMEOUT_MS = 10_000;

/** A run that is broken off takes the servers and the engine that it started with it. @returns whether it is */
const endOnSignals = (): (() => boolean) => {
  let isBrokenOff = false;
  // A listener that stays: a library of testcontainers ends the process at once where it finds no other than its own.
  for (const [name, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)
    process.on(name, () => {
      isBrokenOff = true;
      process.stderr.write("\nbroken off; ending the servers that were started\n");
      void Promise.race([stopAll(), sleep(STOP_TIMEOUT_MS)]).then(() => process.exit(code));
    });
  return () => isBrokenOff;
};

class UsageError extends Error {}

const compareWith = async (
  { real, onnxRuntime }: Arguments,
  standard: readonly TargetKind[],
  compare: (open: () => Promise<Chosen>) => Promise<void>,
): Promise<void> => {
  if (real?.startsWith("http") === true) {
    const target = endpoint(real);
    return await compare(async () => ({ kind: "endpoint", target, close: () => Promise.resolve() }));
  }
  const version = onnxRuntime === null ? {} : { onnxRuntime };
  if (real !== null) {
    for (const wanted of kindsOf(real))
      await compare(() => chooseTarget({ say, wanted, mayStartEngine: true, ...version }));
    return;
  }
  if (standard.length === 0) return await compare(() => chooseTarget({ say, ...version }));
  let compared = 0;
  for (const wanted of standard) {
    try {
      await compare(() => chooseTarget({ say, wanted, mayStartEngine: true, ...version }));
      compared++;
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      say(notTaken(wanted, error));
    }
  }
  if (compared === 0) await compare(() => chooseTarget({ say, wanted: "recordings" }));
};

const endpoint = (text: string): Target => {
  try {
    return endpointTarget(text);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

interface Arguments {
  readonly real: string | null;
  readonly onnxRuntime: string | null;
  readonly ours: string | null;
  readonly models: string | null;
  readonly requests: number;
  readonly plays: ParityOptions["plays"];
  readonly surfaces: readonly string[];
  readonly cases: boolean;
  readonly seed: number;
  readonly only: ParityOptions["only"];
  readonly tolerance: number;
  readonly report: string | null;
  /** Nothing was left out. */
  readonly isWhole: boolean;
}

const playsNames = playKinds.map(({ name }) => name);

/** A run without them is whole. */
const narrowing = ["requests", ...playsNames, "surfaces", "only", "models", "ours"];
const valued = [...narrowing, "real", "real-onnxruntime", "seed", "tolerance", "report"];

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
    ...Object.fromEntries(playKinds.map(({ name, standard }) => [name, standard])),
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
    plays: Object.fromEntries(playsNames.map((name) => [name, numbers[name] ?? 0])),
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
    isWhole: [...narrowing, "cases"].every((name) => !values.has(name)),
  };
};

const kindsOf = (text: string): readonly TargetKind[] =>
  text.split(",").map((name) => {
    if (name === "container" || name === "native" || name === "recordings") return name;
    throw new UsageError(
      `--real=${text}: expected container, native, recordings, several of them with commas, or http://host:port`,
    );
  });

const optionsOf = (read: Arguments, { kind, target }: Chosen, additions: ParityAdditions): ParityOptions => {
  const { ours, real, models, seed, requests, plays, only, tolerance, cases } = read;
  return {
    kind,
    ours: ours === null ? ownTarget(additions) : endpoint(ours),
    theirs: target,
    recordings: target === null ? recordedPartner() : null,
    recordedRequests: (own, { progress, found, say }) =>
      playRecordedTraffic(own, {
        file: standardTraffic,
        tolerance,
        say,
        onProgress: (done, of, findings) => progress("recorded requests", done, of, findings),
        onFinding: found,
      }),
    own: real?.startsWith("http") !== true,
    models,
    seed: target === null ? TRAFFIC_SEED : seed,
    requests,
    plays,
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

const tell = (report: ParityReport): void => {
  for (const finding of report.findings) say(`\n${findingText(finding, report)}`);
  for (const text of report.cases) say(`\n${text}`);
  say(`\n${report.ours} beside ${report.theirs}, seed ${report.seed}`);
  say(renderTable(tableOf(report)));
  if (report.deaths.length > 0)
    say(`the real server died of ${report.deaths.length} requests:\n  ${report.deaths.join("\n  ")}`);
  if (report.races > 0)
    say(`the real server died ${report.races} times in a sequence, which was then played again`);
  for (const [name, count] of Object.entries(report.leftOut)) say(`left out ${count} times: ${name}`);
  if (report.kind === "recordings")
    say(
      "newly generated requests and sequences: not checked, no real server is here. To check them: triton-local parity --real=native",
    );
  else if (report.unused.length > 0) say(`listed differences that did not show: ${report.unused.join("; ")}`);
};
