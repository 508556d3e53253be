import { expect, test } from "vitest";
import type { AcceptedDifference } from "../../../../emulator/parity/difference/accepted-differences.ts";
import type { Finding } from "../../../../emulator/parity/difference/finding.ts";
import type { Difference, Outcome } from "../../../../emulator/parity/plays/outcome.ts";
import { type Plays, type PlaysResult, runPlays } from "../../../../emulator/parity/plays/run-plays.ts";

/** A story is the letters of its steps. */
const plays = (play: (story: string) => Outcome, changes: Partial<Plays<string>> = {}): Plays<string> => ({
  name: "sequences",
  make: () => "abc",
  play: async (story) => play(story),
  simpler: function* (story) {
    for (const [at] of [...story].entries()) yield story.slice(0, at) + story.slice(at + 1);
  },
  text: (story) => story,
  stepText: null,
  atOnce: 1,
  shrinkLimit: 20,
  ...changes,
});

const agree: Outcome = { kind: "agree", otherOrder: false };

const differ = (at: number): Difference => ({
  kind: "differ",
  at,
  what: `step ${at}`,
  divergences: [{ where: "status", ours: "200", theirs: "500" }],
  ours: "200",
  theirs: "500",
});

const run = async (
  story: Plays<string>,
  accepted: readonly AcceptedDifference[] = [],
  count = 1,
): Promise<PlaysResult & { readonly found: readonly Finding[] }> => {
  const found: Finding[] = [];
  const result = await runPlays(story, {
    seed: 1,
    count,
    only: null,
    accepted,
    onProgress: () => {},
    onFinding: (finding) => found.push(finding),
  });
  return { ...result, found };
};

test("runPlays: shrinks a story to the steps without which the servers agree, and tells one mistake once", async () => {
  const differsWithB = (story: string): Outcome => (story.includes("b") ? differ(story.indexOf("b")) : agree);
  const { differ: differing, found } = await run(plays(differsWithB), [], 3);
  expect(differing).toBe(3);
  expect(found).toMatchObject([
    {
      first: "sequences:0",
      count: 3,
      command: "b\ndiffers after step 0, in step 0",
      again: true,
      accepted: null,
    },
  ]);
});

test("runPlays: does not shrink what its step explains", async () => {
  const played: string[] = [];
  const known = { name: "known", request: "the step b", reason: "because" };
  const story = plays(
    (candidate) => {
      played.push(candidate);
      return differ(1);
    },
    { stepText: (steps, at) => `the step ${steps[at]}` },
  );
  const { accepted, found } = await run(story, [known]);
  expect(played).toEqual(["abc"]);
  expect(accepted).toBe(1);
  expect(found).toMatchObject([{ command: "abc\ndiffers after step 1, in step 1", accepted: "known" }]);
});

test("runPlays: a difference that does not show again is told as it was seen", async () => {
  let times = 0;
  const { found } = await run(plays(() => (times++ === 0 ? differ(2) : agree)));
  expect(found).toMatchObject([{ command: "abc\ndiffers after step 2, in step 2", again: false }]);
});

test("runPlays: plays again when the real server died, and gives up when it always does", async () => {
  let tries = 0;
  expect(await run(plays(() => (tries++ < 2 ? { kind: "died" } : agree)))).toMatchObject({
    agree: 1,
    deaths: 2,
    notComparable: 0,
  });
  expect(await run(plays(() => ({ kind: "died" })))).toMatchObject({ agree: 0, deaths: 5, notComparable: 1 });
});

test("runPlays: plays no more at the same time than it may", async () => {
  let now = 0;
  let most = 0;
  const story = plays(() => agree, {
    atOnce: 2,
    play: async () => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      return agree;
    },
  });
  expect((await run(story, [], 7)).agree).toBe(7);
  expect(most).toBe(2);
});
