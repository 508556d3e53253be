import { expect, test } from "vitest";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import type {
  TraceSettings,
  TraceSettingsUpdate,
} from "../../../../emulator/core/settings/trace-settings.ts";
import { TraceManager } from "../../../../emulator/core/trace/trace-manager.ts";
import { InMemoryTraceSink } from "../../../support/in-memory-trace-sink.ts";

const settings: TraceSettings = {
  trace_level: ["TIMESTAMPS"],
  trace_rate: 1,
  trace_count: -1,
  log_frequency: 0,
  trace_file: "F",
  trace_mode: "triton",
};

/** A manager and the files it writes. */
class Fixture {
  readonly sink = new InMemoryTraceSink();
  readonly manager: TraceManager;

  constructor(changes: Partial<TraceSettings> = {}) {
    this.manager = new TraceManager({ ...settings, ...changes }, this.sink, new VirtualClock());
  }

  /** Requests to a model, each traced from start to end if it is its turn. @returns the ids of the traces */
  requests(count: number, model = "m"): number[] {
    const ids: number[] = [];
    for (let i = 0; i < count; i++) {
      const trace = this.manager.sample(model);
      if (trace === null) continue;
      ids.push(trace.id);
      trace.timestamp("T", 0);
      trace.release();
      trace.release();
    }
    return ids;
  }

  update(model: string | null, change: TraceSettingsUpdate): string | null {
    const result = this.manager.update(model, change);
    return result.ok ? null : result.error.asString();
  }

  /** The ids in each file; a file that is not complete is its text. */
  get files(): Record<string, number[] | string> {
    const entries = [...this.sink.files].map(([path, text]): [string, number[] | string] => {
      if (!text.endsWith("]") || text.endsWith("}]}")) return [path, text];
      const events: { id: number }[] = JSON.parse(text);
      return [path, events.map(({ id }) => id)];
    });
    return Object.fromEntries(entries);
  }
}

test("sampling: every n-th request of a setting is traced", () => {
  const { manager } = new Fixture({ trace_rate: 3 });
  const turns = Array.from({ length: 7 }, () => manager.sample("m") !== null);
  expect(turns).toEqual([false, false, true, false, false, true, false]);
});

test("sampling: the count goes down to 0 and ends it", () => {
  const fixture = new Fixture({ trace_count: 2, trace_rate: 2 });
  expect(fixture.requests(9)).toEqual([1, 2]);
  expect(fixture.manager.read(null).trace_count).toBe(0);
});

test.each<[string, Partial<TraceSettings>]>([
  ["the level is OFF", { trace_level: ["OFF"] }],
  ["there is no file", { trace_file: "" }],
  ["the rate is 0", { trace_rate: 0 }],
  ["the count is 0", { trace_count: 0 }],
])("sampling: nothing is traced when %s", (_, changes) => {
  expect(new Fixture(changes).requests(3)).toEqual([]);
});

test("sampling: a model with a setting of its own counts apart", () => {
  const fixture = new Fixture();
  fixture.update("off", { trace_level: ["OFF"] });
  fixture.update("second", { trace_rate: 2 });
  expect(fixture.requests(2, "off")).toEqual([]);
  expect(fixture.requests(2, "second")).toEqual([1]);
  expect(fixture.requests(2, "other")).toEqual([2, 3]);
  fixture.update("off", { trace_level: null });
  expect(fixture.requests(1, "off")).toEqual([4]);
});

test("now: is read only while something could be traced", () => {
  const clock = new VirtualClock();
  clock.setTimer(5, () => {});
  clock.advance(5);
  const manager = new TraceManager({ ...settings, trace_level: ["OFF"] }, new InMemoryTraceSink(), clock);
  expect(manager.now()).toBe(0);
  manager.update("m", { trace_level: ["TENSORS"] });
  expect(manager.now()).toBe(5);
});

test("file: is written when the setting is replaced, and complete at the end", () => {
  const fixture = new Fixture();
  fixture.requests(2);
  expect(fixture.files).toEqual({});
  fixture.update(null, { trace_rate: 2 });
  expect(fixture.sink.files.get("F")).toMatch(/^\[.*\}$/);
  fixture.requests(2);
  fixture.manager.close();
  expect(fixture.files).toEqual({ F: [1, 2, 3] });
});

test("file: a trace that was open when its setting was replaced is written when it ends", () => {
  const fixture = new Fixture();
  const trace = fixture.manager.sample("m");
  fixture.update(null, { trace_level: ["OFF"] });
  expect(fixture.files).toEqual({});
  trace?.timestamp("T", 0);
  trace?.release();
  expect(fixture.files).toEqual({});
  trace?.release();
  fixture.manager.close();
  expect(fixture.files).toEqual({ F: [1] });
});

test("file: a dropped trace is not written and keeps nothing else from it", () => {
  const fixture = new Fixture();
  fixture.requests(1);
  const dropped = fixture.manager.sample("m");
  fixture.update(null, { trace_level: ["OFF"] });
  dropped?.timestamp("T", 0);
  dropped?.drop();
  dropped?.release();
  fixture.manager.close();
  expect(fixture.files).toEqual({ F: [1] });
});

