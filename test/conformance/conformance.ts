import { describe, expect, test } from "vitest";
import { retriesOf, waysOf } from "../../emulator/parity/cases/areas.ts";
import { readCases, readDifferences } from "../../emulator/parity/cases/conformance-case.ts";
import { play } from "../../emulator/parity/cases/play.ts";
import { needsProcess } from "../../emulator/parity/cases/server-dialogue.ts";
import { chosenTarget } from "../support/targets/chosen-target.ts";

const differences = readDifferences();
const chosen = await chosenTarget();

/**
 * Plays every case of an area, and again with each HTTP request that has a gRPC equivalent sent as that. Cases run
 * side by side: each has a server and a repository of its own, and many of them only wait.
 */
export const conformance = (area: string, target = chosen): void => {
  describe(`${area} against ${target.name}`, () => {
    for (const testCase of readCases(area)) {
      const own = target.real ? [] : differences.filter((entry) => entry.case === testCase.id);
      for (const over of waysOf(area, testCase)) {
        const title = `${testCase.id} over ${over}: ${testCase.title}`;
        const skipped = own.find((entry) => entry.step === undefined && (entry.over ?? over) === over);
        const ownProcess = testCase.steps.some(needsProcess);
        const impossible =
          "start" in target
            ? (target.cannotPlay?.({ flags: testCase.server.flags, ownProcess }) ?? null)
            : null;
        if (skipped !== undefined || impossible !== null) {
          test.skip(`${title} (not checked: ${skipped?.reason ?? impossible})`);
          continue;
        }
        const run = "start" in target && target.sharedRepository !== undefined ? test : test.concurrent;
        run(title, { retry: retriesOf(testCase, target.real) }, async () => {
          expect((await play(testCase, target, { over, differences: own })).join("\n")).toBe("");
        });
      }
    }
  });
};
