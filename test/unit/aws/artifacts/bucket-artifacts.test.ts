import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { Artifact, UnpackedArtifact } from "../../../../emulator/aws/artifacts/artifact-store.ts";
import { BucketArtifacts } from "../../../../emulator/aws/artifacts/bucket-artifacts.ts";
import { CountedDisk } from "../../../../emulator/aws/artifacts/disk-space.ts";
import type { ObjectSource } from "../../../../emulator/aws/object-store/object-store.ts";
import type { Result } from "../../../../emulator/common/status.ts";
import { tarGz } from "../../../support/archives.ts";
import { described, localObjectStore } from "../../../support/local-object-store.ts";

const archive = (content: string): Buffer => tarGz({ path: "served/config.pbtxt", content });

/** The archives of `s3://models/team/` on an instance. */
const makeInstance = async (wrapped: (source: ObjectSource) => ObjectSource = (source) => source) => {
  const { root: top, store } = await localObjectStore();
  await store.createBucket({ name: "models", region: "us-east-1", createdMs: 0 });
  const root = join(top, "instance");
  const disk = new CountedDisk(2 ** 30);
  const open = async (bucket = "models", prefix = "team/"): Promise<BucketArtifacts> => {
    const opened = await BucketArtifacts.open({ source: wrapped(store), bucket, prefix, root, disk });
    if (!opened.ok) throw opened.error;
    return opened.value;
  };
  const found = (artifacts: BucketArtifacts, targetModel: string): Promise<Result<Artifact | null>> =>
    new Promise((resolve) => {
      artifacts.find(targetModel, resolve);
    });
  const fetched = (artifacts: BucketArtifacts, targetModel: string): Promise<Result<UnpackedArtifact>> =>
    new Promise((resolve) => {
      artifacts.fetch({ targetModel, archiveBytes: 0, etag: "" }, "0a1b", resolve);
    });
  const put = (key: string, content: Uint8Array) => store.put("models", key, [content], described);
  return { store, root, disk, open, found, fetched, put };
};

test("find: the object below the prefix, with an etag that changes with its content", async () => {
  const { open, found, put } = await makeInstance();
  const artifacts = await open();
  await put("team/x/a.tar.gz", Buffer.from("12345"));
  await put("a.tar.gz", Buffer.from("1"));
  const first = await found(artifacts, "x/a.tar.gz");
  expect(first).toMatchObject({ ok: true, value: { targetModel: "x/a.tar.gz", archiveBytes: 5 } });
  expect(await found(artifacts, "x/a.tar.gz")).toEqual(first);
  await put("team/x/a.tar.gz", Buffer.from("54321"));
  expect(await found(artifacts, "x/a.tar.gz")).not.toEqual(first);
  for (const targetModel of ["a.tar.gz", "../a.tar.gz", "x", ""])
    expect(await found(artifacts, targetModel)).toEqual({ ok: true, value: null });
  expect(await found(await open("nobody"), "x/a.tar.gz")).toEqual({ ok: true, value: null });
});

test("fetch: unpacks the object that lies there now", async () => {
  const { open, fetched, put, root, disk } = await makeInstance();
  const artifacts = await open();
  for (const content of ["old", "newer"]) {
    await put("team/a.tar.gz", archive(content));
    const unpacked = await fetched(artifacts, "a.tar.gz");
    const url = join(root, "0a1b/model");
    expect(unpacked).toEqual({ ok: true, value: { url, bytes: content.length } });
    expect(readFileSync(join(url, "served/config.pbtxt"), "utf8")).toBe(content);
    expect(disk.usedBytes).toBe(content.length);
  }
});

test("fetch: of an object that is overwritten meanwhile is of the one that was there", async () => {
  const { open, fetched, put, root } = await makeInstance((source) => ({
    head: (bucket, key) => source.head(bucket, key),
    open: async (bucket, key) => {
      const opened = await source.open(bucket, key);
      await put(key, archive("newer"));
      return opened;
    },
  }));
  await put("team/a.tar.gz", archive("old"));
  expect(await fetched(await open(), "a.tar.gz")).toMatchObject({ ok: true });
  expect(readFileSync(join(root, "0a1b/model/served/config.pbtxt"), "utf8")).toBe("old");
});

test.each([
  ["an empty object", Buffer.of(), "archive 'a.tar.gz' is cut off: it ends before it begins; copy it again"],
  [
    "one byte",
    Buffer.of(0x1f),
    "archive 'a.tar.gz' is not gzip: make it with 'tar -czf', other formats are not unpacked",
  ],
  [
    "what is no gzip",
    Buffer.from("hello"),
    "archive 'a.tar.gz' is not gzip: make it with 'tar -czf', other formats are not unpacked",
  ],
  [
    "gzip without a tar",
    gzipSync("hello"),
    "archive 'a.tar.gz' is gzip, but holds no tar: make it with 'tar -czf'",
  ],
])("fetch: %s is refused, and nothing is left of it", async (_, content, message) => {
  const { open, fetched, put, root, disk } = await makeInstance();
  await put("team/a.tar.gz", content);
  expect(await fetched(await open(), "a.tar.gz")).toMatchObject({
    ok: false,
    error: { code: "INVALID_ARG", message },
  });
  expect(readdirSync(root)).toEqual([]);
  expect(disk.usedBytes).toBe(0);
});

test("fetch: what comes byte by byte is the same archive", async () => {
  const { open, fetched, put } = await makeInstance((source) => ({
    head: (bucket, key) => source.head(bucket, key),
    open: async (bucket, key) => {
      const opened = await source.open(bucket, key);
      if (opened === null) return null;
      const read = async function* (start: number, end: number) {
        for await (const bytes of opened.read(start, end)) {
          for (let at = 0; at < bytes.length; at++) yield bytes.subarray(at, at + 1);
        }
      };
      return { ...opened, read };
    },
  }));
  await put("team/a.tar.gz", archive("content"));
  expect(await fetched(await open(), "a.tar.gz")).toMatchObject({ ok: true, value: { bytes: 7 } });
});

test("fetch: what is gone, or cannot be read, is an error that says so", async () => {
  const { open, fetched, put } = await makeInstance((source) => ({
    head: (bucket, key) => source.head(bucket, key),
    open: async (bucket, key) => {
      if (key === "team/broken")
        throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
      return await source.open(bucket, key);
    },
  }));
  const artifacts = await open();
  await put("team/a.tar.gz", archive("content"));
  expect(await fetched(artifacts, "no")).toMatchObject({
    ok: false,
    error: { code: "NOT_FOUND", message: "there is no archive 'no'" },
  });
  expect(await fetched(artifacts, "broken")).toMatchObject({
    ok: false,
    error: { code: "UNKNOWN", message: "archive 'broken' cannot be fetched: connect ECONNREFUSED" },
  });
});
