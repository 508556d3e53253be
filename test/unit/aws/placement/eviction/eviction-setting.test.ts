import { expect, test } from "vitest";
import {
  combineEvictionSettings,
  parseEvictionSetting,
} from "../../../../../emulator/aws/placement/eviction/eviction-setting.ts";
import { evictionPresets } from "../../../../../emulator/aws/placement/eviction/presets.ts";

const { sagemaker } = evictionPresets;

const combined = (...texts: string[]) => {
  const settings = texts.map((text) => {
    const setting = parseEvictionSetting(text);
    if (!setting.ok) throw setting.error;
    return setting.value;
  });
  return combineEvictionSettings(sagemaker, settings);
};

test.each([
  ["triggers=out-of-memory-answer+idle-timeout", { triggers: ["out-of-memory-answer", "idle-timeout"] }],
  ["measure=larger", { measure: "larger" }],
  ["highWater=0.9", { highWater: 0.9 }],
  ["victims=greedy-dual-size-frequency", { victims: "greedy-dual-size-frequency" }],
  ["howMany=one-then-retry", { howMany: "one-then-retry" }],
  ["estimate=last-load", { estimate: "last-load" }],
  ["sampleEveryUs=0", { sampleEveryUs: 0 }],
  ["retries=5", { retries: 5 }],
])("eviction setting: %s is taken", (text, expected) => {
  expect(combined(text)).toEqual({ ok: true, value: { ...sagemaker, ...expected } });
});

test.each([
  [
    "highwater=0.9",
    "'highwater' is no setting of eviction: expected <name>=<value> with one of triggers, measure, ",
  ],
  ["victims", "'victims' has no value: expected <name>=<value>"],
  [
    "victims=belady",
    "victims takes one of lru, lfu, fifo, random, size, landlord, greedy-dual-size-frequency, sieve, not ",
  ],
  ["highWater=0", "highWater takes a share above 0, up to 1, not '0'"],
  ["highWater=80", "highWater takes a share above 0, up to 1, not '80'"],
  ["highWater=", "highWater takes a share above 0, up to 1, not ''"],
  ["retries=-1", "retries takes a whole number, 0 or more, not '-1'"],
  ["retryWaitUs=1.5", "retryWaitUs takes whole microseconds, 0 or more, not '1.5'"],
  [
    "triggers=oom",
    "triggers takes some of high-utilisation, out-of-memory-answer, cache-disabled, idle-timeout, disk-full",
  ],
])("eviction setting: %s is refused, and what would be taken is said", (text, message) => {
  const result = parseEvictionSetting(text);
  expect(result).toMatchObject({ ok: false, error: { code: "INVALID_ARG" } });
  if (!result.ok) expect(result.error.message).toContain(message);
});

test("eviction settings: the low-water mark of the preset follows a lower high-water mark", () => {
  expect(combined("highWater=0.5")).toMatchObject({ ok: true, value: { highWater: 0.5, lowWater: 0.5 } });
});

test("eviction settings: a low-water mark above the high one is refused", () => {
  expect(combined("highWater=0.5", "lowWater=0.6")).toMatchObject({
    ok: false,
    error: { message: "lowWater 0.6 is above highWater 0.5: lower the one or raise the other" },
  });
});
