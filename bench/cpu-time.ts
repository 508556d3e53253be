import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** CPU time, that of the garbage collector included: others use the same cores. */
export const nanosecondsEach = (count: number, run: (index: number) => void): number => {
  // What an earlier measurement left behind is not paid for here.
  collectGarbage();
  const before = process.cpuUsage();
  for (let index = 0; index < count; index++) run(index);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / count;
};

export const collectGarbage = (): void => {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect();
};
