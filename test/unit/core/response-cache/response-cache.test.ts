import { expect, test } from "vitest";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { UnlimitedMemoryAccount } from "../../../../emulator/core/memory/memory-account.ts";
import { cacheKey } from "../../../../emulator/core/response-cache/cache-key.ts";
import { ResponseCache } from "../../../../emulator/core/response-cache/response-cache.ts";
import type { OutputTensor } from "../../../../emulator/core/tensor/inference-request.ts";
import { machineOf, profilesOf, serverDocument, startLedger } from "../../../support/ledger-fixture.ts";

/** Outputs that the real cache packs into 102 + 8 n bytes. */
const outputs = (n: number): readonly OutputTensor[] =>
  ["Y", "Z"].map((name) => ({ name, datatype: "FP32", shape: [1, n], data: new Uint8Array(4 * n) }));

const cacheOf = (byteSize: number): ResponseCache =>
  new ResponseCache(byteSize, new UnlimitedMemoryAccount(), new VirtualClock());

test("response cache: answers fill it as on 2.51.0, and the least recently used go first", () => {
  const cache = cacheOf(4096);
  const used = (): number => cache.read().utilization * 4096;
  expect(used()).toBe(128);
  expect(cache.insert("empty", [])).toBeNull();
  expect(used()).toBe(176);
  for (const key of ["1", "2", "3", "4"]) cache.insert(key, outputs(100));
  expect(used()).toBe(3824);
  cache.insert("5", outputs(100));
  expect(cache.read()).toMatchObject({ entries: 4, evictions: 2 });
  expect(cache.lookup("2")).toEqual(outputs(100));
  cache.insert("6", outputs(100));
  expect(cache.lookup("2")).not.toBeNull();
  expect(cache.lookup("3")).toBeNull();
  cache.insert("7", outputs(480));
  expect(used()).toBe(4080);
  expect(cache.read()).toMatchObject({ entries: 1, hits: 2, misses: 1, lookups: 3 });
});

test("response cache: what does not fit empties it, what is larger than all of it does not", () => {
  const cache = cacheOf(4096);
  cache.insert("small", outputs(1));
  expect(cache.insert("huge", outputs(500))?.message).toBe(
    "Requested byte_size: 4102 is greater than total cache size: 4096",
  );
  expect(cache.read().entries).toBe(1);
  expect(cache.insert("large", outputs(482))?.message).toBe("Cache is empty, nothing to evict.");
  expect(cache.read().entries).toBe(0);
});

test("response cache: keeps a copy, once under each key", () => {
  const cache = cacheOf(4096);
  const data = new Uint8Array([1, 2, 3, 4]);
  const output: OutputTensor = { name: "Y", datatype: "UINT8", shape: [4], data };
  cache.insert("key", [output]);
  expect(cache.insert("key", [])?.code).toBe("ALREADY_EXISTS");
  data.fill(0);
  expect(cache.lookup("key")?.[0]?.data).toEqual(new Uint8Array([1, 2, 3, 4]));
});

test("response cache: takes host memory in steps as it fills, beside its buffer, and leaks with every answer", () => {
  const profiles = profilesOf(
    serverDocument({ response_cache_entry_bytes: 500, response_cache_leak_bytes: 100 }),
  );
  const { ledger } = startLedger({ machine: machineOf("1GiB"), profiles });
  const cache = new ResponseCache(100_000, ledger, new VirtualClock());
  const held = (kind: string): number =>
    ledger.allocations().reduce((sum, each) => (each.kind === kind ? sum + each.bytes : sum), 0);
  expect(held("cache")).toBe(0);
  const step = 65_536;
  for (let i = 0; i < 50; i++) cache.insert(`a${i}`, outputs(100));
  expect([held("cache"), held("leak")]).toEqual([step, 0]);
  for (let i = 0; i < 950; i++) cache.insert(`b${i}`, outputs(100));
  expect(cache.read().entries).toBe(109);
  expect([held("cache"), held("leak")]).toEqual([2 * step, step]);
});

test("cache key: names and bytes of the inputs, model and version count, and nothing else", () => {
  const x = { name: "X", datatype: "FP32", shape: [2, 1], data: new Uint8Array(8).fill(1) };
  const y = { ...x, name: "Y" };
  const key = cacheKey("m", "1", [x, y]);
  expect(key).toMatch(/^\d+$/);
  expect(cacheKey("m", "1", [y, { ...x, shape: [1, 2], datatype: "INT32" }])).toBe(key);
  const others = [
    cacheKey("n", "1", [x, y]),
    cacheKey("m", "2", [x, y]),
    cacheKey("m", "1", [x]),
    cacheKey("m", "1", [x, { ...y, name: "Z" }]),
    cacheKey("m", "1", [x, { ...y, data: new Uint8Array(8) }]),
  ];
  expect(new Set([key, ...others]).size).toBe(6);
});
