type Stop = () => Promise<void>;

const started = new Set<Stop>();
let isBrokenOff = false;

/**
 * Notes how to end what was started, until the function that comes back is called. Throws in a run that is broken off, and
 * what was just started is ended with the rest.
 */
export const stopWithUs = (stop: Stop): (() => void) => {
  started.add(stop);
  if (isBrokenOff) throw new Error("the run is broken off");
  return () => void started.delete(stop);
};

/** Ends all that was started and still runs, the last first, and whatever is started meanwhile; the run is broken off. */
export const stopAll = async (): Promise<void> => {
  isBrokenOff = true;
  for (let last = [...started].at(-1); last !== undefined; last = [...started].at(-1)) {
    started.delete(last);
    await last().catch(() => {});
  }
};
