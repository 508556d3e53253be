import { expect, test } from "vitest";
import { InlineLane } from "../../../../emulator/backends/onnxruntime/inline-lane.ts";

const row = [[1, 4]];

test("inline lane: admits shapes whose runs were seen to be short, after two of them", () => {
  const lane = new InlineLane();
  expect(lane.admits(row, 16)).toBe(false);
  lane.learn(row, 90);
  expect(lane.admits(row, 16)).toBe(false);
  lane.learn(row, 5000);
  expect(lane.admits(row, 16)).toBe(true);
  expect(lane.admits([[2, 4]], 32)).toBe(false);
  expect(lane.admits([[1, 4], [1]], 32)).toBe(false);
});

test("inline lane: never admits shapes whose runs are long, nor large inputs", () => {
  const lane = new InlineLane();
  for (let i = 0; i < 5; i++) lane.learn(row, 101);
  expect(lane.admits(row, 16)).toBe(false);
  for (let i = 0; i < 5; i++) lane.learn([[9]], 10);
  expect(lane.admits([[9]], 65536)).toBe(true);
  expect(lane.admits([[9]], 65537)).toBe(false);
});

test("inline lane: stays open when the machine interrupts some runs", () => {
  const lane = new InlineLane();
  lane.learn(row, 10);
  lane.learn(row, 10);
  for (let i = 0; i < 1000; i++) lane.observe(i % 4 === 0 ? 20 : 1_000_000);
  expect(lane.admits(row, 16)).toBe(true);
});

test("inline lane: closes for good when every one of some runs in a row is slow", () => {
  const lane = new InlineLane();
  lane.learn(row, 10);
  lane.learn(row, 10);
  for (let i = 0; i < 8; i++) lane.observe(501);
  expect(lane.open).toBe(false);
  for (let i = 0; i < 100; i++) lane.observe(1);
  lane.learn(row, 10);
  expect(lane.admits(row, 16)).toBe(false);
});

test("inline lane: remembers a bounded number of shapes", () => {
  const lane = new InlineLane();
  for (let i = 1; i <= 1000; i++) {
    lane.learn([[i]], 10);
    lane.learn([[i]], 10);
  }
  expect(lane.admits([[1]], 4)).toBe(true);
  expect(lane.admits([[1000]], 4)).toBe(false);
});
