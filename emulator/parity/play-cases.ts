import { areas, retriesOf, type Way, waysOf } from "./cases/areas.ts";
import {
  type ConformanceCase,
  type Difference,
  readCases,
  readDifferences,
} from "./cases/conformance-case.ts";
import type { Partner } from "./cases/dialogue.ts";
import { play } from "./cases/play.ts";
import { needsProcess } from "./cases/server-dialogue.ts";
import { sideBySide } from "./side-by-side.ts";
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

/** Cases under way at a time; most of them wait. */
const WORKERS = 6;

interface Play {
  readonly area: string;
  readonly testCase: ConformanceCase;
  readonly over: Way;
  /** What ours does otherwise on purpose. */
  readonly own: readonly Difference[];
}

/** Plays the conformance cases with both: they agree where both answer what the case says. */
export const playCases = async (options: CasesOptions): Promise<CasesResult> => {
  const { ours, theirs, onProgress, onFinding } = options;
  const differences = readDifferences();
  const rows = new Map(
    options.areas.map((area) => [area, { area, agree: 0, differ: 0, accepted: 0, notComparable: 0 }]),
  );
  const plays: readonly Play[] = options.areas.flatMap((area) =>
    readCases(area).flatMap((testCase) =>
      waysOf(area, testCase).map((over) => ({
        area,
        testCase,
        over,
        own: differences.filter((entry) => entry.case === testCase.id && (entry.over ?? over) === over),
      })),
    ),
  );
  const sides = [ours, theirs].filter((side) => side !== null);
  const comparable = plays.filter(
    ({ testCase, own }) =>
      sides.every((side) => canPlay(side, testCase)) && own.every(({ step }) => step !== undefined),
  );
  for (const { area } of plays) {
    const row = rows.get(area);
    if (row !== undefined) row.notComparable++;
  }
  let done = plays.length - comparable.length;
  const playedOnce = await sideBySide(comparable, WORKERS, async (one) => {
    const problems = await problemsOf(one, sides);
    onProgress(++done, plays.length);
    return { one, problems };
  });
  const findings: string[] = [];
  for (const { one, problems } of playedOnce) {
    // Beside others a server may answer too late for what a case says about time; alone it has the machine to itself.
    const left = problems.length === 0 ? [] : await problemsOf(one, sides);
    for (const problem of left) onFinding(problem);
    findings.push(...left);
    const row = rows.get(one.area);
    if (row === undefined) continue;
    row.notComparable--;
    if (left.length > 0) row.differ++;
    else if (one.own.length > 0) {
      row.differ++;
      row.accepted++;
    } else row.agree++;
  }
  return { areas: [...rows.values()], findings };
};

/** Both sides at once: each has a server and a repository of its own. */
const problemsOf = async (
  { testCase, over, own }: Play,
  sides: readonly (Partner | Target)[],
): Promise<readonly string[]> => {
  const problems = await Promise.all(
    sides.map(async (side) => {
      const found = await withRetries(side, testCase, () => play(testCase, side, { over, differences: own }));
      return found.length === 0
        ? []
        : [`${testCase.id} over ${over}, ${side.name}:\n  ${found.join("\n  ")}`];
    }),
  );
  return problems.flat();
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
