import { compareAnswers, describeAnswer } from "../difference/compare-answers.ts";
import type { Divergence } from "../difference/compare-json.ts";
import type { StepTold, Told } from "../traffic/told.ts";

/** What one play on both servers showed. */
export type Outcome =
  | { readonly kind: "agree"; readonly otherOrder: boolean }
  /** The real server ended, or was silent for good. */
  | { readonly kind: "died" }
  | Difference;

export interface Difference {
  readonly kind: "differ";
  /** Number of the step. */
  readonly at: number;
  /** What was asked. */
  readonly what: string;
  readonly divergences: readonly Divergence[];
  readonly ours: string;
  readonly theirs: string;
}

/** The first of the answers that are not the same. @param tolerance relative, of floating-point results */
export const differenceOf = (
  ours: readonly Told[],
  theirs: readonly Told[],
  tolerance: number,
): Difference | null => {
  for (const [index, told] of theirs.entries()) {
    const own = ours[index];
    if (own === undefined) continue;
    const { divergences } = compareAnswers(own.answer, told.answer, { tolerance });
    if (divergences.length > 0)
      return {
        kind: "differ",
        at: told.at,
        what: told.what,
        divergences,
        ours: describeAnswer(own.answer),
        theirs: describeAnswer(told.answer),
      };
  }
  return null;
};

/** Of what was done first; then of the state after it. */
export const differenceOfSteps = (ours: StepTold, theirs: StepTold, tolerance: number): Difference | null =>
  differenceOf(ours.operations, theirs.operations, tolerance) ?? differenceOfStates(ours, theirs, tolerance);

export const differenceOfStates = (
  { state: ours }: StepTold,
  { state: theirs }: StepTold,
  tolerance: number,
): Difference | null => {
  const found = differenceOf(ours, theirs, tolerance);
  return found === null ? null : { ...found, what: `state: ${found.what}` };
};

/** What the gRPC client says in the place of a status. */
const lostConnection = /^(Connection dropped|read ECONNRESET|No connection established\b.*)$/s;

/** A connection that ends without an answer comes before the end of the process is known. */
export const hangsUp = ({ divergences }: Difference): boolean =>
  divergences.some(
    ({ where, theirs }) => where === "connection" || (where === "message" && lostConnection.test(theirs)),
  );
