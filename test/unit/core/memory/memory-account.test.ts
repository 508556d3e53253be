import { expect, test } from "vitest";
import { UnlimitedMemoryAccount } from "../../../../emulator/core/memory/memory-account.ts";

test("unlimited account: counts by pool what is reserved", () => {
  const account = new UnlimitedMemoryAccount();
  account.reserve({ model: "m" }, [
    { pool: "host", kind: "weights", bytes: 10 },
    { pool: "host", kind: "arena", bytes: 5 },
    { pool: "gpu:0", kind: "weights", bytes: 7 },
  ]);
  expect([account.used("host"), account.used("gpu:0"), account.used("disk")]).toEqual([15, 7, 0]);
});

test("reservation: is given back once, however often it is released", () => {
  const account = new UnlimitedMemoryAccount();
  const demands = [{ pool: "host", kind: "weights", bytes: 10 }] as const;
  account.reserve({ model: "a" }, demands);
  const second = account.reserve({ model: "b" }, demands);
  if (!second.ok) throw second.error;
  second.value.release();
  second.value.release();
  expect(account.used("host")).toBe(10);
});

test("reservation: what was staging goes when the load ends, the rest when it is released", () => {
  const account = new UnlimitedMemoryAccount();
  const reserved = account.reserve({ model: "a" }, [
    { pool: "host", kind: "weights", bytes: 10 },
    { pool: "host", kind: "staging", bytes: 5 },
  ]);
  if (!reserved.ok) throw reserved.error;
  reserved.value.endStaging();
  reserved.value.endStaging();
  expect(account.used("host")).toBe(10);
  reserved.value.release();
  reserved.value.endStaging();
  expect(account.used("host")).toBe(0);
});
