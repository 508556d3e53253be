import type { Clock, Timer } from "../../common/clock.ts";
import type { ContainerAnswer } from "./container.ts";

/** What of a container is asked while it starts. */
export interface StartingContainer {
  ping(answered: (answer: ContainerAnswer | null) => void): void;
  /** Absent = it serves one model, and has no list. */
  list?(answered: (answer: ContainerAnswer | null) => void): void;
}

/** Between two pings; AWS's are about 5 s apart, which nobody here shall wait for. */
const PAUSE_US = 500_000;

/**
 * Pings a container that was started until it is well: 200 to a ping, and to the list that follows where it has one
 * (spec/sagemaker-mme.md 1.1, 1.2).
 * @param done called once, in this turn or later: whether that came to be within `limitUs`
 */
export const awaitHealthy = (
  container: StartingContainer,
  { clock, limitUs }: { readonly clock: Clock; readonly limitUs: number },
  done: (healthy: boolean) => void,
): { cancel(): void } => {
  let open = true;
  let pause: Timer | null = null;
  const end = (healthy: boolean): void => {
    if (!open) return;
    cancel();
    done(healthy);
  };
  const cancel = (): void => {
    open = false;
    pause?.cancel();
    limit.cancel();
  };
  const limit = clock.setTimer(limitUs, () => end(false));
  const judge = (good: boolean): void => {
    if (!open) return;
    if (good) end(true);
    else pause = clock.setTimer(PAUSE_US, ping);
  };
  const ping = (): void =>
    container.ping((answer) => {
      if (!open) return;
      if (answer?.status !== 200 || container.list === undefined) judge(answer?.status === 200);
      else container.list((list) => judge(list?.status === 200));
    });
  ping();
  return { cancel };
};
