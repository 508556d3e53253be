import { expect, test } from "vitest";
import { parseTraceNumber } from "../../../../emulator/core/settings/trace-number.ts";
import {
  type TraceSettings,
  TraceSettingsStore,
  type TraceSettingsUpdate,
} from "../../../../emulator/core/settings/trace-settings.ts";

const initial: TraceSettings = {
  trace_level: ["OFF"],
  trace_rate: 1000,
  trace_count: -1,
  log_frequency: 0,
  trace_file: "/tmp/trace.json",
  trace_mode: "triton",
};

const storeWith = (changes: Partial<TraceSettings> = {}): TraceSettingsStore =>
  new TraceSettingsStore({ ...initial, ...changes });

const update = (
  store: TraceSettingsStore,
  model: string | null,
  change: TraceSettingsUpdate,
): string | null => {
  const result = store.update(model, change);
  return result.ok ? null : result.error.asString();
};

test("model's trace setting: follows the global one until it says otherwise", () => {
  const store = storeWith();
  update(store, "m", { trace_rate: 5 });
  update(store, null, { trace_rate: 7, trace_count: 3 });
  expect(store.read("m")).toMatchObject({ trace_rate: 5, trace_count: 3 });
  expect(store.read("other")).toMatchObject({ trace_rate: 7, trace_count: 3 });
});

test("null: gives a model the global value back, and the global setting its start-up value", () => {
  const store = storeWith();
  update(store, null, { trace_rate: 7 });
  update(store, "m", { trace_rate: 5, trace_level: ["TIMESTAMPS"] });
  update(store, "m", { trace_rate: null });
  expect(store.read("m")).toMatchObject({ trace_rate: 7, trace_level: ["TIMESTAMPS"] });
  update(store, null, { trace_rate: null });
  expect(store.read(null).trace_rate).toBe(1000);
  expect(store.read("m").trace_rate).toBe(1000);
});

test("enabling a trace: needs a file and a rate, else nothing is changed", () => {
  const noFile = storeWith({ trace_file: "" });
  expect(update(noFile, null, { trace_level: ["TIMESTAMPS"] })).toBe(
    "Invalid argument: Attempting to set invalid trace setting :trace file name is not given",
  );
  const store = storeWith();
  expect(update(store, null, { trace_level: ["TENSORS"], trace_rate: 0 })).toBe(
    "Invalid argument: Attempting to set invalid trace setting :sample rate must be non-zero",
  );
  expect(store.read(null)).toEqual(initial);
  expect(update(store, null, { trace_rate: 0 })).toBeNull();
});

test("trace number: is read as C reads one", () => {
  const read = (name: Parameters<typeof parseTraceNumber>[0], text: string): number | string => {
    const result = parseTraceNumber(name, text, "");
    return result.ok ? result.value : result.error.message;
  };
  expect(read("trace_rate", "12abc")).toBe(12);
  expect(read("trace_rate", "-1")).toBe(4294967295);
  expect(read("trace_count", "-1")).toBe(-1);
  expect(read("trace_rate", "abc")).toBe("Unable to parse 'trace_rate', got: abc");
  expect(read("trace_count", "-2")).toBe("Unable to parse 'trace_count'. Expecting value >= -1, got:-2");
  expect(read("trace_count", "2147483648")).toBe(
    "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: 2147483648",
  );
  expect(read("log_frequency", "4294967296")).toBe(
    "Unable to parse 'log_frequency', value is out of range [ 0, 4294967295 ], got: 4294967296",
  );
});
