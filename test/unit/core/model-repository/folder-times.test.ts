import { expect, test } from "vitest";
import {
  isNewer,
  isVersionNewer,
  noTimes,
  timesOf,
  withConfigTime,
} from "../../../../emulator/core/model-repository/folder-times.ts";
import type { ModelFolder } from "../../../../emulator/core/storage.ts";

/** @param entries path -> when it was changed */
const folder = (changedMs: number, entries: Readonly<Record<string, number>>): ModelFolder => ({
  path: "m",
  changedMs,
  config: null,
  entries: Object.entries(entries).map(([path, ms]) => ({ path, kind: "file", byteSize: 0, changedMs: ms })),
});
const times = (changedMs: number, entries: Readonly<Record<string, number>>) =>
  timesOf(folder(changedMs, entries), "config.pbtxt");

const before = times(5, { "1/model": 5, "2/model": 6, "config.pbtxt": 5 });

test("folder times: the newest of all tells whether a folder is newer, the configuration and the folder itself included", () => {
  expect(isNewer(before, before)).toBe(false);
  expect(isNewer(times(7, { "1/model": 5 }), before)).toBe(true);
  expect(isNewer(times(5, { "1/model": 5, "config.pbtxt": 7 }), before)).toBe(true);
  expect(isNewer(times(6, { "1/model": 6, "config.pbtxt": 6 }), before)).toBe(false);
  expect(isNewer(before, noTimes)).toBe(true);
  expect(isNewer(noTimes, before)).toBe(false);
});

test("folder times: a version is newer for its own files and for those beside versions and configuration", () => {
  const newer = (changedMs: number, entries: Readonly<Record<string, number>>): boolean[] =>
    [1, 2].map((version) => isVersionNewer(times(changedMs, entries), before, version));
  expect(newer(9, { "1/model": 5, "2/model": 9, "config.pbtxt": 9 })).toEqual([false, true]);
  expect(newer(9, { "2/model": 6 })).toEqual([false, false]);
  expect(newer(9, { "1/model": 5, "2/model": 6, "notes.txt": 7 })).toEqual([true, true]);
  expect(newer(9, { "1/model": 5, "2/model": 6, "3/model": 9 })).toEqual([false, false]);
});

test("folder times: an override counts as a configuration written then, where there is one", () => {
  expect(isNewer(withConfigTime(before, 9), before)).toBe(true);
  const without = times(5, { "1/model": 5 });
  expect(withConfigTime(without, 9)).toBe(without);
});

test("folder times: a folder with two things that may be the configuration never looks newer", () => {
  expect(times(9, { "config.pbtxt": 9, conf: 9 })).toBe(noTimes);
});
