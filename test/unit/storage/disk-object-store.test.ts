import { createHash } from "node:crypto";
import { appendFileSync, copyFileSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { ListOptions, Part, Upload } from "../../../emulator/aws/object-store/object-store.ts";
import { silentLog } from "../../../emulator/common/log.ts";
import { DiskObjectStore } from "../../../emulator/storage/disk-object-store.ts";
import { contentOf, described, filesOf, localObjectStore } from "../../support/local-object-store.ts";

const BUCKET = { name: "models", region: "us-east-1", createdMs: 1 };

const storeWithBucket = async () => {
  const { root, store } = await localObjectStore();
  await store.createBucket(BUCKET);
  const put = (key: string, content: string) => store.put("models", key, [Buffer.from(content)], described);
  const read = async (key: string) => (await contentOf(store, "models", key))?.toString() ?? null;
  const listed = (options: Partial<ListOptions> = {}) => {
    const { entries, next } = store.list("models", {
      prefix: "",
      delimiter: "",
      after: "",
      limit: 1000,
      ...options,
    });
    const names = entries.map((entry) => ("object" in entry ? entry.object.key : entry.commonPrefix));
    return { names, next };
  };
  /** The same folder, read anew. */
  const reopened = () => DiskObjectStore.open(root, silentLog);
  return { root, store, put, read, listed, reopened };
};

const NO_KIND = { initiatedMs: 5, headers: {}, checksum: null };
const partDescribed = ({ md5 }: { readonly md5: string }) => ({
  etag: md5,
  lastModifiedMs: 7,
  checksum: null,
});
const allParts = ({ parts }: Upload): readonly Part[] => parts;

test("bucket: is there once, also after a start, and gone when it was deleted", async () => {
  const { store, reopened, put } = await storeWithBucket();
  await expect(store.createBucket(BUCKET)).rejects.toMatchObject({ code: "BucketAlreadyOwnedByYou" });
  expect(store.buckets()).toEqual([BUCKET]);
  expect((await reopened()).buckets()).toEqual([BUCKET]);
  await put("a", "1");
  await expect(store.deleteBucket("models")).rejects.toMatchObject({ code: "BucketNotEmpty" });
  await store.delete("models", "a");
  await store.deleteBucket("models");
  expect(store.bucket("models")).toBeNull();
  expect((await reopened()).buckets()).toEqual([]);
  await expect(store.deleteBucket("models")).rejects.toMatchObject({ code: "NoSuchBucket" });
});

test("bucket: a name that would lead elsewhere is refused", async () => {
  const { store, root } = await localObjectStore();
  for (const name of ["..", "../x", "a/b", ""])
    await expect(store.createBucket({ ...BUCKET, name })).rejects.toMatchObject({
      code: "InvalidBucketName",
    });
  expect(filesOf(root)).toEqual(["buckets", "temporary"]);
});

test("bucket: one that is deleted while an object is written takes the object with it", async () => {
  const { store, root } = await storeWithBucket();
  const half = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const content = async function* () {
    yield Buffer.from("half");
    half.resolve();
    await goOn.promise;
  };
  const written = store.put("models", "a", content(), described);
  await half.promise;
  await store.deleteBucket("models");
  await store.createBucket(BUCKET);
  goOn.resolve();
  await expect(written).rejects.toMatchObject({ code: "NoSuchBucket" });
  expect(filesOf(root)).toEqual([
    "buckets",
    "buckets/models",
    "buckets/models/objects",
    "buckets/models/uploads",
    "temporary",
  ]);
});

const oddKeys = [
  "a",
  "A",
  "a/b",
  "a/",
  "/a",
  "//",
  ".",
  "..",
  "../../../etc/passwd",
  "a\\b",
  "con",
  "a\0b",
  "\n",
  "é",
  "e\u0301",
  "😀",
  "x".repeat(1024),
  "d/".repeat(512),
  "%2e%2e%2f",
  "note.json",
];

test("keys: of any characters are objects of their own, after a start too", async () => {
  const { root, put, read, reopened, listed } = await storeWithBucket();
  for (const key of oddKeys) await put(key, `content of ${key}`);
  for (const key of oddKeys) expect(await read(key)).toBe(`content of ${key}`);
  const sorted = [...oddKeys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(listed().names).toEqual(sorted);
  const again = await reopened();
  for (const key of oddKeys)
    expect((await contentOf(again, "models", key))?.toString()).toBe(`content of ${key}`);
  for (const name of readdirSync(join(root, "buckets/models/objects")))
    expect(name).toMatch(/^[0-9a-f]{64}$/);
  expect(readdirSync(root).sort()).toEqual(["buckets", "temporary"]);
});

test("object: has its properties and size, after a start too", async () => {
  const { put, store, reopened } = await storeWithBucket();
  const object = await put("a", "hello");
  expect(object).toMatchObject({ key: "a", byteSize: 5, etag: "5d41402abc4b2a76b9719d911017c592" });
  expect(await store.head("models", "a")).toEqual(object);
  expect(await (await reopened()).head("models", "a")).toEqual(object);
});

test("object: properties may be longer than what is read at once", async () => {
  const { store, reopened } = await storeWithBucket();
  const partBytes = Array.from({ length: 10_000 }, (_, index) => index);
  const object = await store.put("models", "a", [Buffer.from("x")], (written) => ({
    ...described(written),
    partBytes,
  }));
  expect(await (await reopened()).head("models", "a")).toEqual(object);
  const open = await store.open("models", "a");
  expect(open?.object).toEqual(object);
  await open?.close();
});

test("object: a range is read without the rest", async () => {
  const { store, put } = await storeWithBucket();
  await put("a", "0123456789");
  const open = await store.open("models", "a");
  const pieces: Uint8Array[] = [];
  for await (const bytes of open?.read(2, 5) ?? []) pieces.push(bytes);
  await open?.close();
  expect(Buffer.concat(pieces).toString()).toBe("234");
});

test("object: what is open stays as it was when it is overwritten or deleted", async () => {
  const { store, put, read } = await storeWithBucket();
  await put("a", "old");
  const first = await store.open("models", "a");
  await put("a", "newer");
  expect(await read("a")).toBe("newer");
  await store.delete("models", "a");
  expect(await read("a")).toBeNull();
  const pieces: Uint8Array[] = [];
  for await (const bytes of first?.read(0, first.object.byteSize) ?? []) pieces.push(bytes);
  await first?.close();
  expect(Buffer.concat(pieces).toString()).toBe("old");
  expect(first?.object.byteSize).toBe(3);
});

test("put: what cannot be read, or is refused at its end, leaves what was there and nothing else", async () => {
  const { store, put, read, root, reopened } = await storeWithBucket();
  await put("a", "old");
  const before = filesOf(root);
  const broken = async function* () {
    yield Buffer.from("half");
    throw new Error("the client went away");
  };
  await expect(store.put("models", "a", broken(), described)).rejects.toThrow("the client went away");
  const refuse = () => {
    throw new Error("digest");
  };
  await expect(store.put("models", "a", [Buffer.from("new")], refuse)).rejects.toThrow("digest");
  await expect(store.put("models", "a", [Buffer.from("new")], described, refuse)).rejects.toThrow("digest");
  expect(await read("a")).toBe("old");
  expect(filesOf(root)).toEqual(before);
  expect((await contentOf(await reopened(), "models", "a"))?.toString()).toBe("old");
});

test("put: of many at once to one key one wins, whole, and the condition is asked once for each", async () => {
  const { store, read } = await storeWithBucket();
  const onlyIfNew = (current: unknown): void => {
    if (current !== null) throw new Error("there is one");
  };
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      store.put("models", "a", [Buffer.from(`v${index}`)], described, onlyIfNew),
    ),
  );
  const won = results.flatMap((result, index) => (result.status === "fulfilled" ? [`v${index}`] : []));
  expect(won).toHaveLength(1);
  expect(await read("a")).toBe(won[0]);
});

