/**
 * Takes the first simpler candidate that still differs, and begins again with that, until none does.
 * @param simpler candidates a step simpler, the boldest first
 * @param limit candidates to try at the most
 */
export const smallest = async <T>(
  start: T,
  simpler: (one: T) => Iterable<T>,
  stillDiffers: (candidate: T) => Promise<boolean>,
  limit: number,
): Promise<T> => {
  let found = start;
  let left = limit;
  for (let again = true; again && left > 0; ) {
    again = false;
    for (const candidate of simpler(found)) {
      if (left-- <= 0) break;
      if (!(await stillDiffers(candidate))) continue;
      found = candidate;
      again = true;
      break;
    }
  }
  return found;
};
