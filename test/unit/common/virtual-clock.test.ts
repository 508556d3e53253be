import { expect, test } from "vitest";
import { VirtualClock } from "../../../emulator/common/virtual-clock.ts";

test("virtual clock: runs timers at their time, equal ones in the order they were set", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const at = (delayUs: number, name: string): void => {
    clock.setTimer(delayUs, () => ran.push(`${name}@${clock.now()}`));
  };
  at(20, "b");
  at(10, "a");
  at(20, "c");
  clock.advance(19);
  expect(ran).toEqual(["a@10"]);
  clock.advance(1);
  expect(ran).toEqual(["a@10", "b@20", "c@20"]);
});

test("virtual clock: keeps the order among a thousand timers", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const delays = Array.from({ length: 1000 }, (_, i) => (i * 7919) % 1009);
  for (const delay of delays) clock.setTimer(delay, () => ran.push(delay));
  clock.runAll();
  expect(ran).toEqual(delays.toSorted((a, b) => a - b));
});

test("advance: runs what timers set on the way, and ends at its time", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  clock.setTimer(5, () => clock.setTimer(5, () => ran.push(clock.now())));
  clock.advance(30);
  expect(ran).toEqual([10]);
  expect(clock.now()).toBe(30);
});

test("settle: runs what is due, deferred work included, without moving time", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  clock.defer(() => {
    ran.push("deferred");
    clock.defer(() => ran.push("again"));
  });
  clock.setTimer(1, () => ran.push("later"));
  clock.settle();
  expect(ran).toEqual(["deferred", "again"]);
  expect(clock.now()).toBe(0);
});

test("cancelled timer: does not run and does not move time", () => {
  const clock = new VirtualClock();
  const ran: string[] = [];
  const timer = clock.setTimer(10, () => ran.push("x"));
  timer.cancel();
  timer.cancel();
  clock.runAll();
  expect([ran, clock.now()]).toEqual([[], 0]);
});

test("cancelled timers: the others keep their times and their order, however many are cancelled", () => {
  const clock = new VirtualClock();
  const ran: number[] = [];
  const timers = Array.from({ length: 1000 }, (_, number) =>
    clock.setTimer(1 + ((number * 7919) % 100), () => ran.push(number)),
  );
  for (const [number, timer] of timers.entries()) if (number % 10 !== 3) timer.cancel();
  clock.setTimer(50, () => ran.push(-1));
  const left = [...timers.keys()].filter((number) => number % 10 === 3);
  const due = (number: number): number => (number === -1 ? 50 : 1 + ((number * 7919) % 100));
  const expected = [...left, -1].sort((a, b) => due(a) - due(b));
  clock.runAll();
  expect(ran).toEqual(expected);
  // One that has run is not counted among the cancelled.
  for (const timer of timers) timer.cancel();
  clock.setTimer(1, () => ran.push(-2));
  clock.runAll();
  expect(ran.at(-1)).toBe(-2);
});

test("epoch: moves with the clock from where it was set", () => {
  const clock = new VirtualClock(1_000);
  clock.advance(2_500);
  expect(clock.epochMs()).toBe(1_002);
});
