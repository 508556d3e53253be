import { sentAs, type Way } from "../cases/areas.ts";
import type { ConformanceCase } from "../cases/conformance-case.ts";
import { CannotPlay, type Dialogue, type Partner } from "../cases/dialogue.ts";
import { requestOf } from "../cases/judge.ts";
import { DEFAULT_ONNX_RUNTIME, TRITON_VERSION } from "../real-triton/server-files.ts";
import { recordingsFolder } from "../shipped-files.ts";
import { StartFailure } from "../targets/target.ts";
import {
  digestOf,
  type RecordedFrom,
  type Recording,
  readRecordings,
  recordingFiles,
} from "./recording-file.ts";
import { read } from "./written-observation.ts";

export const REMAKE = "npm run parity -- --record";

/** The folder of what this release answered. */
export const standardFolder = new URL(`${TRITON_VERSION}-ort-${DEFAULT_ONNX_RUNTIME}/`, recordingsFolder);

export interface RecordedPartner extends Partner {
  /** The first line of its files. */
  readonly from: RecordedFrom;
  readonly folder: URL;
}

/**
 * Answers as a real server once did. A case that was not recorded, or asks something else since, cannot be played.
 * @param folder holds one file per area, as recordCases writes them
 */
export const recordedPartner = (folder: URL = standardFolder): RecordedPartner => {
  const files = recordingFiles(folder).map((file) => readRecordings(file));
  const [first] = files;
  if (first === undefined)
    throw new CannotPlay(`there are no recordings in ${folder.pathname}; make them with: ${REMAKE}`);
  const recordings = new Map(
    files
      .flatMap((file) => file.recordings)
      .map((recording) => [key(recording.case, recording.over), recording]),
  );
  const { from } = first;
  return {
    name: `recordings of ${from.server} (${from.target}, ${from.date})`,
    real: true,
    onnxRuntime: from.onnxRuntime,
    from,
    folder,
    open: async (testCase, way) => {
      const recording = recordings.get(key(testCase.id, way));
      if (recording === undefined)
        throw new CannotPlay(`${testCase.id} over ${way} is not recorded; record it with: ${REMAKE}`);
      if (recording.asked !== digestOf(testCase, way))
        throw new CannotPlay(
          `${testCase.id} over ${way} asks something else since it was recorded; record it again with: ${REMAKE}`,
        );
      if (recording.start !== undefined) throw new StartFailure(recording.start.exit, recording.start.output);
      return recordedDialogue(testCase, way, recording);
    },
  };
};

const key = (id: string, way: Way): string => `${id} over ${way}`;

/** Recordings hold {repo} and {tmp} where the paths were. */
const recordedDialogue = (testCase: ConformanceCase, way: Way, { steps }: Recording): Dialogue => ({
  repository: "{repo}",
  scratch: "{tmp}",
  perform: async (index) => {
    const step = testCase.steps[index]!;
    if ("sleep" in step || "act" in step || ("request" in step && step.start !== undefined)) return null;
    const written = steps.get(index);
    if (written === undefined)
      throw new CannotPlay(
        `step ${index} of ${testCase.id} over ${way} is not recorded; record it with: ${REMAKE}`,
      );
    const request = requestOf(testCase, step);
    const sent = request === undefined ? undefined : sentAs(request, way);
    return read(written, sent !== undefined && "grpc" in sent ? sent.grpc : "");
  },
  close: async () => {},
});
