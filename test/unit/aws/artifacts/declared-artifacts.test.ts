import { expect, test } from "vitest";
import {
  DeclaredArchives,
  type DeclaredArtifact,
  DeclaredArtifacts,
} from "../../../../emulator/aws/artifacts/declared-artifacts.ts";
import { CountedDisk } from "../../../../emulator/aws/artifacts/disk-space.ts";
import { VirtualClock } from "../../../../emulator/common/virtual-clock.ts";
import { InMemoryStorage } from "../../../../emulator/storage/in-memory-storage.ts";

const MB = 1e6;

const small: DeclaredArtifact = {
  targetModel: "team/a.tar.gz",
  archiveBytes: 10 * MB,
  unpackedBytes: 30 * MB,
  files: new Map([
    ["config.pbtxt", 'backend: "synthetic"'],
    ["1/", ""],
  ]),
};

/** 10 MB/s to download, 30 MB/s to unpack. */
const instance = (diskBytes = 1000 * MB) => {
  const clock = new VirtualClock();
  const archives = new DeclaredArchives();
  const files = new InMemoryStorage(clock);
  const disk = new CountedDisk(diskBytes);
  const store = new DeclaredArtifacts({
    archives,
    files,
    disk,
    clock,
    downloadBytesPerSecond: 10 * MB,
    unpackBytesPerSecond: 30 * MB,
    findUs: 20_000,
    limits: {
      entries: 10,
      unpackedBytes: 500 * MB,
      ratio: 10,
      freeBytes: 60 * MB,
      pathLength: 100,
      nameBytes: 100,
      depth: 5,
    },
  });
  const log: unknown[] = [];
  const fetch = (targetModel: string, modelName: string): void =>
    store.fetch({ targetModel, archiveBytes: 0, etag: "" }, modelName, (result) =>
      log.push([clock.now(), result.ok ? result.value : result.error.asString()]),
    );
  const folders = (modelName: string): string[] => {
    let names: readonly string[] = [];
    files.listModels(`/opt/ml/models/${modelName}`, (result) => {
      names = result.ok ? result.value : [];
    });
    clock.settle();
    return [...names];
  };
  return { clock, archives, files, disk, store, log, fetch, folders };
};

test("declared artifacts: finds what is declared, and nothing else, after the time it takes", () => {
  const { clock, archives, store, log } = instance();
  archives.put(small);
  for (const name of ["team/a.tar.gz", "a.tar.gz"]) {
    store.find(name, (result) => log.push([clock.now(), result.ok ? (result.value?.etag ?? null) : ""]));
  }
  clock.runAll();
  expect(log).toEqual([
    [20_000, '"1"'],
    [20_000, null],
  ]);
});

test("declared artifacts: take the time of their download and of their unpacking, then can be read", () => {
  const { clock, archives, files, disk, log, fetch } = instance();
  archives.put(small);
  fetch("team/a.tar.gz", "0a1b");
  clock.runAll();
  expect(log).toEqual([[2_000_000, { url: "/opt/ml/models/0a1b/model", bytes: 30 * MB }]]);
  expect(disk.usedBytes).toBe(30 * MB);
  files.readModelFolder("/opt/ml/models/0a1b", "model", null, (result) =>
    log.push(result.ok && result.value?.config?.text, result.ok && result.value?.entries.length),
  );
  clock.settle();
  expect(log.slice(1)).toEqual(['backend: "synthetic"', 2]);
});

