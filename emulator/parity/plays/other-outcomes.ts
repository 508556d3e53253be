import { isOneOfTheOrders } from "../difference/orders.ts";
import type { StepTold } from "../traffic/told.ts";
import { differenceOfSteps } from "./outcome.ts";

const TRIES = 5;

/**
 * Whether the real server, asked again, comes to what ours did in its last step: with the operations of that step in some
 * order, or as all meet once more.
 * @param ours what each step showed, up to the one in question
 * @param playOnTheirs plays it on the real server alone; steps that it did not come to are absent
 */
export const isAnotherOutcome = async <S extends { readonly steps: readonly (readonly unknown[])[] }>(
  story: S,
  ours: readonly StepTold[],
  playOnTheirs: (candidate: S) => Promise<readonly StepTold[]>,
  tolerance: number,
): Promise<boolean> => {
  const at = ours.length - 1;
  const own = ours[at];
  if (own === undefined) return false;
  const isSame = (a: StepTold, b: StepTold): boolean => differenceOfSteps(a, b, tolerance) === null;
  /** @param order of the operations of the last step of ours, one after the other; null = at the same time */
  const comesOut = async (candidate: S, order: readonly number[] | null): Promise<boolean> => {
    // Again where an earlier step, in which operations met, comes out otherwise than it did.
    for (let tries = 0; tries < TRIES; tries++) {
      const told = await playOnTheirs(candidate);
      const state = told.at(-1)?.state;
      if (state === undefined) return false;
      const operations = told.slice(at).flatMap((step) => step.operations);
      const inPlace = order === null ? operations : order.map((_, index) => operations[order.indexOf(index)]);
      if (isSame(own, { operations: inPlace.filter((one) => one !== undefined), state })) return true;
      const isAsBefore = (step: StepTold, index: number): boolean => {
        const before = ours[index];
        return before === undefined || isSame(before, step);
      };
      if (told.slice(0, at).every(isAsBefore)) return false;
    }
    return false;
  };
  const upToHere = { ...story, steps: story.steps.slice(0, at + 1) };
  if (await isOneOfTheOrders(upToHere, at, comesOut)) return true;
  for (let tries = 0; tries < TRIES; tries++) if (await comesOut(upToHere, null)) return true;
  return false;
};
