import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Partner } from "./cases/dialogue.ts";
import { type AcceptedDifference, readAcceptedDifferences } from "./difference/accepted-differences.ts";
import type { Finding } from "./difference/finding.ts";
import { hasGrpc } from "./exchange/grpc-client.ts";
import { type CasesResult, caseAreas, playCases } from "./play-cases.ts";
import { playRequests, type RequestsResult } from "./play-requests.ts";
import { containerSequencePlays } from "./plays/container-sequences.ts";
import { dialoguePlays } from "./plays/dialogues.ts";
import { isPlaysName, type PlaysName, playKinds } from "./plays/kinds.ts";
import { type Plays, type PlaysResult, runPlays } from "./plays/run-plays.ts";
import { sequencePlays } from "./plays/sequences.ts";
import { Unavailable } from "./real-triton/unavailable.ts";
import { caseRow, type ParityReport, playsRow, requestRows } from "./report/parity-report.ts";
import { NO_GRPC, StartedPair } from "./started-pair.ts";
import type { Target } from "./targets/target.ts";
import { dialogueContent } from "./traffic/dialogues/content.ts";
import { sketchModels } from "./traffic/model-sketch.ts";
import type { PairContent } from "./traffic/pair-content.ts";
import { arithmeticModels, sequenceContent, spareModels, trafficContent } from "./traffic/repository.ts";
import { surfaces } from "./traffic/surfaces.ts";

export interface ParityOptions {
  readonly kind: ParityReport["kind"];
  readonly ours: Target;
  /** Null where nobody but recordings can be asked. */
  readonly theirs: Target | null;
  /** Who plays the cases in the place of `theirs`. */
  readonly recordings: Partner | null;
  /** Requests that were recorded, in the place of generated ones where `theirs` is null. */
  readonly recordedRequests?: (ours: Target, listener: ParityListener) => Promise<RequestsResult>;
  /** False where one of the two runs already: then nothing is loaded, changed or ended. */
  readonly own: boolean;
  /** A model repository of one's own in the place of ours. */
  readonly models: string | null;
  readonly seed: number;
  readonly requests: number;
  /** How many of each kind; absent = none. */
  readonly plays: Readonly<Partial<Record<PlaysName, number>>>;
  /** Names; empty = all. */
  readonly surfaces: readonly string[];
  /** One request or sequence of a run, `infer-json:17`; null = all. */
  readonly only: { readonly surface: string; readonly number: number } | null;
  readonly tolerance: number;
  readonly cases: boolean;
}

/** Where progress and findings go. */
export interface ParityListener {
  progress(what: string, done: number, of: number, findings: number): void;
  found(finding: Finding): void;
  disagreed(text: string): void;
  say(line: string): void;
}

const SHRINK_REQUESTS = 400;
const PAUSE_MS = 20;

/** Compares the two servers in every way that was asked for. */
export const runParity = async (options: ParityOptions, listener: ParityListener): Promise<ParityReport> => {
  const { ours, theirs, seed } = options;
  const requests =
    theirs === null
      ? options.requests === 0
        ? null
        : ((await options.recordedRequests?.(ours, listener)) ?? null)
      : await runRequests(options, theirs, listener);
  const plays: { readonly name: PlaysName; readonly result: PlaysResult }[] = [];
  if (theirs !== null)
    for (const { name } of playKinds) {
      const result = await runKind(name, options, theirs, listener);
      if (result !== null) plays.push({ name, result });
    }
  const cases = options.cases ? await runCases(options, listener) : null;
  const findings = [requests, ...plays.map(({ result }) => result)].flatMap(
    (result) => result?.findings ?? [],
  );
  const used = new Set(findings.map(({ accepted }) => accepted));
  return {
    kind: options.kind,
    ours: ours.name,
    theirs: theirs?.name ?? options.recordings?.name ?? "nobody",
    onnxRuntime: {
      ours: ours.onnxRuntime,
      theirs: theirs?.onnxRuntime ?? options.recordings?.onnxRuntime ?? "",
    },
    seed,
    rows: [
      ...(requests === null ? [] : requestRows(requests)),
      ...plays.map(({ name, result }) => playsRow(name, result)),
      ...(cases === null ? [] : [caseRow(cases)]),
    ],
    findings,
    cases: cases?.findings ?? [],
    deaths: requests?.deaths ?? [],
    races: plays.reduce((sum, { result }) => sum + result.deaths, 0),
    leftOut: Object.fromEntries(requests?.leftOut ?? []),
    unused: (theirs === null ? [] : acceptedBetween(ours, theirs))
      .map(({ name }) => name)
      .filter((name) => !used.has(name)),
  };
};