test.each<{ name: string; declared: Partial<DeclaredArtifact>; at: number; text: string }>([
  {
    name: "is cut off",
    declared: { damage: "truncated" },
    at: 2_000_000,
    text: "Invalid argument: archive 'team/a.tar.gz' is cut off: it ends in the middle of its gzip stream; copy it again",
  },
  {
    name: "is no gzip",
    declared: { damage: "not-gzip" },
    at: 1_000_000,
    text: "Invalid argument: archive 'team/a.tar.gz' is not gzip: make it with 'tar -czf', other formats are not unpacked",
  },
  {
    name: "leads out of its folder",
    declared: { damage: "leaves-folder" },
    at: 1_000_000,
    text: "Invalid argument: archive 'team/a.tar.gz' is refused: '../escape' leads out of the folder it is unpacked into",
  },
  {
    name: "is a bomb",
    declared: { unpackedBytes: 101 * MB },
    at: 4_333_334,
    text: "Invalid argument: archive 'team/a.tar.gz' is refused: it unpacks to more than 10 times its size, which is allowed for the first 60000000 bytes only",
  },
  {
    name: "is too large",
    declared: { archiveBytes: 100 * MB, unpackedBytes: 501 * MB },
    at: 26_666_667,
    text: "Invalid argument: archive 'team/a.tar.gz' is refused: it unpacks to more than 500000000 bytes",
  },
])("declared artifacts: one that $name is refused and leaves nothing behind", ({ declared, at, text }) => {
  const { clock, archives, disk, log, fetch, folders } = instance();
  archives.put({ ...small, ...declared });
  fetch("team/a.tar.gz", "0a1b");
  clock.runAll();
  expect(log).toEqual([[at, text]]);
  expect(disk.usedBytes).toBe(0);
  expect(folders("0a1b")).toEqual([]);
});

test("declared artifacts: one that was deleted between being found and fetched is not there", () => {
  const { clock, archives, log, fetch } = instance();
  archives.put(small);
  archives.delete("team/a.tar.gz");
  fetch("team/a.tar.gz", "0a1b");
  clock.runAll();
  expect(log).toEqual([[0, "Not found: there is no archive 'team/a.tar.gz'"]]);
});

test("declared artifacts: a full disk refuses, and takes again once a folder was removed", () => {
  const { clock, archives, disk, store, log, fetch, folders } = instance(59 * MB);
  archives.put(small);
  fetch("team/a.tar.gz", "0a1b");
  fetch("team/a.tar.gz", "2c3d");
  clock.runAll();
  store.remove("0a1b", () => log.push("removed"));
  store.remove("unknown", () => log.push("nothing to remove"));
  clock.runAll();
  expect(folders("0a1b")).toEqual([]);
  fetch("team/a.tar.gz", "2c3d");
  clock.runAll();
  expect(log).toEqual([
    [1_000_000, "Unavailable: No space left on device"],
    [2_000_000, { url: "/opt/ml/models/0a1b/model", bytes: 30 * MB }],
    "removed",
    "nothing to remove",
    [4_000_000, { url: "/opt/ml/models/2c3d/model", bytes: 30 * MB }],
  ]);
  expect(disk.usedBytes).toBe(30 * MB);
});

test("declared artifacts: an overwritten archive has a new etag, and its content replaces the folder's", () => {
  const { clock, archives, disk, fetch, folders } = instance();
  archives.put(small);
  const before = archives.get("team/a.tar.gz")?.etag;
  fetch("team/a.tar.gz", "0a1b");
  clock.runAll();
  archives.put({ ...small, unpackedBytes: 5 * MB, files: new Map([["other/", ""]]) });
  expect(archives.get("team/a.tar.gz")?.etag).not.toBe(before);
  fetch("team/a.tar.gz", "0a1b");
  clock.runAll();
  expect(disk.usedBytes).toBe(5 * MB);
  expect(folders("0a1b/model")).toEqual(["other"]);
});

test("declared artifacts: a folder is removed after the fetch that was asked for before", () => {
  const { clock, archives, disk, store, log, fetch, folders } = instance();
  archives.put(small);
  fetch("team/a.tar.gz", "0a1b");
  store.remove("0a1b", () => log.push("removed"));
  clock.runAll();
  expect(log).toEqual([[2_000_000, { url: "/opt/ml/models/0a1b/model", bytes: 30 * MB }], "removed"]);
  expect(disk.usedBytes).toBe(0);
  expect(folders("0a1b")).toEqual([]);
});
