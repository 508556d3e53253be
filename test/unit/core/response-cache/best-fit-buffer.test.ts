import { expect, test } from "vitest";
import { BestFitBuffer, type Block } from "../../../../emulator/core/response-cache/best-fit-buffer.ts";

/** A buffer with room for so many bytes. */
const bufferOf = (bytes: number): BestFitBuffer => new BestFitBuffer(128 + bytes + 16);

/** Blocks of these sizes, one behind the other from the start. */
const filled = (buffer: BestFitBuffer, ...sizes: readonly number[]): Block[] =>
  sizes.map((bytes) => {
    const block = buffer.allocate(bytes - 8);
    if (block?.bytes !== bytes) throw new Error(`no block of ${bytes} bytes`);
    return block;
  });

test.each([
  [0, 48],
  [40, 48],
  [41, 64],
  [56, 64],
  [57, 80],
])("block: for %i bytes takes %i", (bytes, taken) => {
  expect(bufferOf(4096).allocate(bytes)?.bytes).toBe(taken);
});

test("room: is what head and tail leave, in whole units", () => {
  const buffer = new BestFitBuffer(128 + 96 + 15 + 16);
  expect(buffer.usedBytes).toBe(128);
  expect(buffer.allocate(96)).toBeNull();
  expect(buffer.allocate(88)?.bytes).toBe(96);
  expect(buffer.usedBytes).toBe(224);
});

test("a rest that is too small for a block: goes with the block before it", () => {
  const buffer = bufferOf(96 + 32);
  expect(buffer.allocate(88)?.bytes).toBe(128);
});

test("the smallest free block that is large enough is taken", () => {
  const buffer = bufferOf(160 + 48 + 96 + 48);
  const [large, , small] = filled(buffer, 160, 48, 96, 48);
  buffer.release(large!);
  buffer.release(small!);
  expect(buffer.allocate(90)?.bytes).toBe(112);
  expect(buffer.allocate(80)?.bytes).toBe(96);
  expect(buffer.allocate(8)?.bytes).toBe(48);
});

test("free bytes in pieces: are no room for what is larger than each", () => {
  const buffer = bufferOf(400);
  const [first, second, third, last] = filled(buffer, 96, 112, 96, 96);
  buffer.release(first!);
  buffer.release(third!);
  expect(buffer.allocate(150)).toBeNull();
  buffer.release(second!);
  expect(buffer.allocate(150)?.bytes).toBe(160);
  buffer.release(last!);
  expect(buffer.allocate(200)?.bytes).toBe(400 - 160);
});

test.each([[[0, 1, 2]], [[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]], [[2, 1, 0]]])(
  "blocks that become free in the order %j: are one again",
  (order) => {
    const buffer = bufferOf(320);
    const blocks = filled(buffer, 96, 112, 112);
    for (const index of order) buffer.release(blocks[index]!);
    expect(buffer.usedBytes).toBe(128);
    expect(buffer.allocate(312)?.bytes).toBe(320);
  },
);