test("list: prefix, delimiter, limit and where to go on", async () => {
  const { put, listed } = await storeWithBucket();
  for (const key of ["a.gz", "t/1", "t/2", "t/u/3", "v/4", "z"]) await put(key, "");
  expect(listed()).toEqual({ names: ["a.gz", "t/1", "t/2", "t/u/3", "v/4", "z"], next: null });
  expect(listed({ prefix: "t/" })).toEqual({ names: ["t/1", "t/2", "t/u/3"], next: null });
  expect(listed({ delimiter: "/" })).toEqual({ names: ["a.gz", "t/", "v/", "z"], next: null });
  expect(listed({ prefix: "t/", delimiter: "/" })).toEqual({ names: ["t/1", "t/2", "t/u/"], next: null });
  expect(listed({ limit: 0 })).toEqual({ names: [], next: null });
  expect(listed({ limit: 6 })).toEqual({ names: ["a.gz", "t/1", "t/2", "t/u/3", "v/4", "z"], next: null });
  for (const limit of [1, 2, 3]) {
    for (const [delimiter, all] of [
      ["/", ["a.gz", "t/", "v/", "z"]],
      ["", ["a.gz", "t/1", "t/2", "t/u/3", "v/4", "z"]],
    ] as const) {
      const seen: string[] = [];
      for (let after: string | null = ""; after !== null; ) {
        const { names, next } = listed({ limit, delimiter, after });
        expect(names.length).toBeLessThanOrEqual(limit);
        seen.push(...names);
        after = next;
      }
      expect(seen).toEqual(all);
    }
  }
});

