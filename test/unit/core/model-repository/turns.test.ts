import { expect, test } from "vitest";
import { KeyTurns, Turns } from "../../../../emulator/core/model-repository/turns.ts";

test("turns: one task at a time, in the order of asking; one that is told so goes first", () => {
  const turns = new Turns();
  const begun: string[] = [];
  const leaves: (() => void)[] = [];
  const task = (name: string) => (leave: () => void) => {
    begun.push(name);
    leaves.push(leave);
  };
  turns.take(task("a"));
  turns.take(task("b"));
  turns.takeFirst(task("c"));
  expect(begun).toEqual(["a"]);
  leaves[0]?.();
  expect(begun).toEqual(["a", "c"]);
  leaves[1]?.();
  expect([begun, turns.isIdle]).toEqual([["a", "c", "b"], false]);
  leaves[2]?.();
  expect(turns.isIdle).toBe(true);
});

test("turns: many that leave at once do not go deep", () => {
  const turns = new Turns();
  let run = 0;
  let leaveFirst = (): void => {};
  turns.take((leave) => {
    leaveFirst = leave;
  });
  for (let i = 0; i < 100_000; i++)
    turns.take((leave) => {
      run++;
      leave();
    });
  leaveFirst();
  expect(run).toBe(100_000);
});

test("key turns: what has another key does not wait", () => {
  const turns = new KeyTurns();
  const begun: string[] = [];
  let leaveA = (): void => {};
  turns.take("a", (leave) => {
    leaveA = leave;
  });
  turns.take("a", (leave) => {
    begun.push("a");
    leave();
  });
  turns.take("b", (leave) => {
    begun.push("b");
    leave();
  });
  expect(begun).toEqual(["b"]);
  leaveA();
  expect(begun).toEqual(["b", "a"]);
});
