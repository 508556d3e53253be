import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { TurnBudget } from "../../../../emulator/backends/onnxruntime/turn-budget.ts";

test("turn budget: is spent within a turn of the event loop, and there again in the next", async () => {
  const budget = new TurnBudget(100);
  budget.spend(60);
  expect(budget.left).toBe(true);
  budget.spend(60);
  expect(budget.left).toBe(false);
  await nextTurn();
  expect(budget.left).toBe(true);
  budget.spend(100);
  expect(budget.left).toBe(false);
  await nextTurn();
  expect(budget.left).toBe(true);
});
