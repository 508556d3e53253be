import { expect, test } from "vitest";
import { KeyLocks } from "../../../../emulator/core/model-repository/key-locks.ts";

const acquiring = (locks: KeyLocks) => {
  const ran: string[] = [];
  return {
    ran,
    acquire: (name: string, keys: readonly string[], first = false): void =>
      locks.acquire(keys, () => ran.push(name), first),
  };
};

test("key locks: who needs other keys runs at once, who needs the same waits for its release", () => {
  const locks = new KeyLocks();
  const { ran, acquire } = acquiring(locks);
  acquire("one", ["a", "b"]);
  acquire("two", ["b"]);
  acquire("three", ["c"]);
  expect(ran).toEqual(["one", "three"]);
  locks.release(["a", "b"]);
  expect(ran).toEqual(["one", "three", "two"]);
});

test("key locks: keep the order of asking among those that share a key", () => {
  const locks = new KeyLocks();
  const { ran, acquire } = acquiring(locks);
  acquire("one", ["a"]);
  acquire("two", ["a", "b"]);
  acquire("three", ["b"]);
  acquire("four", ["b"], true);
  expect(ran).toEqual(["one", "four"]);
  locks.release(["b"]);
  expect(ran).toEqual(["one", "four"]);
  locks.release(["a"]);
  expect(ran).toEqual(["one", "four", "two"]);
  locks.release(["a", "b"]);
  expect(ran).toEqual(["one", "four", "two", "three"]);
});

test("key locks: more keys are all taken or none", () => {
  const locks = new KeyLocks();
  const { ran, acquire } = acquiring(locks);
  acquire("one", ["a"]);
  acquire("two", ["b"]);
  expect(locks.extend(["c", "b"])).toBe(false);
  acquire("three", ["c"]);
  expect(locks.extend(["d"])).toBe(true);
  acquire("four", ["d"]);
  expect(ran).toEqual(["one", "two", "three"]);
  locks.release(["a", "d"]);
  expect(ran).toEqual(["one", "two", "three", "four"]);
});

test("key locks: what is released while it runs lets the next one run", () => {
  const locks = new KeyLocks();
  const ran: number[] = [];
  for (const index of [1, 2, 3]) {
    locks.acquire(["a"], () => {
      ran.push(index);
      locks.release(["a"]);
    });
  }
  expect(ran).toEqual([1, 2, 3]);
});
