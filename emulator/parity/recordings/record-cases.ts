import { mkdirSync } from "node:fs";
import { areas as allAreas, retriesOf, TRIES_ALONE, type Way, waysOf } from "../cases/areas.ts";
import type { Differences } from "../cases/compare.ts";
import { type ConformanceCase, readCases, type Step } from "../cases/conformance-case.ts";
import { overheard } from "../cases/dialogue.ts";
import { temporaryFolder } from "../cases/model-repository.ts";
import { play } from "../cases/play.ts";
import { withServer } from "../cases/server-dialogue.ts";
import { exchange, parseAnswer, requestBytes } from "../exchange/http-connection.ts";
import { recordingsFolder } from "../shipped-files.ts";
import { sideBySide } from "../side-by-side.ts";
import type { Target } from "../targets/target.ts";
import { REMAKE } from "./recorded-partner.ts";
import { digestOf, type RecordedFrom, type Recording, writeRecordings } from "./recording-file.ts";
import { steady, steadyLog } from "./steady.ts";
import { type WrittenObservation, write } from "./written-observation.ts";

export interface RecordOptions {
  /** Default: all of fixtures/conformance. */
  readonly areas?: readonly string[];
  /** Where the folder of the release is made. Default: fixtures/recordings. */
  readonly folder?: URL;
  readonly date: Date;
  /** Cases played side by side; most of them wait. */
  readonly workers?: number;
  readonly say: (line: string) => void;
}

export interface RecordedCases {
  readonly folder: URL;
  readonly from: RecordedFrom;
  readonly recorded: number;
  /** Cases whose answers are not what the case expects; they are kept as they came. */
  readonly disagreements: readonly string[];
}

/** Plays every conformance case on a real server, in every way, and keeps what came back: one file per area. */
export const recordCases = async (target: Target, options: RecordOptions): Promise<RecordedCases> => {
  const { areas = allAreas, folder: parent = recordingsFolder, workers = 4, say } = options;
  const server = await serverVersion(target);
  const folder = new URL(`${server}-ort-${target.onnxRuntime}/`, parent);
  mkdirSync(folder, { recursive: true });
  const from = {
    server,
    onnxRuntime: target.onnxRuntime,
    target: target.name,
    date: options.date.toISOString().slice(0, 10),
    command: REMAKE,
  };
  const disagreements: string[] = [];
  let recorded = 0;
  for (const area of areas) {
    const plays = readCases(area).flatMap((testCase) =>
      waysOf(area, testCase).map((over) => ({ testCase, over })),
    );
    const played = await sideBySide(plays, workers, async ({ testCase, over }) => ({
      name: `${testCase.id} over ${over}`,
      again: () => record(testCase, over, target),
      ...(await record(testCase, over, target)),
    }));
    const recordings: Recording[] = [];
    for (const { name, again, ...first } of played) {
      let last: Recorded = first;
      // Where several cases share a machine some answer too late, and the real server loses races of its own now and then.
      for (let tries = 0; tries < TRIES_ALONE && last.differences.length > 0; tries++) last = await again();
      if (last.differences.length > 0) disagreements.push(`${name}:\n  ${last.differences.join("\n  ")}`);
      else if (last !== first) say(`as its case says when played alone: ${name}`);
      recordings.push(last.recording);
    }
    writeRecordings(new URL(`${area}.jsonl`, folder), from, recordings);
    recorded += recordings.length;
    say(`recorded ${area}: ${recordings.length}`);
  }
  return { folder, from, recorded, disagreements };
};

interface Recorded {
  readonly recording: Recording;
  readonly differences: Differences;
}

const record = async (testCase: ConformanceCase, over: Way, target: Target): Promise<Recorded> => {
  for (let retries = retriesOf(testCase, true); ; retries--) {
    let start: Recording["start"];
    const steps = new Map<number, WrittenObservation>();
    const partner = overheard(withServer(target), {
      observed: (step, observation, places) => {
        const written = steady(write(observation), places);
        steps.set(step, takesTime(testCase.steps[step]) ? written : withoutSeconds(written));
      },
      failedToStart: ({ exitCode, output }) => {
        start = { exit: exitCode, output: steadyLog(output) };
      },
    });
    const differences = await play(testCase, partner, { over, differences: [] });
    if (differences.length > 0 && retries > 0) continue;
    const head = { case: testCase.id, over, asked: digestOf(testCase, over) };
    return { recording: { ...head, ...(start === undefined ? {} : { start }), steps }, differences };
  }
};

/** Whether how long a step took says something of the server, not only of the machine. */
const takesTime = (step: Step | undefined): boolean =>
  step !== undefined &&
  (("response" in step && "seconds" in step.response) || ("seen" in step && "seconds" in step.seen));

const withoutSeconds = (written: WrittenObservation): WrittenObservation => {
  if (!("seconds" in written)) return written;
  const { seconds: _, ...others } = written;
  return others;
};

const serverVersion = async (target: Target): Promise<string> => {
  using repository = temporaryFolder();
  const flags = ["--model-control-mode=explicit"];
  const server = await target.start({ repository: repository.path, flags, env: {}, ownProcess: false });
  try {
    const bytes = requestBytes({ method: "GET", path: "/v2", headers: {}, body: null });
    const raw = await exchange(server.httpPort, bytes, (received) => parseAnswer(received) !== null, 10_000);
    const metadata: { readonly version: string } = JSON.parse(
      parseAnswer(raw.received)?.body.toString("utf8") ?? "{}",
    );
    return metadata.version;
  } finally {
    await server.stop();
  }
};
