type Stop = () => Promise<void>;

const started = new Set<Stop>();

/** Notes how to end what was started, until the function that comes back is called. */
export const stopWithUs = (stop: Stop): (() => void) => {
  started.add(stop);
  return () => void started.delete(stop);
};

/** Ends all that was started and still runs, the last first; for a run that is broken off. */
export const stopAll = async (): Promise<void> => {
  for (const stop of [...started].reverse()) await stop().catch(() => {});
};
