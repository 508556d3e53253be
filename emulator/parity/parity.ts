import { cpSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Partner } from "./cases/dialogue.ts";
import { type AcceptedDifference, readAcceptedDifferences } from "./difference/accepted-differences.ts";
import type { Finding } from "./difference/finding.ts";
import { hasGrpc } from "./exchange/grpc-client.ts";
import { type CasesResult, caseAreas, playCases } from "./play-cases.ts";
import { CONTAINER_SEQUENCES, playContainerSequences } from "./play-container-sequences.ts";
import { type DialoguesResult, playDialogues } from "./play-dialogues.ts";
import { playRequests, type RequestsResult } from "./play-requests.ts";
import { playSequences, type SequencesResult } from "./play-sequences.ts";
import { Unavailable } from "./real-triton/unavailable.ts";
import {
  caseRow,
  configurationRow,
  containerSequenceRow,
  dialogueRow,
  type ParityReport,
  requestRows,
  sequenceRow,
} from "./report/parity-report.ts";
import { NO_GRPC, StartedPair } from "./started-pair.ts";
import type { Target } from "./targets/target.ts";
import { generateConfiguration } from "./traffic/configurations/generate.ts";
import { dialogueContent } from "./traffic/dialogues/content.ts";
import { sketchModels } from "./traffic/model-sketch.ts";
import type { PairContent } from "./traffic/pair-content.ts";
import { arithmeticModels, sequenceContent, spareModels, trafficContent } from "./traffic/repository.ts";
import { generateSequence } from "./traffic/sequences/generate.ts";
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
  readonly sequences: number;
  readonly configurations: number;
  readonly dialogues: number;
  /** Of the container API. */
  readonly containerSequences: number;
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
const SHRINK_SEQUENCES = 60;
const SHRINK_CONFIGURATIONS = 150;
const SHRINK_DIALOGUES = 60;
const PAUSE_MS = 20;

/** Compares the two servers in every way that was asked for. */
export const runParity = async (options: ParityOptions, listener: ParityListener): Promise<ParityReport> => {
  const { ours, theirs, seed } = options;
  const [requests, sequences, configurations] =
    theirs === null
      ? [
          options.requests === 0 ? null : ((await options.recordedRequests?.(ours, listener)) ?? null),
          null,
          null,
        ]
      : [
          await runRequests(options, theirs, listener),
          await runSequences("sequences", options, theirs, listener),
          await runSequences("configurations", options, theirs, listener),
        ];
  const container = theirs === null ? null : await runContainerSequences(options, theirs, listener);
  const dialogues = theirs === null ? null : await runDialogues(options, theirs, listener);
  const cases = options.cases ? await runCases(options, listener) : null;
  const findings = [requests, sequences, configurations, container, dialogues].flatMap(
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
      ...(sequences === null ? [] : [sequenceRow(sequences)]),
      ...(dialogues === null ? [] : [dialogueRow(dialogues)]),
      ...(configurations === null ? [] : [configurationRow(configurations)]),
      ...(container === null ? [] : [containerSequenceRow(container)]),
      ...(cases === null ? [] : [caseRow(cases)]),
    ],
    findings,
    cases: cases?.findings ?? [],
    deaths: requests?.deaths ?? [],
    races:
      (sequences?.deaths ?? 0) +
      (configurations?.deaths ?? 0) +
      (container?.deaths ?? 0) +
      (dialogues?.deaths ?? 0),
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
  if (only !== null && Object.hasOwn(generators, only.surface)) return null;
  if (only?.surface === "sequences" || only?.surface === CONTAINER_SEQUENCES || only?.surface === "dialogues")
    return null;
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

/** What is played with models of its own, step by step. */
const generators = { sequences: generateSequence, configurations: generateConfiguration };

const runSequences = async (
  surface: keyof typeof generators,
  options: ParityOptions,
  theirs: Target,
  listener: ParityListener,
): Promise<SequencesResult | null> => {
  const { ours, seed, only, own, tolerance } = options;
  if (only !== null && only.surface !== surface) return null;
  if (!own || (only === null && options[surface] === 0)) return null;
  await using pair = await StartedPair.start({ ours, theirs, tolerance, content: sequenceContent, own });
  return await playSequences(pair, {
    surface,
    make: generators[surface],
    seed,
    count: options[surface],
    only: only?.number ?? null,
    accepted: acceptedBetween(ours, theirs),
    shrinkLimit: surface === "configurations" ? SHRINK_CONFIGURATIONS : SHRINK_SEQUENCES,
    onProgress: (done, found) =>
      listener.progress(surface, done, only === null ? options[surface] : 1, found),
    onFinding: (finding) => listener.found(finding),
    pause,
  });
};

const runContainerSequences = async (
  { ours, seed, only, own, models, tolerance, containerSequences: count }: ParityOptions,
  theirs: Target,
  listener: ParityListener,
): Promise<SequencesResult | null> => {
  if (only !== null && only.surface !== CONTAINER_SEQUENCES) return null;
  if (!own || models !== null || (only === null && count === 0)) return null;
  return await playContainerSequences(
    { ours, theirs, tolerance },
    {
      seed,
      count,
      only: only?.number ?? null,
      accepted: acceptedBetween(ours, theirs),
      shrinkLimit: SHRINK_SEQUENCES,
      onProgress: (done, found) =>
        listener.progress("sequences of the container API", done, only === null ? count : 1, found),
      onFinding: (finding) => listener.found(finding),
      pause,
    },
  );
};

const runDialogues = async (
  options: ParityOptions,
  theirs: Target,
  listener: ParityListener,
): Promise<DialoguesResult | null> => {
  const { ours, seed, only, own, tolerance } = options;
  if (only !== null && only.surface !== "dialogues") return null;
  if (!own || (only === null && options.dialogues === 0)) return null;
  if (!hasGrpc()) {
    listener.say(NO_GRPC);
    return null;
  }
  await using pair = await StartedPair.start({ ours, theirs, tolerance, content: dialogueContent, own });
  return await playDialogues(pair, {
    seed,
    count: options.dialogues,
    only: only?.number ?? null,
    accepted: acceptedBetween(ours, theirs),
    shrinkLimit: SHRINK_DIALOGUES,
    onProgress: (done, found) =>
      listener.progress("dialogues", done, only === null ? options.dialogues : 1, found),
    onFinding: (finding) => listener.found(finding),
    rest: (milliseconds) => sleep(milliseconds),
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