test("log frequency: that many traces make a numbered file, the rest at the end too", () => {
  const fixture = new Fixture({ log_frequency: 2 });
  fixture.requests(5);
  expect(fixture.files).toEqual({ "F.0": [1, 2], "F.1": [3, 4] });
  fixture.manager.close();
  expect(fixture.files).toEqual({ "F.0": [1, 2], "F.1": [3, 4], "F.2": [5] });
});

test("log frequency: settings of models come before the global one at the end", () => {
  const fixture = new Fixture({ log_frequency: 9 });
  fixture.requests(1);
  fixture.update("m", { trace_rate: 1 });
  fixture.requests(1);
  fixture.manager.close();
  expect(fixture.files).toEqual({ "F.0": [2], "F.1": [1] });
});

test("count: used up, it makes a numbered file where every request was traced", () => {
  const every = new Fixture({ trace_count: 2 });
  every.requests(5);
  expect(every.files).toEqual({ "F.0": [1, 2] });
  const second = new Fixture({ trace_count: 1, trace_rate: 2 });
  second.requests(5);
  expect(second.files).toEqual({});
  second.manager.close();
  expect(second.files).toEqual({ F: [1] });
});

test("mode opentelemetry: counts, and writes nothing", () => {
  const fixture = new Fixture({ trace_mode: "opentelemetry", trace_count: 3, trace_file: "" });
  expect(fixture.requests(1)).toEqual([]);
  expect(fixture.manager.read(null).trace_count).toBe(2);
  fixture.manager.close();
  expect(fixture.files).toEqual({});
});

test("model's setting: follows the global one until it says otherwise", () => {
  const { manager } = new Fixture({ trace_level: ["OFF"] });
  manager.update("m", { trace_rate: 5 });
  manager.update(null, { trace_rate: 7, trace_count: 3 });
  expect(manager.read("m")).toMatchObject({ trace_rate: 5, trace_count: 3 });
  expect(manager.read("other")).toMatchObject({ trace_rate: 7, trace_count: 3 });
});

test("model's setting: takes what is left of the global count, and counts on alone", () => {
  const fixture = new Fixture({ trace_count: 5 });
  fixture.requests(1);
  fixture.update("m", { trace_rate: 1 });
  fixture.requests(1);
  expect(fixture.manager.read("m").trace_count).toBe(3);
  expect(fixture.manager.read(null).trace_count).toBe(4);
});

test("global setting: a change takes fields that were never set back to their start", () => {
  const fixture = new Fixture({ trace_count: 5 });
  fixture.requests(1);
  fixture.update(null, { trace_rate: 2 });
  expect(fixture.manager.read(null)).toMatchObject({ trace_rate: 2, trace_count: 5 });
});

test("null: gives a model the global value back, and the global setting its start-up value", () => {
  const { manager } = new Fixture({ trace_rate: 1000 });
  manager.update(null, { trace_rate: 7 });
  manager.update("m", { trace_rate: 5, trace_level: ["TENSORS"] });
  manager.update("m", { trace_rate: null });
  expect(manager.read("m")).toMatchObject({ trace_rate: 7, trace_level: ["TENSORS"] });
  manager.update(null, { trace_rate: null });
  expect(manager.read(null).trace_rate).toBe(1000);
  expect(manager.read("m").trace_rate).toBe(1000);
});

test("level: is shown in one order, without repetitions", () => {
  const { manager } = new Fixture();
  manager.update(null, { trace_level: ["TENSORS", "TIMESTAMPS", "TENSORS"] });
  expect(manager.read(null).trace_level).toEqual(["TIMESTAMPS", "TENSORS"]);
});

test.each<[string, Partial<TraceSettings>, TraceSettingsUpdate, string]>([
  ["a file", { trace_file: "" }, { trace_rate: 5 }, "trace file name is not given"],
  ["a rate", {}, { trace_rate: 0 }, "sample rate must be non-zero"],
  ["a count", {}, { trace_count: 0 }, ""],
])("enabling: needs %s, else nothing is changed", (_, changes, update, problem) => {
  const fixture = new Fixture(changes);
  expect(fixture.update(null, update)).toBe(
    `Invalid argument: Attempting to set invalid trace setting :${problem}`,
  );
  expect(fixture.manager.read(null)).toEqual({ ...settings, ...changes });
  expect(fixture.update(null, { ...update, trace_level: ["OFF"] })).toBeNull();
});

test("enabling: a global change that makes a model's setting impossible is an error, and stays", () => {
  const fixture = new Fixture({ trace_level: ["OFF"] });
  fixture.update("m", { trace_level: ["TENSORS"] });
  expect(fixture.update(null, { trace_rate: 0 })).toContain("sample rate must be non-zero");
  expect(fixture.manager.read(null).trace_rate).toBe(0);
  expect(fixture.manager.read("m").trace_rate).toBe(1);
});
