import { expect, test } from "vitest";
import type { Answered } from "../../../../emulator/aws/placement/container.ts";
import { awaitHealthy } from "../../../../emulator/aws/placement/startup-check.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";

const SECOND = 1_000_000;

/** @param ping @param list status at that time; null = nobody is there */
const run = (ping: (atUs: number) => number | null, list?: (atUs: number) => number | null) => {
  const clock = new VirtualClock();
  const answer =
    (status: (atUs: number) => number | null) =>
    (answered: Answered): void => {
      const now = status(clock.now());
      answered(now === null ? null : { status: now, headers: [], body: new Uint8Array(0) });
    };
  const ends: string[] = [];
  const check = awaitHealthy(
    { ping: answer(ping), ...(list === undefined ? {} : { list: answer(list) }) },
    { clock, limitUs: 10 * SECOND },
    (healthy) => ends.push(`${healthy} at ${clock.now() / SECOND}`),
  );
  return { clock, ends, check };
};

test("start: a container that is well at once has started at once", () => {
  expect(run(() => 200).ends).toEqual(["true at 0"]);
});

test("start: one that comes later is found within half a second", () => {
  const { clock, ends } = run((atUs) => (atUs < 3.2 * SECOND ? null : 200));
  clock.advance(60 * SECOND);
  expect(ends).toEqual(["true at 3.5"]);
});

test("start: one with many models has to list them too", () => {
  const { clock, ends } = run(
    () => 200,
    (atUs) => (atUs < SECOND ? 503 : 200),
  );
  clock.advance(60 * SECOND);
  expect(ends).toEqual(["true at 1"]);
});

test("start: one without a list of models, or whose ping fails, never starts", () => {
  const noList = run(
    () => 200,
    () => 404,
  );
  const bad = run(() => 400);
  noList.clock.advance(60 * SECOND);
  bad.clock.advance(60 * SECOND);
  expect([noList.ends, bad.ends]).toEqual([["false at 10"], ["false at 10"]]);
});

test("start: given up, it says nothing any more", () => {
  const { clock, ends, check } = run(() => null);
  check.cancel();
  clock.advance(60 * SECOND);
  expect(ends).toEqual([]);
});
