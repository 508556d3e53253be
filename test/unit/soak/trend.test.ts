import { expect, test } from "vitest";
import { leaksIn, type Sample } from "../../soak/trend.ts";

/** Ten minutes, a sample every five seconds. @param at what a sample has beyond a healthy one, by minute */
function samples(at: (minute: number, index: number) => Partial<Sample>): readonly Sample[] {
  return Array.from({ length: 120 }, (_, i) => ({
    seconds: i * 5,
    cpuUs: 0,
    liveBytes: 60e6,
    rssBytes: 150e6,
    threads: 14,
    handles: 40,
    ...at(i / 12, i),
  }));
}

test("leaksIn: finds nothing, when memory rises at first and then saws between collections", () => {
  const healthy = samples((minute, i) => ({
    rssBytes: 150e6 + Math.min(minute, 3) * 20e6 + (i % 7) * 4e6,
    handles: 40 + (i % 5),
  }));
  expect(leaksIn(healthy)).toEqual([]);
});

test("leaksIn: finds memory that stays alive, however little it shows in the process", () => {
  const leaking = samples((minute, i) => ({ liveBytes: 60e6 + minute * 0.8e6 + (i % 3) * 0.5e6 }));
  expect(leaksIn(leaking)).toEqual([expect.stringMatching(/^live memory grows by 0\.[678]\d MB a minute/)]);
});

test("leaksIn: finds resident memory that grows on after the warm-up, between collections too", () => {
  const leaking = samples((minute, i) => ({ rssBytes: 150e6 + minute * 6e6 + (i % 7) * 4e6 }));
  expect(leaksIn(leaking)).toEqual([
    expect.stringMatching(/^resident memory grows by [56]\.\d+ MB a minute/),
  ]);
});

test("leaksIn: finds handles and threads that are never given back", () => {
  const leaking = samples((minute) => ({
    handles: 40 + Math.floor(minute * 10),
    threads: 14 + Math.floor(minute / 3),
  }));
  expect(leaksIn(leaking)).toEqual(["40 more open handles (limit 20)", "1 more threads"]);
});
