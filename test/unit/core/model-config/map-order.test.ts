import { expect, test } from "vitest";
import { libstdcxxMapOrder } from "../../../../emulator/core/model-config/map-order.ts";
import { recordedOrders } from "./recorded.ts";

test("map order: lists inputs and outputs as 2.51.0 did, across every growth of the map", () => {
  expect(Math.max(...recordedOrders.map(({ keys }) => keys.length))).toBeGreaterThan(59);
  for (const { keys, order } of recordedOrders) expect(libstdcxxMapOrder(keys)).toEqual(order);
});

test("map order: keeps the first of equal keys", () => {
  expect(libstdcxxMapOrder(["a", "b", "a"])).toEqual(libstdcxxMapOrder(["a", "b"]));
  expect(libstdcxxMapOrder([])).toEqual([]);
});