test("upload: becomes an object of the chosen parts in their order, and is gone then", async () => {
  const { store, read, root, reopened } = await storeWithBucket();
  const { uploadId } = await store.createUpload("models", "a", NO_KIND);
  await store.putPart("models", uploadId, 2, [Buffer.from("two")], partDescribed);
  await store.putPart("models", uploadId, 1, [Buffer.from("first")], partDescribed);
  await store.putPart("models", uploadId, 1, [Buffer.from("one")], partDescribed);
  await store.putPart("models", uploadId, 3, [Buffer.from("three")], partDescribed);
  expect(await read("a")).toBeNull();
  const again = await reopened();
  expect(again.upload("models", uploadId)).toEqual(store.upload("models", uploadId));
  expect(again.uploads("models").map(({ parts }) => parts.map(({ byteSize }) => byteSize))).toEqual([
    [3, 3, 5],
  ]);
  const chosen = ({ parts }: Upload) => parts.filter(({ partNumber }) => partNumber !== 2);
  const object = await store.completeUpload("models", uploadId, chosen, described);
  expect(object.byteSize).toBe(8);
  expect(await read("a")).toBe("onethree");
  expect(() => store.upload("models", uploadId)).toThrow("NoSuchUpload");
  await expect(store.completeUpload("models", uploadId, chosen, described)).rejects.toMatchObject({
    code: "NoSuchUpload",
  });
  expect(filesOf(root).filter((path) => /uploads\/|temporary\//.test(path))).toEqual([]);
  expect((await reopened()).uploads("models")).toEqual([]);
});

test("upload: one that is aborted leaves nothing; parts that come later have nowhere to go", async () => {
  const { store, root, reopened } = await storeWithBucket();
  const { uploadId } = await store.createUpload("models", "a", NO_KIND);
  const goOn = Promise.withResolvers<void>();
  const content = async function* () {
    await goOn.promise;
    yield Buffer.from("late");
  };
  const late = store.putPart("models", uploadId, 1, content(), partDescribed);
  await store.abortUpload("models", uploadId);
  goOn.resolve();
  await expect(late).rejects.toMatchObject({ code: "NoSuchUpload" });
  await expect(store.abortUpload("models", uploadId)).rejects.toThrow("NoSuchUpload");
  expect((await reopened()).uploads("models")).toEqual([]);
  expect(filesOf(root).filter((path) => /uploads\/|temporary\//.test(path))).toEqual([]);
});

test("upload: one whose completion is refused is still there with its parts", async () => {
  const { store, read } = await storeWithBucket();
  const { uploadId } = await store.createUpload("models", "a", NO_KIND);
  await store.putPart("models", uploadId, 1, [Buffer.from("one")], partDescribed);
  const refuse = () => {
    throw new Error("no");
  };
  await expect(store.completeUpload("models", uploadId, refuse, described)).rejects.toThrow("no");
  await expect(store.completeUpload("models", uploadId, allParts, refuse)).rejects.toThrow("no");
  await expect(
    store.completeUpload("models", uploadId, allParts, described, { condition: refuse }),
  ).rejects.toThrow("no");
  expect(await read("a")).toBeNull();
  expect(store.upload("models", uploadId).parts).toHaveLength(1);
  await store.completeUpload("models", uploadId, allParts, described);
  expect(await read("a")).toBe("one");
});

test("start: what is not whole, or not of the store, is not served, let lie and told", async () => {
  const { root, put, listed } = await storeWithBucket();
  await put("good", "1");
  await put("cut", "0123456789");
  await put("longer", "1");
  const objects = join(root, "buckets/models/objects");
  const fileOf = (key: string): string => join(objects, createHash("sha256").update(key).digest("hex"));
  truncateSync(fileOf("cut"), 30);
  appendFileSync(fileOf("longer"), "x");
  copyFileSync(fileOf("good"), join(objects, "0".repeat(64)));
  writeFileSync(join(objects, "README"), "mine");
  writeFileSync(join(objects, "empty"), "");
  mkdirSync(join(root, "buckets/other"));
  writeFileSync(join(root, "temporary/left"), "of a crash");
  const told: string[] = [];
  const store = await DiskObjectStore.open(root, {
    ...silentLog,
    warning: (message) => told.push(message.replace(root, "")),
  });
  expect(listed().names).toEqual(["cut", "good", "longer"]);
  const { entries } = store.list("models", { prefix: "", delimiter: "", after: "", limit: 10 });
  expect(entries).toMatchObject([{ object: { key: "good" } }]);
  expect(told).toHaveLength(6);
  expect(told).toContain("/buckets/models/objects/README is not of the object store and is not served");
  expect(told).toContain("/buckets/other is not of the object store and is not served");
  expect(readdirSync(join(root, "temporary"))).toEqual([]);
  expect(readdirSync(objects)).toContain("README");
});
