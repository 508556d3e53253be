import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAnswer } from "../cases/dialogue.ts";
import {
  type AcceptedDifference,
  acceptedBy,
  readAcceptedDifferences,
} from "../difference/accepted-differences.ts";
import { type Comparison, compareAnswers, describeAnswer } from "../difference/compare-answers.ts";
import { countsDiffer, type Finding, keyOf } from "../difference/finding.ts";
import type { Answer } from "../exchange/answer.ts";
import { ARITHMETIC_TOLERANCE, type RequestsResult, type SurfaceResult } from "../play-requests.ts";
import { NO_GRPC, StartedSide } from "../started-pair.ts";
import type { Target } from "../targets/target.ts";
import { Chance } from "../traffic/chance.ts";
import { isLeftOut } from "../traffic/left-out.ts";
import { sketchModels } from "../traffic/model-sketch.ts";
import { arithmeticModels, spareModels, trafficContent } from "../traffic/repository.ts";
import { modelsOf, needsGrpc, shellCommand, type TrafficRequest } from "../traffic/request.ts";
import { send } from "../traffic/send.ts";
import type { Surface, World } from "../traffic/surface.ts";
import { surfaces } from "../traffic/surfaces.ts";
import { standardFolder } from "./recorded-partner.ts";
import type { RecordedFrom } from "./recording-file.ts";
import { read, type WrittenObservation, write } from "./written-observation.ts";

/** The first line of the file. */
export interface TrafficRecordedFrom extends RecordedFrom {
  readonly seed: number;
}

/** Then what was asked, in this order, on a server that was started anew where it says so. */
type Line = { readonly restart: true } | (RequestLine & WrittenObservation);

interface RequestLine {
  readonly surface: string;
  /** With the seed it makes that request again, while the generator stays as it was. */
  readonly number: number;
  readonly request: TrafficRequest;
}

export interface RecordTrafficOptions {
  readonly file: URL;
  readonly from: TrafficRecordedFrom;
  readonly count: number;
  readonly say: (line: string) => void;
}

/** What a server knows of what it was asked before is forgotten after so many requests. */
const REQUESTS_BETWEEN_RESTARTS = 100;
/** Counters may follow an answer by a moment, gauges are read by the real server once in two seconds. */
const SETTLES_MS: Readonly<Record<string, number>> = { statistics: 100, metrics: 2500 };

/** Whether its answer hangs on all that was asked before. */
const tellsCounts = (surface: string, request: TrafficRequest): boolean =>
  surface in SETTLES_MS || (request.kind === "http" && /\/(stats|metrics)\b/.test(request.path));

/** Sends generated requests to a real server and keeps what came back; of which it dies is left out. */
export const recordTraffic = async (target: Target, options: RecordTrafficOptions): Promise<number> => {
  const { file, from, count, say } = options;
  const lines: Line[] = [];
  await withSide(target, async (side) => {
    const world: World = {
      models: await sketchModels(side.side),
      spare: spareModels,
      arithmetic: arithmeticModels,
    };
    for (let number = 0; number < count; number++) {
      if (number > 0 && number % REQUESTS_BETWEEN_RESTARTS === 0) {
        await restart(side);
        lines.push({ restart: true });
        say(`recorded ${number} generated requests`);
      }
      const { surface, request } = requestOf(from.seed, number, world);
      await pause(SETTLES_MS[surface] ?? 0);
      const answer = await send(side.side, request);
      await pause(0);
      if (side.exitCode === null) lines.push({ surface, number, request, ...write(answer) });
      else {
        await restart(side);
        lines.push({ restart: true });
      }
    }
  });
  const text = [from, ...lines].map((line) => `${JSON.stringify(line, withBytes)}\n`).join("");
  mkdirSync(new URL(".", file), { recursive: true });
  writeFileSync(file, text);
  return lines.filter((line) => "request" in line).length;
};

export interface PlayTrafficOptions {
  readonly file: URL;
  /** As compareAnswers takes it; more is allowed where results come from much arithmetic. */
  readonly tolerance: number;
  /** Default: fixtures/parity/accepted-differences.json. */
  readonly accepted?: readonly AcceptedDifference[];
  readonly say: (line: string) => void;
  readonly onProgress: (done: number, of: number, findings: number) => void;
  readonly onFinding: (finding: Finding) => void;
}

/** Beside the areas of a release, in a folder of its own. */
export const trafficFile = (folder: URL): URL => new URL("traffic/requests.jsonl", folder);

/** How many requests of a recording there are, and of which seed. */
export const TRAFFIC_SEED = 1;
export const TRAFFIC_REQUESTS = 800;

/** What recordTraffic wrote for the release that this project imitates. */
export const standardTraffic = trafficFile(standardFolder);

