import { expect, test } from "vitest";
import { compareKeys, KeyOrder } from "../../../../emulator/aws/object-store/key-order.ts";
import { Random } from "../../../../emulator/common/random.ts";

test("keys: stand in the order of the bytes of their UTF-8", () => {
  const keys = ["a", "a/b", "a-b", "A", "", "ab", "é", "￿", "😀", "\ue000", "a\u0000"];
  const byBytes = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect([...keys].sort(compareKeys)).toEqual(byBytes);
});

test("order: of any additions and removals is that of sorting", () => {
  const random = new Random(5);
  const order = new KeyOrder<number>();
  const kept = new Map<string, number>();
  for (let step = 0; step < 2000; step++) {
    const key = `${"ab/"[random.nextUint32() % 3]}${random.nextUint32() % 40}`;
    if (random.nextUint32() % 3 === 0) {
      order.delete(key);
      kept.delete(key);
    } else {
      order.set(key, step);
      kept.set(key, step);
    }
  }
  const sorted = [...kept].sort(([a], [b]) => compareKeys(a, b));
  expect([...order.walk("", "")]).toEqual(sorted);
  expect(order.size).toBe(kept.size);
  expect([...KeyOrder.from([...kept].reverse()).walk("", "")]).toEqual(sorted);
  expect([...order.walk("b", "b2")]).toEqual(sorted.filter(([key]) => key.startsWith("b") && key > "b2"));
});

test("walk: goes on behind a prefix that is handed back", () => {
  const order = KeyOrder.from(["a", "a/1", "a/2", "a0", "b/1", "b/2"].map((key) => [key, 0] as const));
  const walk = order.walk("", "");
  expect(walk.next().value?.[0]).toBe("a");
  expect(walk.next().value?.[0]).toBe("a/1");
  expect(walk.next("a/").value?.[0]).toBe("a0");
  expect(walk.next().value?.[0]).toBe("b/1");
  expect(walk.next("b/").done).toBe(true);
});
