import { expect, test } from "vitest";
import { type LogSettings, LogSettingsStore } from "../../../../emulator/core/settings/log-settings.ts";

const initial: LogSettings = {
  log_file: "",
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: "default",
};

test("log settings: change only what is given, and whoever filters the log is told", () => {
  const told: LogSettings[] = [];
  const store = new LogSettingsStore(initial, (settings) => told.push(settings));
  const changed = { ...initial, log_info: false, log_format: "ISO8601" };
  expect(store.update({ log_info: false, log_format: "ISO8601" })).toEqual({ ok: true, value: changed });
  expect(store.current).toEqual(changed);
  expect(told).toEqual([changed]);
});

test("log settings: a wrong format is refused, and the other fields apply all the same", () => {
  const store = new LogSettingsStore(initial, () => {});
  const result = store.update({ log_verbose_level: 3, log_format: "json" });
  expect(result.ok ? null : result.error.asString()).toBe(
    "Invalid argument: invalid argument for log_format, got: json",
  );
  expect(store.current).toEqual({ ...initial, log_verbose_level: 3 });
});

test.each([
  [7, 7],
  [2n ** 32n + 5n, 5],
  [2n ** 31n, 0],
  [2n ** 64n - 1n, 0],
  [-1, 0],
])(
  "log settings: of a verbose level of %s the low 32 bits count, with a sign, and are at least 0: %i",
  (given, level) => {
    const store = new LogSettingsStore(initial, () => {});
    store.update({ log_verbose_level: given });
    expect(store.current.log_verbose_level).toBe(level);
  },
);
