import { expect, test } from "vitest";
import { isAnotherOutcome } from "../../../../emulator/parity/plays/other-outcomes.ts";
import type { StepTold, Told } from "../../../../emulator/parity/traffic/told.ts";

const told = (what: string, status: number): Told => ({
  at: 0,
  what,
  answer: {
    kind: "http",
    answer: { statusLine: `HTTP/1.1 ${status} OK`, status, headers: [], body: Buffer.from("{}") },
    seconds: 0,
  },
});

/** The first operation to come is answered 200, every other one 400. */
const inTurn = async ({ steps }: { readonly steps: readonly (readonly string[])[] }): Promise<StepTold[]> => {
  let done = 0;
  return steps.map((step) => ({
    operations: step.map((what) => told(what, done++ === 0 ? 200 : 400)),
    state: [told("state", 200)],
  }));
};

const story = { steps: [["a", "b"], ["c"]] };

test("isAnotherOutcome: some order of the operations comes to what ours did", async () => {
  const ours = [{ operations: [told("a", 400), told("b", 200)], state: [told("state", 200)] }];
  expect(await isAnotherOutcome(story, ours, inTurn, 0)).toBe(true);
});

test("isAnotherOutcome: false where no order does, nor all at once", async () => {
  const ours = [{ operations: [told("a", 400), told("b", 400)], state: [told("state", 200)] }];
  expect(await isAnotherOutcome(story, ours, inTurn, 0)).toBe(false);
});

test("isAnotherOutcome: false where the real server did not come so far", async () => {
  const ours = [{ operations: [told("a", 200)], state: [] }];
  expect(await isAnotherOutcome(story, ours, async () => [], 0)).toBe(false);
});
