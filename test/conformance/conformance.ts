import { describe, expect, test } from "vitest";
import {
  type ConformanceCase,
  type HttpRequest,
  readCases,
  readDifferences,
  type Step,
} from "../../emulator/parity/cases/conformance-case.ts";
import { twinOf } from "../../emulator/parity/cases/grpc-twin.ts";
import { needsProcess, play } from "../../emulator/parity/cases/play.ts";
import { chosenTarget } from "../support/targets/chosen-target.ts";

const differences = readDifferences();

type Way = "http" | "grpc";

/**
 * Plays every case of an area, and again with each HTTP request that has a gRPC equivalent sent as that. Cases run
 * side by side: each has a server and a repository of its own, and many of them only wait.
 */
export const conformance = (area: string, ways: readonly Way[] = ["http", "grpc"]): void => {
  const target = chosenTarget();
  describe(`${area} against ${target.name}`, () => {
    for (const testCase of readCases(area)) {
      const own = target.real ? [] : differences.filter((entry) => entry.case === testCase.id);
      for (const over of ways) {
        if (over === "grpc" && !hasTwin(testCase)) continue;
        const title = `${testCase.id} over ${over}: ${testCase.title}`;
        const skipped = own.find((entry) => entry.step === undefined && (entry.over ?? over) === over);
        const ownProcess = testCase.steps.some(needsProcess);
        const impossible = target.cannotPlay?.({ flags: testCase.server.flags, ownProcess }) ?? null;
        if (skipped !== undefined || impossible !== null) {
          test.skip(`${title} (not checked: ${skipped?.reason ?? impossible})`);
          continue;
        }
        const retry = target.real && testCase.unsteady === true ? 20 : hasSideBySide(testCase) ? 2 : 0;
        const run = target.sharedRepository === undefined ? test.concurrent : test;
        run(title, { retry }, async () => {
          expect((await play(testCase, target, { over, differences: own })).join("\n")).toBe("");
        });
      }
    }
  });
};

/** Whether requests are to be there within moments of each other, which a busy machine may not manage the first time. */
const hasSideBySide = (testCase: ConformanceCase): boolean => testCase.steps.some((step) => "start" in step);

/** A trace file tells over which protocol a request came, so such a case is played as it was recorded. */
const hasTwin = (testCase: ConformanceCase): boolean =>
  !testCase.steps.some((step: Step) => "seen" in step && "trace" in step.seen) &&
  testCase.steps.some(
    (step: Step) => "request" in step && isHttp(step.request) && twinOf(step.request) !== null,
  );

const isHttp = (request: object): request is HttpRequest => "path" in request;
