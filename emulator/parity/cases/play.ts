import { StartFailure, type Target } from "../targets/target.ts";
import type { Way } from "./areas.ts";
import type { Differences } from "./compare.ts";
import type { ConformanceCase, Difference } from "./conformance-case.ts";
import { CannotPlay, type Dialogue, type Partner } from "./dialogue.ts";
import { Judge, judgeFailedStart, numbered } from "./judge.ts";
import { withServer } from "./server-dialogue.ts";

export interface PlayOptions {
  readonly over: Way;
  /** Where ours answers otherwise on purpose; they do not count with a real server. */
  readonly differences: readonly Difference[];
}

/** Plays a case. The result lists every disagreement, with the number of its step. */
export const play = async (
  testCase: ConformanceCase,
  partner: Partner | Target,
  options: PlayOptions,
): Promise<Differences> => {
  const player = "open" in partner ? partner : withServer(partner);
  const wanted = player.real ? testCase : withOwnSights(testCase, options);
  let dialogue: Dialogue | null = null;
  try {
    dialogue = await player.open(wanted, options.over);
    return await converse(wanted, player, dialogue, options);
  } catch (error) {
    if (error instanceof StartFailure) return judgeFailedStart(wanted, error, player.real);
    if (error instanceof CannotPlay) return [error.message];
    throw error;
  } finally {
    await dialogue?.close();
  }
};

const converse = async (
  testCase: ConformanceCase,
  { real, onnxRuntime }: Partner,
  dialogue: Dialogue,
  { over, differences }: PlayOptions,
): Promise<Differences> => {
  const { repository, scratch } = dialogue;
  const placed: ConformanceCase = JSON.parse(JSON.stringify(testCase).replaceAll("{tmp}", scratch));
  const judge = new Judge(placed, { way: over, real, onnxRuntime, differences, repository });
  const found: string[] = [];
  for (const index of placed.steps.keys()) {
    const seen = await dialogue.perform(index, (observed) => judge.step(index, observed).length === 0);
    if (seen !== null) found.push(...numbered(index, judge.step(index, seen)));
  }
  return found;
};

/** What is to be seen of ours where that is something else. */
const withOwnSights = (testCase: ConformanceCase, { over, differences }: PlayOptions): ConformanceCase => ({
  ...testCase,
  steps: testCase.steps.map((step, index) => {
    const own = differences.find((entry) => entry.step === index && (entry.over ?? over) === over)?.seen;
    return "seen" in step && own !== undefined ? { seen: own } : step;
  }),
});