const acceptedBetween = (ours: Target, theirs: Target): readonly AcceptedDifference[] =>
  readAcceptedDifferences().filter(
    ({ otherOnnxRuntime }) => otherOnnxRuntime === undefined || ours.onnxRuntime !== theirs.onnxRuntime,
  );

const pause = (): Promise<void> => sleep(PAUSE_MS);

const contentOf = (models: string | null): PairContent =>
  models === null
    ? trafficContent
    : {
        flags: ["--model-control-mode=explicit", "--load-model=*", "--allow-sagemaker=true"],
        environment: {},
        layOut: (repository) => {
          for (const name of readdirSync(models))
            cpSync(join(models, name), join(repository, name), { recursive: true });
        },
      };

const runRequests = async (
  options: ParityOptions,
  theirs: Target,
  listener: ParityListener,
): Promise<RequestsResult | null> => {
  const { ours, models, seed, only, own, tolerance } = options;
  if (only !== null && isPlaysName(only.surface)) return null;
  if (only === null && options.requests === 0) return null;
  const sample = models === null && own;
  const chosen = surfaces.filter(
    ({ name, changes }) =>
      (options.surfaces.length === 0 || options.surfaces.includes(name)) &&
      (own || changes === undefined) &&
      (sample || name !== "container"),
  );
  await using pair = await StartedPair.start({ ours, theirs, tolerance, content: contentOf(models), own });
  if (pair.theirs.grpc === null) listener.say(NO_GRPC);
  const world = {
    models: await sketchModels(pair.theirs),
    spare: sample ? spareModels : [],
    arithmetic: sample ? arithmeticModels : new Set<string>(),
  };
  return await playRequests(pair, world, {
    seed,
    count: options.requests,
    surfaces: chosen,
    only: only?.number ?? null,
    accepted: acceptedBetween(ours, theirs),
    shrinkLimit: SHRINK_REQUESTS,
    onProgress: (done, found) =>
      listener.progress("requests", done, only === null ? options.requests : 1, found),
    onFinding: (finding) => listener.found(finding),
    pause,
  });
};

const runKind = async (
  name: PlaysName,
  options: ParityOptions,
  theirs: Target,
  listener: ParityListener,
): Promise<PlaysResult | null> => {
  const { ours, only, own, models, tolerance } = options;
  if (only === null ? (options.plays[name] ?? 0) === 0 : only.surface !== name) return null;
  if (!own) return null;
  const playAll = <S>(plays: Plays<S>): Promise<PlaysResult> => runAll(plays, options, theirs, listener);
  const startPair = (content: PairContent): Promise<StartedPair> =>
    StartedPair.start({ ours, theirs, tolerance, content, own });
  switch (name) {
    case "sequences":
    case "configurations": {
      await using pair = await startPair(sequenceContent);
      return await playAll(sequencePlays(pair, name));
    }
    case "dialogues": {
      if (!hasGrpc()) {
        listener.say(NO_GRPC);
        return null;
      }
      await using pair = await startPair(dialogueContent);
      return await playAll(dialoguePlays(pair));
    }
    case "container-sequences":
      // They bring archives of their own.
      return models === null ? await playAll(containerSequencePlays({ ours, theirs, tolerance })) : null;
  }
};

const runAll = <S>(
  plays: Plays<S>,
  { ours, seed, only, plays: counts }: ParityOptions,
  theirs: Target,
  listener: ParityListener,
): Promise<PlaysResult> => {
  const count = counts[plays.name] ?? 0;
  return runPlays(plays, {
    seed,
    count,
    only: only?.number ?? null,
    accepted: acceptedBetween(ours, theirs),
    onProgress: (done, found) => listener.progress(plays.name, done, only === null ? count : 1, found),
    onFinding: (finding) => listener.found(finding),
  });
};
const runCases = async (options: ParityOptions, listener: ParityListener): Promise<CasesResult> => {
  if (!hasGrpc())
    throw new Unavailable(
      "the conformance cases need a gRPC client",
      "npm install @grpc/grpc-js @grpc/proto-loader; without the cases: --no-cases",
    );
  return await playCases({
    ours: options.ours,
    theirs: options.theirs ?? options.recordings,
    areas: caseAreas,
    onProgress: (done, of) => listener.progress("cases", done, of, 0),
    onFinding: (text) => listener.disagreed(text),
  });
};
