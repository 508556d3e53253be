import type { Clock, Timer } from "./clock.ts";

/** The machine's clock. Timers do not keep the process alive. */
export class SystemClock implements Clock {
  now(): number {
    return performance.now() * 1000;
  }

  epochMs(): number {
    return Date.now();
  }

  setTimer(delayUs: number, run: () => void): Timer {
    const handle = setTimeout(run, delayUs / 1000);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  }

  defer(run: () => void): void {
    setImmediate(run);
  }
}
