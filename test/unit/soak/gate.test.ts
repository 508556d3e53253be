import { expect, test } from "vitest";
import { Gate } from "../../soak/gate.ts";

test("whileClosed: looks when the tasks that run have ended, and the next ones wait until it has looked", async () => {
  const gate = new Gate();
  const order: string[] = [];
  const first = Promise.withResolvers<void>();
  const running = gate.run(async () => {
    await first.promise;
    order.push("first ends");
  });
  const looking = gate.whileClosed(async () => {
    order.push("looks");
  });
  const waiting = gate.run(async () => {
    order.push("second runs");
  });
  first.resolve();
  await Promise.all([running, looking, waiting]);
  expect(order).toEqual(["first ends", "looks", "second runs"]);
});

test("whileClosed: looks at once when nothing runs, also after a task that failed", async () => {
  const gate = new Gate();
  await expect(gate.run(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
  let looked = false;
  await gate.whileClosed(async () => {
    looked = true;
  });
  expect(looked).toBe(true);
});
