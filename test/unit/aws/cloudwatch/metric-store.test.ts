import { describe, expect, test } from "vitest";
import { MetricStore, type TimeRange } from "../../../../emulator/aws/cloudwatch/metric-store.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";

const START_MS = Date.parse("2026-11-25T12:00:00Z");
const START_S = START_MS / 1000;
const metric = { namespace: "N", name: "m", dimensions: { A: "1", B: "2" } };
const HOUR_S = 3600;
const DAY_S = 86_400;

const storeAt = (limits = {}) => {
  const clock = new VirtualClock(START_MS);
  return { clock, store: new MetricStore(clock, limits) };
};

const sums = (store: MetricStore, range: TimeRange) =>
  [...store.readMerged(metric, range)].map(([start, { sum }]) => [start - START_S, sum]);

describe("MetricStore", () => {
  test("put: the time is the clock's", () => {
    const { clock, store } = storeAt();
    clock.advance(90e6);
    store.put("N", "m", metric.dimensions, 4, "None", 30e6);
    store.put("N", "m", { B: "2", A: "1" }, 5, "None", clock.now());
    expect(sums(store, { startS: START_S, endS: START_S + 120, periodS: 60 })).toEqual([
      [0, 4],
      [60, 5],
    ]);
  });

  test("read: periods begin at the start, the end is not included", () => {
    const { store } = storeAt();
    for (const minute of [0, 1, 2, 3, 4, 5])
      store.series(metric).add(10 ** minute, START_MS + minute * 60_000);
    expect(sums(store, { startS: START_S + 60, endS: START_S + 300, periodS: 120 })).toEqual([
      [60, 110],
      [180, 11_000],
    ]);
  });

  test("read: seconds of high resolution, and minutes of both resolutions together", () => {
    const { store } = storeAt();
    store.series(metric, { resolution: 1 }).add(1, START_MS + 10_500);
    store.series(metric, { resolution: 1 }).add(2, START_MS + 11_000);
    store.series(metric).add(4, START_MS + 11_000);
    const range = { startS: START_S, endS: START_S + 60 };
    expect(sums(store, { ...range, periodS: 1 })).toEqual([
      [10, 1],
      [11, 2],
    ]);
    expect(sums(store, { ...range, periodS: 10 })).toEqual([[10, 3]]);
    expect(sums(store, { ...range, periodS: 60 })).toEqual([[0, 7]]);
  });

  test("read: units are apart, or all together", () => {
    const { store } = storeAt();
    store.series(metric, { unit: "Percent" }).add(1, START_MS);
    store.series(metric, { unit: "Count" }).add(2, START_MS);
    const range = { startS: START_S, endS: START_S + 60, periodS: 60 };
    expect([...store.read(metric, range).keys()]).toEqual(["Percent", "Count"]);
    expect(store.read(metric, range, "Count").get("Count")?.get(START_S)?.sum).toBe(2);
    expect(store.read(metric, range, "Bytes").size).toBe(0);
    expect(sums(store, range)).toEqual([[0, 3]]);
  });

  test.each([
    ["seconds for 3 hours", 1 as const, 3 * HOUR_S, 1, 60],
    ["minutes for 15 days", 60 as const, 15 * DAY_S, 60, 300],
    ["five minutes for 63 days", 60 as const, 63 * DAY_S, 300, 3600],
  ])("age: %s, then the next longer ones", (_, resolution, keptS, fine, coarse) => {
    const { clock, store } = storeAt();
    store.series(metric, { resolution }).add(7, START_MS);
    const at = (periodS: number) => sums(store, { startS: START_S, endS: START_S + 3600, periodS });
    clock.advance((keptS - 60) * 1e6);
    expect(at(fine)).toEqual([[0, 7]]);
    clock.advance(180e6);
    expect(at(fine)).toEqual([]);
    expect(at(coarse)).toEqual([[0, 7]]);
  });

  test("age: an hour's sum stays for 455 days, and then the metric is gone", () => {
    const { clock, store } = storeAt();
    const series = store.series(metric);
    series.add(7, START_MS);
    clock.advance(454 * DAY_S * 1e6);
    expect(sums(store, { startS: START_S, endS: START_S + 3600, periodS: 3600 })).toEqual([[0, 7]]);
    clock.advance(2 * DAY_S * 1e6);
    expect(store.readMerged(metric, { startS: 0, endS: 1e10, periodS: 3600 }).size).toBe(0);
    series.add(8, clock.epochMs());
    expect(store.list()).toHaveLength(1);
  });

  test("list: by namespace, name and dimensions; what got no data for two weeks is left out", () => {
    const { clock, store } = storeAt();
    store.put("N", "old", {}, 1, "None", 0);
    clock.advance(10 * DAY_S * 1e6);
    store.put("N", "b", { A: "2" }, 1, "None", clock.now());
    store.put("N", "b", { A: "1" }, 1, "None", clock.now());
    const names = () => store.list().map(({ name, dimensions }) => `${name}${dimensions.A ?? ""}`);
    expect(names()).toEqual(["b1", "b2", "old"]);
    clock.advance(5 * DAY_S * 1e6);
    expect(names()).toEqual(["b1", "b2"]);
  });

  test("memory: what is oldest goes first, and what is measured now stays", () => {
    const { clock, store } = storeAt({ maxNumbers: 1000 });
    const series = store.series(metric);
    for (let minute = 0; minute < 500; minute++) {
      series.add(minute, clock.epochMs());
      clock.advance(60e6);
    }
    const kept = sums(store, { startS: START_S, endS: START_S + 500 * 60, periodS: 60 });
    expect(kept.length).toBeGreaterThan(70);
    expect(kept.length).toBeLessThanOrEqual(100);
    expect(kept.at(-1)).toEqual([499 * 60, 499]);
    expect(kept[0]?.[1]).toBe(500 - kept.length);
  });

  test("memory: a flood within one minute is limited too", () => {
    const { store } = storeAt({ maxNumbers: 1000 });
    for (let index = 0; index < 5000; index++)
      store.pointAt({ namespace: "N", name: `m${index}`, dimensions: {} }, {}, START_MS).add(1);
    expect(store.list().length).toBeLessThan(150);
  });

  test("clear: who measures goes on in a new series", () => {
    const { store } = storeAt();
    const series = store.series(metric);
    series.add(1, START_MS);
    store.clear();
    expect(store.list()).toEqual([]);
    series.add(2, START_MS);
    expect(sums(store, { startS: START_S, endS: START_S + 60, periodS: 60 })).toEqual([[0, 2]]);
  });
});
