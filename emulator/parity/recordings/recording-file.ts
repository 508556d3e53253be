import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { sentAs, type Way } from "../cases/areas.ts";
import type { ConformanceCase, Seen, Step } from "../cases/conformance-case.ts";
import type { Json } from "../exchange/json.ts";
import type { WrittenObservation } from "./written-observation.ts";

/** The first line of a file: what answered, and how it was asked. */
export interface RecordedFrom {
  readonly server: string;
  readonly onnxRuntime: string;
  /** Kind of target. */
  readonly target: string;
  /** YYYY-MM-DD */
  readonly date: string;
  readonly command: string;
}

/** One case, played one way. */
export interface Recording {
  readonly case: string;
  readonly over: Way;
  /** Digest of what was asked. */
  readonly asked: string;
  /** The server ended before it was ready. */
  readonly start?: { readonly exit: number; readonly output: string };
  readonly steps: ReadonlyMap<number, WrittenObservation>;
}

/** A digest of all that a case asks, without what it expects. */
export const digestOf = ({ server, models, loaded = [], steps }: ConformanceCase, way: Way): string => {
  const { flags, env = {} } = server;
  const asked = { flags, env, models, loaded, steps: steps.map((step) => question(step, way)) };
  return createHash("sha256").update(JSON.stringify(asked)).digest("hex").slice(0, 16);
};

const question = (step: Step, way: Way): unknown => {
  if ("request" in step) return { start: step.start, request: sentAs(step.request, way) };
  if ("await" in step) return { await: step.await };
  return "seen" in step ? { seen: sight(step.seen) } : step;
};

const sight = (seen: Seen): Json => {
  if ("log" in seen) return "log";
  if ("exit" in seen) return "exit";
  if ("files" in seen) return "files";
  if ("file" in seen) return { file: seen.file };
  return { model: seen.instances.model, requests: seen.instances.requests };
};

/** One line each: where it comes from, then each case and its steps. */
export const writeRecordings = (file: URL, from: RecordedFrom, recordings: readonly Recording[]): void => {
  const lines = recordings.flatMap(({ steps, ...head }) => [
    head,
    ...[...steps].map(([step, observation]) => ({ step, ...observation })),
  ]);
  writeFileSync(file, [from, ...lines].map((line) => `${JSON.stringify(line)}\n`).join(""));
};

type Line = Omit<Recording, "steps"> | ({ readonly step: number } & WrittenObservation);

export const readRecordings = (
  file: URL,
): { readonly from: RecordedFrom; readonly recordings: readonly Recording[] } => {
  const [first = "{}", ...rest] = readFileSync(file, "utf8").trimEnd().split("\n");
  const recordings: Recording[] = [];
  let steps = new Map<number, WrittenObservation>();
  for (const text of rest) {
    const line: Line = JSON.parse(text);
    if ("step" in line) {
      const { step, ...observation } = line;
      steps.set(step, observation);
    } else {
      steps = new Map();
      recordings.push({ ...line, steps });
    }
  }
  const from: RecordedFrom = JSON.parse(first);
  return { from, recordings };
};

/** The files of a release; none where it was not recorded. */
export const recordingFiles = (folder: URL): readonly URL[] =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .map((name) => new URL(name, folder));
