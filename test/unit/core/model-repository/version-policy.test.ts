import { expect, test } from "vitest";
import type { VersionPolicy } from "../../../../emulator/core/model-config/model-config.ts";
import { selectVersions } from "../../../../emulator/core/model-repository/version-policy.ts";

/** Selects from subfolders of these names, a file `5` and a folder `1/7` beside them. */
const select = (names: readonly string[], policy?: VersionPolicy) =>
  selectVersions(
    "m",
    {
      path: "m",
      changedMs: 0,
      config: null,
      entries: [
        ...[...names, "1/7"].map((path) => ({ path, kind: "folder", byteSize: 0, changedMs: 0 }) as const),
        { path: "5", kind: "file", byteSize: 0, changedMs: 0 },
      ],
    },
    policy,
  );

test("version policy: is the numerically latest one version, when nothing is said", () => {
  expect(select(["9", "10", "2"]).versions).toEqual([10]);
});

test("version policy: latest n, all and specific select in ascending order from what is there", () => {
  const names = ["9", "10", "2"];
  expect(select(names, { latest: { num_versions: 2 } }).versions).toEqual([9, 10]);
  expect(select(names, { latest: { num_versions: 9 } }).versions).toEqual([2, 9, 10]);
  expect(select(names, { all: {} }).versions).toEqual([2, 9, 10]);
  expect(select(names, { specific: { versions: [10, 2, 4] } })).toEqual({
    versions: [2, 10],
    warnings: ["version 4 is specified for model 'm', but the version directory is not present"],
  });
});

test("version folder: leading digits make a version; the same version twice is one", () => {
  expect(select(["1abc", "1", "3 x"], { all: {} })).toEqual({ versions: [1, 3], warnings: [] });
});

test("version folder: leading zeros, letters and numbers past every limit are left out with a warning", () => {
  expect(select(["0", "00", "01", "abc", "99999999999999999999"], { all: {} })).toEqual({
    versions: [0],
    warnings: [
      "ignore version directory '00' which contains leading zeros in its directory name",
      "ignore version directory '01' which contains leading zeros in its directory name",
      "ignore version directory 'abc' which fails to convert to integral number",
      "ignore version directory '99999999999999999999' which fails to convert to integral number",
    ],
  });
});

test("version policy: the latest 0 are none, and a policy that makes no choice takes all", () => {
  const names = ["1", "2", "10"];
  expect(select(names, { latest: { num_versions: 0 } }).versions).toEqual([]);
  expect(select(names, {}).versions).toEqual([1, 2, 10]);
});