/** Sends our server what was recorded, in the same order, and compares the answers. Nothing is shrunk: nobody can be asked again. */
export const playRecordedTraffic = async (
  ours: Target,
  options: PlayTrafficOptions,
): Promise<RequestsResult> => {
  const { file, tolerance, accepted = readAcceptedDifferences(), say, onProgress, onFinding } = options;
  const lines: readonly Line[] = readFileSync(file, "utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((text) => JSON.parse(text, withoutBytes));
  const rows = new Map(surfaces.map((surface) => [surface.name, emptyRow(surface)]));
  const findings = new Map<string, Finding>();
  let countTheSame = true;
  await withSide(ours, async (side) => {
    if (side.side.grpc === null) say(NO_GRPC);
    for (const [done, line] of lines.entries()) {
      onProgress(done, lines.length, findings.size);
      if ("restart" in line) {
        await restart(side);
        countTheSame = true;
        continue;
      }
      const { surface, number, request, ...written } = line;
      const row = rows.get(surface);
      if (row === undefined) continue;
      const notSent = needsGrpc(request) && side.side.grpc === null;
      if (notSent) countTheSame = false;
      if (notSent || (!countTheSame && tellsCounts(surface, request))) {
        row.notComparable++;
        continue;
      }
      const theirs = read(written, "rpc" in request ? request.rpc : "");
      if (!isAnswer(theirs)) continue;
      const { answer, comparison } = await compared(side, line, theirs, toleranceFor(request, tolerance));
      const { divergences, approximate } = comparison;
      if (divergences.length === 0) {
        row.agree++;
        if (approximate) row.approximate++;
        continue;
      }
      row.differ++;
      const command = shellCommand(request);
      const name = acceptedBy(accepted, surface, command, divergences)?.name ?? null;
      if (name !== null) row.accepted++;
      countTheSame &&= !countsDiffer(divergences);
      const key = keyOf(divergences);
      const known = findings.get(`${surface} ${key}`);
      if (known !== undefined) {
        known.count++;
        continue;
      }
      const finding: Finding = {
        surface,
        key,
        first: `${surface}:${number}`,
        count: 1,
        command,
        ours: describeAnswer(answer),
        theirs: describeAnswer(theirs),
        divergences,
        again: false,
        accepted: name,
      };
      findings.set(`${surface} ${key}`, finding);
      onFinding(finding);
    }
  });
  return { surfaces: [...rows.values()], findings: [...findings.values()], deaths: [], leftOut: new Map() };
};

const toleranceFor = (request: TrafficRequest, tolerance: number): number =>
  modelsOf(request).some((model) => arithmeticModels.has(model))
    ? Math.max(tolerance, ARITHMETIC_TOLERANCE)
    : tolerance;

const emptyRow = (surface: Surface): SurfaceResult => ({
  surface,
  agree: 0,
  approximate: 0,
  differ: 0,
  accepted: 0,
  notComparable: 0,
});

const compared = async (
  side: StartedSide,
  { surface, request }: RequestLine,
  theirs: Answer,
  tolerance: number,
): Promise<{ readonly answer: Answer; readonly comparison: Comparison }> => {
  for (let tries = 0; ; tries++) {
    const answer = await send(side.side, request);
    const comparison = compareAnswers(answer, theirs, { tolerance });
    if (comparison.divergences.length === 0 || !tellsCounts(surface, request) || tries === 20)
      return { answer, comparison };
    await pause(25);
  }
};

const requestOf = (
  seed: number,
  number: number,
  world: World,
): { readonly surface: string; readonly request: TrafficRequest } => {
  const chance = new Chance(seed, number);
  const surface = chance.weighted(surfaces.map((one) => [one.weight, one] as const));
  for (;;) {
    const request = surface.make(chance, world);
    if (isLeftOut(request, world.models) === null) return { surface: surface.name, request };
  }
};

const withSide = async (target: Target, play: (side: StartedSide) => Promise<void>): Promise<void> => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "parity-")));
  const side = new StartedSide(target, trafficContent, join(folder, "side"));
  try {
    await side.start();
    await play(side);
  } finally {
    await side.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

const restart = async (side: StartedSide): Promise<void> => {
  await side.stop();
  await side.start();
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Bytes, and numbers that JSON does not have. Buffer.toJSON has made an array of its bytes before a replacer sees them. */
const withBytes = (_: string, value: unknown): unknown => {
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)))
    return { number: Object.is(value, -0) ? "-0" : String(value) };
  if (typeof value !== "object" || value === null || !("type" in value && "data" in value)) return value;
  return value.type === "Buffer" && Array.isArray(value.data)
    ? { bytes_base64: Buffer.from(value.data).toString("base64") }
    : value;
};

const withoutBytes = (_: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || Object.keys(value).length !== 1) return value;
  if ("number" in value) return Number(value.number);
  return "bytes_base64" in value ? Buffer.from(String(value.bytes_base64), "base64") : value;
};
