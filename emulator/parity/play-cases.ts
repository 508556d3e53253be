import { areas, retriesOf, waysOf } from "./cases/areas.ts";
import { type ConformanceCase, readCases, readDifferences } from "./cases/conformance-case.ts";
import type { Partner } from "./cases/dialogue.ts";
import { play } from "./cases/play.ts";
import { needsProcess } from "./cases/server-dialogue.ts";
import type { Target } from "./targets/target.ts";

/** What came of the cases of one area. */
export interface AreaResult {
  readonly area: string;
  agree: number;
  differ: number;
  /** Ours answers otherwise on purpose: fixtures/conformance/differences.json. */
  accepted: number;
  notComparable: number;
}

export interface CasesOptions {
  readonly ours: Target;
  /** Null = only ours is held against what the cases say. */
  readonly theirs: Partner | Target | null;
  readonly areas: readonly string[];
  readonly onProgress: (done: number, of: number) => void;
  readonly onFinding: (text: string) => void;
}

export interface CasesResult {
  readonly areas: readonly AreaResult[];
  /** Each disagreement in words. */
  readonly findings: readonly string[];
}

export const caseAreas = areas;

/** Plays the conformance cases with both: they agree where both answer what the case says. */
export const playCases = async (options: CasesOptions): Promise<CasesResult> => {
  const { ours, theirs, onProgress, onFinding } = options;
  const differences = readDifferences();
  const results: AreaResult[] = [];
  const findings: string[] = [];
  const plays = options.areas.flatMap((area) =>
    readCases(area).flatMap((testCase) => waysOf(area, testCase).map((over) => ({ area, testCase, over }))),
  );
  for (const [done, { area, testCase, over }] of plays.entries()) {
    let row = results.find((one) => one.area === area);
    if (row === undefined) {
      row = { area, agree: 0, differ: 0, accepted: 0, notComparable: 0 };
      results.push(row);
    }
    const own = differences.filter((entry) => entry.case === testCase.id && (entry.over ?? over) === over);
    const impossible = [ours, theirs].some((side) => side !== null && !canPlay(side, testCase));
    if (impossible || own.some(({ step }) => step === undefined)) {
      row.notComparable++;
    } else {
      const problems: string[] = [];
      for (const side of [ours, theirs]) {
        if (side === null) continue;
        const found = await withRetries(side, testCase, () =>
          play(testCase, side, { over, differences: own }),
        );
        if (found.length > 0)
          problems.push(`${testCase.id} over ${over}, ${side.name}:\n  ${found.join("\n  ")}`);
      }
      for (const problem of problems) onFinding(problem);
      findings.push(...problems);
      if (problems.length > 0) row.differ++;
      else if (own.length > 0) {
        row.differ++;
        row.accepted++;
      } else row.agree++;
    }
    onProgress(done + 1, plays.length);
  }
  return { areas: results, findings };
};

const canPlay = (side: Partner | Target, testCase: ConformanceCase): boolean =>
  !("start" in side) ||
  (side.cannotPlay?.({ flags: testCase.server.flags, ownProcess: testCase.steps.some(needsProcess) }) ??
    null) === null;

const withRetries = async (
  side: Partner | Target,
  testCase: ConformanceCase,
  run: () => Promise<readonly string[]>,
): Promise<readonly string[]> => {
  let found = await run();
  for (let left = retriesOf(testCase, side.real); left > 0 && found.length > 0; left--) found = await run();
  return found;
};
