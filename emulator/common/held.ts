import type { Clock } from "./clock.ts";

/** The clock is held until the work has ended, well or not. */
export const held = async <T>(clock: Pick<Clock, "hold">, work: () => Promise<T>): Promise<T> => {
  const release = clock.hold();
  try {
    return await work();
  } finally {
    release();
  }
};
