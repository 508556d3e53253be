import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { held } from "../../../emulator/common/held.ts";
import { SystemClock } from "../../../emulator/common/system-clock.ts";

const HOUR_US = 3_600e6;

afterEach(() => {
  vi.useRealTimers();
});

test("system clock: moved ahead, its time and date are so much later, and go on", async () => {
  const clock = new SystemClock();
  const [nowUs, epochMs] = [clock.now(), clock.epochMs()];
  await clock.advance(HOUR_US);
  expect(clock.now()).toBeGreaterThanOrEqual(nowUs + HOUR_US);
  expect(clock.epochMs()).toBeGreaterThanOrEqual(epochMs + 3_600_000);
  expect(clock.epochMs() - clock.machineEpochMs()).toBeGreaterThan(3_590_000);
  expect(clock.now()).toBeLessThan(nowUs + 2 * HOUR_US);
});

test("system clock: timers due on the way run in order, each at its time, those they set included", async () => {
  const clock = new SystemClock();
  const startUs = clock.now();
  const rung: [string, number][] = [];
  const ring = (name: string) => () => {
    rung.push([name, Math.round((clock.now() - startUs) / 60e6)]);
  };
  clock.setTimer(40 * 60e6, ring("late"));
  clock.setTimer(20 * 60e6, () => {
    ring("early")();
    clock.setTimer(10 * 60e6, ring("set on the way"));
  });
  clock.setTimer(20 * 60e6, ring("equal")).cancel();
  clock.setTimer(2 * HOUR_US, ring("too far"));
  await clock.advance(HOUR_US);
  expect(rung).toEqual([
    ["early", 20],
    ["set on the way", 30],
    ["late", 40],
  ]);
});

test("system clock: what is due after a move rings when the machine's time has brought it there", async () => {
  const clock = new SystemClock();
  const rung = Promise.withResolvers<void>();
  let early = true;
  clock.setTimer(HOUR_US + 5_000_000, () => {
    expect(early).toBe(false);
    rung.resolve();
  });
  await clock.advance(HOUR_US);
  early = false;
  await clock.advance(4_950_000);
  await rung.promise;
});

test("system clock: work that a timer sets off ends before the next one is due", async () => {
  const clock = new SystemClock();
  const done: string[] = [];
  clock.setTimer(60e6, () => {
    void held(clock, async () => {
      await sleep(20);
      done.push("work");
    });
  });
  clock.setTimer(61e6, () => done.push("next"));
  await clock.advance(120e6);
  expect(done).toEqual(["work", "next"]);
});

test("system clock: it has not arrived before the work of the last timer has ended, whatever that sets off", async () => {
  const clock = new SystemClock();
  const done: string[] = [];
  clock.setTimer(60e6, () => {
    const step = (left: number): void => {
      const release = clock.hold();
      setImmediate(() => {
        done.push(`step ${left}`);
        release();
        if (left > 1) queueMicrotask(() => step(left - 1));
      });
    };
    step(5);
  });
  await clock.advance(60e6);
  expect(done).toHaveLength(5);
});

test("system clock: who goes on without a pause does not hold it up", async () => {
  const clock = new SystemClock();
  let over = false;
  const busy = (): void => {
    const release = clock.hold();
    setTimeout(() => {
      if (!over) busy();
      release();
    }, 1);
  };
  busy();
  await clock.advance(60e6);
  over = true;
});

test("system clock: while it waits for work, the limit of that work rings in the machine's time", async () => {
  const clock = new SystemClock();
  clock.setTimer(60e6, () => {
    const release = clock.hold();
    clock.setTimer(10_000, release);
  });
  await clock.advance(HOUR_US);
});

test("system clock: two moves at once are made one after the other", async () => {
  const clock = new SystemClock();
  const startUs = clock.now();
  await Promise.all([clock.advance(HOUR_US), clock.advance(HOUR_US)]);
  expect(clock.now() - startUs).toBeGreaterThanOrEqual(2 * HOUR_US);
});

test("system clock: a timer further away than Node's longest rings in its time, not at once", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const clock = new SystemClock();
  let rung = 0;
  clock.setTimer(100 * 24 * HOUR_US, () => rung++);
  vi.advanceTimersByTime(99 * 24 * 3_600_000);
  expect(rung).toBe(0);
  vi.advanceTimersByTime(24 * 3_600_000 + 1);
  expect(rung).toBe(1);
});
