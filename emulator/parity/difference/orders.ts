import type { Sequence } from "../traffic/sequences/sequence.ts";

/**
 * Whether some order of the operations that a step does at the same time comes out right: `isRight` plays the sequence up
 * to there with them one after the other.
 */
export const isOneOfTheOrders = async (
  sequence: Sequence,
  at: number,
  isRight: (candidate: Sequence) => Promise<boolean>,
): Promise<boolean> => {
  const step = sequence.steps[at] ?? [];
  for (const order of permutations(step)) {
    const steps = [...sequence.steps.slice(0, at), ...order.map((operation) => [operation])];
    if (await isRight({ ...sequence, steps })) return true;
  }
  return false;
};

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, index) =>
        permutations(items.filter((_, at) => at !== index)).map((rest) => [item, ...rest]),
      );
