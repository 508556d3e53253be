/**
 * The next multiple of `everyMs`.
 * @param lastMs the multiple whose turn it was last: a timer may run a moment too early, and it is not its turn again
 */
export const nextTick = (nowMs: number, everyMs: number, lastMs: number): number => {
  const nextMs = (Math.floor(nowMs / everyMs) + 1) * everyMs;
  return nextMs === lastMs ? nextMs + everyMs : nextMs;
};
