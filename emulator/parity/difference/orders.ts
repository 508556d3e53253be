/**
 * Whether some order of the operations that a step does at the same time comes out right.
 * @param isRight plays the steps up to there with them one after the other; `order` = which of the step comes when
 */
export const isOneOfTheOrders = async <S extends { readonly steps: readonly (readonly unknown[])[] }>(
  sequence: S,
  at: number,
  isRight: (candidate: S, order: readonly number[]) => Promise<boolean>,
): Promise<boolean> => {
  const step = sequence.steps[at] ?? [];
  for (const order of permutations([...step.keys()])) {
    const alone = order.flatMap((index) => step.slice(index, index + 1)).map((operation) => [operation]);
    const steps = [...sequence.steps.slice(0, at), ...alone];
    if (await isRight({ ...sequence, steps }, order)) return true;
  }
  return false;
};

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length < 2
    ? [[...items]]
    : items.flatMap((item, index) =>
        permutations(items.filter((_, at) => at !== index)).map((rest) => [item, ...rest]),
      );
