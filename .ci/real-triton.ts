import { parseArgs } from "node:util";
import { areas, retriesOf, TRIES_ALONE, type Way, waysOf } from "../emulator/parity/cases/areas.ts";
import { type ConformanceCase, readCases } from "../emulator/parity/cases/conformance-case.ts";
import { play } from "../emulator/parity/cases/play.ts";
import { Unavailable } from "../emulator/parity/real-triton/unavailable.ts";
import { type Chosen, chooseTarget, notTaken } from "../emulator/parity/targets/choose.ts";
import type { Target } from "../emulator/parity/targets/target.ts";

/*
 * Plays all conformance cases against a real Triton, natively and in a container, both made here where the machine allows
 * it. What could not be checked is said, and counted as skipped. The last line is `N passed, N failed, N skipped`.
 *
 *   node .ci/real-triton.ts [--kinds=native,container] [--areas=lifecycle,...] [--minutes=25] [--workers=8]
 */

const { values } = parseArgs({
  options: {
    kinds: { type: "string", default: "native,container" },
    areas: { type: "string", default: areas.join() },
    minutes: { type: "string", default: "25" },
    workers: { type: "string", default: "8" },
  },
});

/** A case and a way of playing it. */
interface Play {
  readonly area: string;
  readonly testCase: ConformanceCase;
  readonly over: Way;
}

const plays: readonly Play[] = values.areas
  .split(",")
  .flatMap((area) =>
    readCases(area).flatMap((testCase) => waysOf(area, testCase).map((over) => ({ area, testCase, over }))),
  );
const giveUp = Date.now() + Number(values.minutes) * 60_000;
const total = { passed: 0, failed: 0, skipped: 0 };
const say = (line: string): void => console.log(`real Triton, ${line}`);

/** Null = it agreed. */
const disagreement = async ({ testCase, over }: Play, target: Target): Promise<string | null> => {
  for (let retries = retriesOf(testCase, true); ; retries--) {
    const found = await play(testCase, target, { over, differences: [] }).catch((error: unknown) => [
      error instanceof Error ? error.message : String(error),
    ]);
    if (found.length === 0) return null;
    if (retries === 0) return `${testCase.id} over ${over}: ${testCase.title}\n  ${found.join("\n  ")}`;
  }
};

interface Doubtful {
  readonly play: Play;
  readonly found: string;
}

/** Those that did not agree. `workers` are under way at a time; most of them wait. */
const playAll = async (kind: string, target: Target): Promise<readonly Doubtful[]> => {
  const left = [...plays];
  const doubtful: Doubtful[] = [];
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined && Date.now() < giveUp; next = left.shift()) {
      const found = await disagreement(next, target);
      if (found === null) total.passed++;
      else doubtful.push({ play: next, found });
      if (++done % 50 === 0) say(`${kind}: ${done} of ${plays.length} cases`);
      if (Date.now() >= giveUp) return;
    }
  };
  await Promise.all(Array.from({ length: Number(values.workers) }, worker));
  const skipped = plays.length - done;
  total.skipped += skipped;
  if (skipped > 0)
    say(
      `${kind}: ${skipped} cases not checked, time was up. To check them: TARGET=${kind} npx vitest run test/conformance`,
    );
  return doubtful;
};

const check = async (kind: "native" | "container"): Promise<void> => {
  let chosen: Chosen;
  try {
    chosen = await chooseTarget({ wanted: kind, mayStartEngine: true, say });
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    say(`${notTaken(kind, error)}; then TARGET=${kind} npx vitest run test/conformance`);
    total.skipped += plays.length;
    return;
  }
  const { target } = chosen;
  if (target === null) return;
  try {
    const passedBefore = total.passed;
    // Where eight cases share two cores some answer too late; alone they have the machine to themselves. The real server
    // loses races of its own now and then, so one disagreement alone is not the last word either.
    for (const doubtful of await playAll(kind, target)) {
      let found: string | null = doubtful.found;
      for (let tries = 0; tries < TRIES_ALONE && found !== null && Date.now() < giveUp; tries++)
        found = await disagreement(doubtful.play, target);
      if (found === null) {
        total.passed++;
        say(`${kind}: agrees when played alone: ${doubtful.play.testCase.id} over ${doubtful.play.over}`);
      } else {
        total.failed++;
        say(`${kind}: FAILED ${found}`);
      }
    }
    say(`${kind}: ${total.passed - passedBefore} of ${plays.length} cases agree`);
  } finally {
    await chosen.close();
  }
};

// Servers of this process are ended when it exits, which a signal alone does not make it do.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

for (const kind of ["native", "container"] as const)
  if (values.kinds.split(",").includes(kind)) await check(kind);

console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed === 0 ? 0 : 1);
