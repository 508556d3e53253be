import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import {
  type ArtifactLimits,
  defaultArtifactLimits,
} from "../../../../emulator/aws/artifacts/artifact-limits.ts";
import type { Artifact, UnpackedArtifact } from "../../../../emulator/aws/artifacts/artifact-store.ts";
import { DirectoryArtifacts } from "../../../../emulator/aws/artifacts/directory-artifacts.ts";
import { CountedDisk } from "../../../../emulator/aws/artifacts/disk-space.ts";
import { Random } from "../../../../emulator/common/random.ts";
import type { Result } from "../../../../emulator/common/status.ts";
import { gnuLongName, paxHeader, type RawEntry, tar, tarEntry, tarGz } from "../../../support/archives.ts";

const config: RawEntry = { path: "config.pbtxt", content: 'backend: "python"' };

/** Small enough to be reached by a test. */
const limits: ArtifactLimits = {
  entries: 20,
  unpackedBytes: 4 * 2 ** 20,
  ratio: 20,
  freeBytes: 2 ** 20,
  pathLength: 300,
  nameBytes: 255,
  depth: 6,
};

/** A directory of archives and the folders of an instance, side by side in a folder that is looked through afterwards. */
const makeInstance = async (
  options: { readonly limits?: ArtifactLimits; readonly diskBytes?: number } = {},
) => {
  const top = await mkdtemp(join(tmpdir(), "triton-local-artifacts-"));
  onTestFinished(() => rm(top, { recursive: true }));
  const directory = join(top, "archives");
  const root = join(top, "instance/models");
  await mkdir(directory);
  const disk = new CountedDisk(options.diskBytes ?? 2 ** 40);
  const opened = await DirectoryArtifacts.open({ directory, root, disk, limits: options.limits ?? limits });
  if (!opened.ok) throw opened.error;
  const store = opened.value;
  const found = (targetModel: string): Promise<Result<Artifact | null>> =>
    new Promise((resolve) => {
      store.find(targetModel, resolve);
    });
  const fetched = (targetModel: string, modelName = "0a1b"): Promise<Result<UnpackedArtifact>> =>
    new Promise((resolve) => {
      store.fetch({ targetModel, archiveBytes: 0, etag: "" }, modelName, resolve);
    });
  const removed = (modelName: string): Promise<void> =>
    new Promise((resolve) => {
      store.remove(modelName, resolve);
    });
  const put = async (targetModel: string, content: Uint8Array): Promise<void> => {
    await mkdir(dirname(join(directory, targetModel)), { recursive: true });
    await writeFile(join(directory, targetModel), content);
  };
  /** Everything that is not an archive. */
  const onDisk = async (): Promise<string[]> =>
    (await readdir(top, { recursive: true })).filter((path) => !path.startsWith("archives")).sort();
  return { top, directory, root, disk, store, found, fetched, removed, put, onDisk };
};

const EMPTY = ["instance", "instance/models"];

/** Bytes that do not compress. */
const noise = (byteSize: number): Buffer => {
  const random = new Random(1);
  const bytes = Buffer.alloc(byteSize);
  for (let at = 0; at < byteSize; at += 4) bytes.writeUInt32LE(random.nextUint32(), at);
  return bytes;
};

/** As tars of old add up the bytes, those from 128 on being negative. */
const withSignedChecksum = (entry: RawEntry): Buffer => {
  const header = tarEntry(entry).subarray(0, 148);
  const unsigned = Number.parseInt(tarEntry(entry).toString("latin1", 148, 154), 8);
  return tarEntry({ ...entry, checksum: unsigned - 256 * header.filter((byte) => byte > 127).length });
};

const link = (path: string, target: string): RawEntry => ({ path, type: "2", target });
const hardLink = (path: string, target: string): RawEntry => ({ path, type: "1", target });

interface BadArchive {
  readonly name: string;
  readonly content: Uint8Array;
  /** What follows the name of the archive. */
  readonly text: string;
}

const whole = tarGz(config, { path: "1/model.py", content: "x".repeat(5000) });

const badArchives: readonly BadArchive[] = [
  {
    name: "is empty",
    content: new Uint8Array(),
    text: "is cut off: it ends before it begins; copy it again",
  },
  {
    name: "is a zip",
    content: Buffer.from("PK\x03\x04rest of it"),
    text: "is not gzip: make it with 'tar -czf', other formats are not unpacked",
  },
  {
    name: "is a tar without gzip",
    content: tar(config),
    text: "is not gzip: make it with 'tar -czf', other formats are not unpacked",
  },
  {
    name: "is one byte of gzip",
    content: whole.subarray(0, 1),
    text: "is not gzip: make it with 'tar -czf', other formats are not unpacked",
  },
  {
    name: "ends in the header of gzip",
    content: whole.subarray(0, 6),
    text: "is cut off: it ends in the middle of its gzip stream; copy it again",
  },
  {
    name: "ends in the middle",
    content: whole.subarray(0, whole.length / 2),
    text: "is cut off: it ends in the middle of its gzip stream; copy it again",
  },
  {
    name: "lacks the last byte",
    content: whole.subarray(0, -1),
    text: "is cut off: it ends in the middle of its gzip stream; copy it again",
  },
  {
    name: "has a wrong checksum of gzip",
    content: Buffer.from(whole).fill(0, whole.length - 8, whole.length - 4),
    text: "is damaged: incorrect data check",
  },
  {
    name: "holds a text",
    content: gzipSync(Buffer.from("this is a text\n".repeat(100))),
    text: "is gzip, but holds no tar: make it with 'tar -czf'",
  },
  {
    name: "holds a text shorter than a header",
    content: gzipSync(Buffer.from("short")),
    text: "is gzip, but holds no tar: make it with 'tar -czf'",
  },
  {
    name: "holds nothing",
    content: gzipSync(Buffer.alloc(0)),
    text: "is gzip, but holds no tar: make it with 'tar -czf'",
  },
  { name: "holds an empty tar", content: tarGz(), text: "holds no file" },
  { name: "holds folders only", content: tarGz({ path: "1/" }), text: "holds no file" },
  {
    name: "holds a tar that ends in a file",
    content: gzipSync(tar(config, { path: "1/model.py", content: "x".repeat(5000) }).subarray(0, 3000)),
    text: "is cut off: it ends in the middle of '1/model.py'; copy it again",
  },
  {
    name: "holds a tar that ends in the zeros after a file",
    content: gzipSync(tarEntry(config).subarray(0, 1000)),
    text: "is cut off: it ends in the middle of 'config.pbtxt'; copy it again",
  },
  {
    name: "holds a tar that ends in a header",
    content: gzipSync(tar(config, { path: "1/model.py" }).subarray(0, 1100)),
    text: "is cut off: it ends in the middle of 'config.pbtxt'; copy it again",
  },
  {
    name: "has a wrong checksum in a header",
    content: tarGz(config, { path: "1/model.py", checksum: 1 }),
    text: "is damaged: what belongs to or follows 'config.pbtxt' is no tar header",
  },
  {
    name: "has a folder with a size",
    content: tarGz(config, { path: "1/", byteSize: 512 }),
    text: "is damaged: what belongs to or follows '1/' is no tar header",
  },
  {
    name: "has a name that is no UTF-8",
    content: tarGz(
      config,
      gnuLongName("x"),
      Buffer.concat([
        tarEntry({ path: "././@LongLink", type: "L", byteSize: 3 }),
        Buffer.from("\xff\xfe\0", "latin1"),
        Buffer.alloc(509),
      ]),
    ),
    text: "is damaged: what belongs to or follows 'config.pbtxt' is no tar header",
  },
  {
    name: "has a pax record that is longer than its header",
    content: tarGz(config, { path: "pax", type: "x", content: "99 path=a\n" }),
    text: "is damaged: what belongs to or follows 'config.pbtxt' is no tar header",
  },
  {
    name: "has a pax header without an end",
    content: tarGz(config, paxHeader({ comment: "x".repeat(64 * 1024) }), { path: "a" }),
    text: "is damaged: what belongs to or follows 'config.pbtxt' is no tar header",
  },
  {
    name: "has a pax size that is no number",
    content: tarGz(config, paxHeader({ size: "-1" }), { path: "a" }),
    text: "is damaged: what belongs to or follows 'config.pbtxt' is no tar header",
  },
  {
    name: "has a size beyond all numbers",
    content: tarGz(config, { path: "a", byteSize: 2 ** 60 }),
    text: "is damaged: what belongs to or follows 'config.pbtxt' is no tar header",
  },
  {
    name: "leads up",
    content: tarGz(config, { path: "../escape", content: "x" }),
    text: "is refused: '../escape' leads out of the folder it is unpacked into",
  },
  {
    name: "leads up from below",
    content: tarGz(config, { path: "1/../../escape", content: "x" }),
    text: "is refused: '1/../../escape' leads out of the folder it is unpacked into",
  },
  {
    name: "leads up within the folder",
    content: tarGz({ path: "1/../config.pbtxt", content: "x" }),
    text: "is refused: '1/../config.pbtxt' leads out of the folder it is unpacked into",
  },
  {
    name: "is absolute",
    content: tarGz(config, { path: "/tmp/escape", content: "x" }),
    text: "is refused: '/tmp/escape' leads out of the folder it is unpacked into",
  },
  {
    name: "leads up by its ustar prefix",
    content: tarGz(config, { path: "escape", prefix: "..", content: "x" }),
    text: "is refused: '../escape' leads out of the folder it is unpacked into",
  },
  {
    name: "leads up by its pax path",
    content: tarGz(config, paxHeader({ path: "../escape" }), { path: "harmless", content: "x" }),
    text: "is refused: '../escape' leads out of the folder it is unpacked into",
  },
  {
    name: "leads up by its GNU name",
    content: tarGz(config, gnuLongName("../escape"), { path: "harmless", content: "x" }),
    text: "is refused: '../escape' leads out of the folder it is unpacked into",
  },
  {
    name: "has a backslash in a name",
    content: tarGz(config, { path: "..\\escape", content: "x" }),
    text: "is refused: '..\\escape' is no name of a file",
  },
  {
    name: "has a control character in a name",
    content: tarGz(config, { path: "a\u001b[2Jb", content: "x" }),
    text: "is refused: 'a\\u{1b}[2Jb' is no name of a file",
  },
  {
    name: "has a NUL in its pax path",
    content: tarGz(config, paxHeader({ path: "a\0b" }), { path: "harmless", content: "x" }),
    text: "is refused: 'a\\u{0}b' is no name of a file",
  },
  {
    name: "has no name",
    content: tarGz(config, { path: "", content: "x" }),
    text: "is refused: '' is no name of a file",
  },
  {
    name: "has a file in the place of the folder itself",
    content: tarGz(config, { path: ".", content: "x" }),
    text: "is refused: '.' is no name of a file",
  },
  {
    name: "has a link that leads up",
    content: tarGz(config, link("1/escape", "../../outside")),
    text: "is refused: '1/escape' is a link to '../../outside', which leads out of the folder",
  },
  {
    name: "has a link that is absolute",
    content: tarGz(config, link("passwd", "/etc/passwd")),
    text: "is refused: 'passwd' is a link to '/etc/passwd', which leads out of the folder",
  },
  {
    name: "has a link that leads out through another link",
    content: tarGz(config, link("1/2/up", "../.."), link("1/2/escape", "up/../outside")),
    text: "is refused: '1/2/escape' is a link to 'up/../outside', which leads out of the folder",
  },
  {
    name: "has a link to nothing",
    content: tarGz(config, link("dangling", "missing")),
    text: "is refused: 'dangling' is a link to 'missing', which is not in the archive",
  },
  {
    name: "has a link to a folder that it lies in",
    content: tarGz(config, { path: "1/" }, link("1/all", "..")),
    text: "is refused: '1/all' is a link to '..', a folder that holds links to folders itself",
  },
  {
    name: "has links to folders that multiply",
    content: tarGz(config, { path: "c/f" }, link("b/1", "../c"), link("b/2", "../c"), link("a/1", "../b")),
    text: "is refused: 'a/1' is a link to '../b', a folder that holds links to folders itself",
  },
  {
    name: "shows too many files by its links to folders",
    content: tarGz(
      config,
      ...Array.from({ length: 9 }, (_, index) => ({ path: `1/f${index}` })),
      link("2", "1"),
    ),
    text: "is refused: '2' is one more than the 20 files and folders an archive may hold",
  },
  {
    name: "has links that go round",
    content: tarGz(config, link("a", "b"), link("b", "a")),
    text: "is refused: 'a' is a link to 'b', which is not in the archive",
  },
  {
    name: "has a link with an endless target",
    content: tarGz(config, gnuLongName("./".repeat(200), "K"), link("a", "")),
    text: "is refused: 'a' is a link whose way is too long to be followed",
  },
  {
    name: "has a link with a winding target",
    content: tarGz(config, { path: "1/" }, link("a", "1/../".repeat(7))),
    text: "is refused: 'a' is a link whose way is too long to be followed",
  },
  {
    name: "has a link without a target",
    content: tarGz(config, link("a", "")),
    text: "is refused: 'a' is a link to '', which is not in the archive",
  },
  {
    name: "has a link to a file whose name differs by case",
    content: tarGz(config, link("a", "Config.pbtxt")),
    text: "is refused: 'a' is a link to 'Config.pbtxt', which is not in the archive",
  },
  {
    name: "has a link through a file",
    content: tarGz(config, link("a", "config.pbtxt/../config.pbtxt")),
    text: "is refused: 'a' is a link to 'config.pbtxt/../config.pbtxt', which is not in the archive",
  },
  {
    name: "writes through a link",
    content: tarGz(config, link("1", "."), { path: "1/model.py", content: "x" }),
    text: "is refused: '1/model.py' would be written through the link '1'",
  },
  {
    name: "makes a folder of a link",
    content: tarGz(config, link("1", "."), { path: "1/" }),
    text: "is refused: '1/' is there twice",
  },
  {
    name: "has a hard link that leads up",
    content: tarGz(config, hardLink("passwd", "../../../../etc/passwd")),
    text: "is refused: '../../../../etc/passwd' leads out of the folder it is unpacked into",
  },
  {
    name: "has a hard link that is absolute",
    content: tarGz(config, hardLink("passwd", "/etc/passwd")),
    text: "is refused: '/etc/passwd' leads out of the folder it is unpacked into",
  },
  {
    name: "has a hard link to what comes later",
    content: tarGz(hardLink("a", "config.pbtxt"), config),
    text: "is refused: 'a' is a link to 'config.pbtxt', which is not in the archive",
  },
  {
    name: "has a hard link to a file whose name differs by case",
    content: tarGz(config, hardLink("a", "Config.pbtxt")),
    text: "is refused: 'a' is a link to 'Config.pbtxt', which is not in the archive",
  },
  {
    name: "has a hard link to a link",
    content: tarGz(config, link("a", "config.pbtxt"), hardLink("b", "a")),
    text: "is refused: 'b' is a link to 'a', which is not in the archive",
  },
  ...(
    [
      ["3", "character device"],
      ["4", "block device"],
      ["6", "named pipe"],
      ["S", "sparse file"],
      ["V", "volume label"],
      ["Z", "entry of type 'Z'"],
    ] as const
  ).map(
    ([type, kind]): BadArchive => ({
      name: `has a ${kind}`,
      content: tarGz(config, { path: "special", type }),
      text: `is refused: 'special' is a ${kind}; only files, folders and links are unpacked`,
    }),
  ),
  {
    name: "has a sparse file of pax",
    content: tarGz(config, paxHeader({ "GNU.sparse.major": "1" }), { path: "sparse", content: "x" }),
    text: "is refused: 'sparse' is a sparse file; only files, folders and links are unpacked",
  },
  {
    name: "has a file twice",
    content: tarGz(config, { path: "./config.pbtxt", content: "other" }),
    text: "is refused: './config.pbtxt' is there twice",
  },
  {
    name: "has two files that differ by case",
    content: tarGz(config, { path: "1/Model.py" }, { path: "1/model.py" }),
    text: "is refused: '1/model.py' differs from '1/Model.py' by upper and lower case only",
  },
  {
    name: "has two folders that differ by case",
    content: tarGz(config, { path: "Data/a" }, { path: "data/b" }),
    text: "is refused: 'data/b' differs from 'Data' by upper and lower case only",
  },
  {
    name: "has two names that differ by the way their letters are put together",
    content: tarGz(config, { path: "\u00e9" }, { path: "e\u0301" }),
    text: "is refused: 'e\u0301' differs from '\u00e9' by upper and lower case only",
  },
  {
    name: "has a file where it needs a folder",
    content: tarGz(config, { path: "1" }, { path: "1/model.py" }),
    text: "is refused: '1/model.py' needs '1' to be a folder, but it is a file",
  },
  {
    name: "has a folder where it has a file",
    content: tarGz(config, { path: "1" }, { path: "1/" }),
    text: "is refused: '1/' needs '1' to be a folder, but it is a file",
  },
  {
    name: "has a file where it has a folder",
    content: tarGz(config, { path: "1/model.py" }, { path: "1", content: "x" }),
    text: "is refused: '1' is a file, but was a folder before",
  },
  {
    name: "has too many files",
    content: tarGz(config, ...Array.from({ length: 20 }, (_, index) => ({ path: `f${index}` }))),
    text: "is refused: 'f19' is one more than the 20 files and folders an archive may hold",
  },
  {
    name: "is too deep",
    content: tarGz(config, { path: "1/2/3/4/5/6/7" }),
    text: "is refused: '1/2/3/4/5/6/7' lies deeper than 6 folders",
  },
  {
    name: "has a path that is too long",
    content: tarGz(config, gnuLongName("abc/".repeat(76)), { path: "x" }),
    text: `is refused: '${"abc/".repeat(15)}...' is longer than 300 characters, or has a part of more than 255 bytes`,
  },
  {
    name: "has a name that no disk takes",
    content: tarGz(config, paxHeader({ path: "ü".repeat(128) }), { path: "x" }),
    text: `is refused: '${"ü".repeat(60)}...' is longer than 300 characters, or has a part of more than 255 bytes`,
  },
  {
    name: "is a bomb",
    content: tarGz(config, { path: "zeros", content: new Uint8Array(2 * 2 ** 20) }),
    text: "is refused: it unpacks to more than 20 times its size, which is allowed for the first 1048576 bytes only",
  },
  {
    name: "is a bomb behind the end of its tar",
    content: gzipSync(Buffer.concat([tar(config), new Uint8Array(2 * 2 ** 20)])),
    text: "is refused: it unpacks to more than 20 times its size, which is allowed for the first 1048576 bytes only",
  },
  {
    name: "is too large",
    content: tarGz(
      config,
      { path: "noise", content: noise(2 ** 18) },
      { path: "zeros", content: new Uint8Array(4 * 2 ** 20) },
    ),
    text: "is refused: it unpacks to more than 4194304 bytes",
  },
  {
    name: "promises more than it has",
    content: tarGz(config, { path: "promise", byteSize: 8 ** 11 }),
    text: "is cut off: it ends in the middle of 'promise'; copy it again",
  },
];

test.each(badArchives)("bad archive: one that $name is refused and leaves nothing behind", async (bad) => {
  const { fetched, put, onDisk, disk } = await makeInstance();
  await put("bad.tar.gz", bad.content);
  const result = await fetched("bad.tar.gz");
  expect(result.ok ? null : [result.error.code, result.error.message]).toEqual([
    "INVALID_ARG",
    `archive 'bad.tar.gz' ${bad.text}`,
  ]);
  expect(await onDisk()).toEqual(EMPTY);
  expect(disk.usedBytes).toBe(0);
});

test("archive: its files, folders and links are unpacked, and their bytes counted", async () => {
  const { fetched, put, root, disk } = await makeInstance({ limits: { ...limits, entries: 40 } });
  const long = `1/${"long/".repeat(2)}${"n".repeat(150)}`;
  await put(
    "team/a.tar.gz",
    tarGz(
      paxHeader({ comment: "for all" }, "g"),
      { path: "./" },
      { ...config, path: "./config.pbtxt" },
      { path: "1/" },
      { path: "1/model.py", content: "y".repeat(1024), mode: 0o6755 },
      { path: "1/" },
      link("1/later.so", "lib.so.1"),
      { path: "1/lib.so.1", content: "so", mode: 0o444 },
      hardLink("1/same.so", "1/lib.so.1"),
      link("up", "1/../1"),
      { path: "old-folder/", type: "\0" },
      { path: "old-file", type: "\0", content: "old", magic: "" },
      { path: "b", prefix: "a", content: "by prefix" },
      gnuLongName(long),
      { path: "short", content: "long" },
      paxHeader({ path: "pax/Übung", size: "3" }),
      { path: "ignored", content: "pax", byteSize: 0 },
      { path: "after", content: "1" },
      paxHeader({ linkpath: "config.pbtxt" }),
      link("pax-link", "ignored"),
      withSignedChecksum({ path: "signé" }),
    ),
  );
  const result = await fetched("team/a.tar.gz");
  const url = join(root, "0a1b/model");
  const bytes = 17 + 1024 + 2 + 3 + 9 + 4 + 3 + 1;
  expect(result).toEqual({ ok: true, value: { url, bytes } });
  expect(disk.usedBytes).toBe(bytes);
  const listed = await readdir(url, { recursive: true });
  expect(listed.filter((path) => !path.startsWith("up/")).sort()).toEqual(
    [
      "1",
      "1/later.so",
      "1/lib.so.1",
      "1/long",
      "1/long/long",
      long,
      "1/model.py",
      "1/same.so",
      "a",
      "a/b",
      "after",
      "config.pbtxt",
      "old-file",
      "old-folder",
      "pax",
      "pax-link",
      "pax/Übung",
      "signé",
      "up",
    ].sort(),
  );
  expect(await readFile(join(url, "1/model.py"), "utf8")).toBe("y".repeat(1024));
  expect(await readFile(join(url, "up/later.so"), "utf8")).toBe("so");
  expect(await readlink(join(url, "1/later.so"))).toBe("lib.so.1");
  // No setuid, no setgid; and what nobody may write can be deleted by its owner all the same.
  expect((await stat(join(url, "1/model.py"))).mode & 0o7777 & ~0o022).toBe(0o755);
  expect((await stat(join(url, "1/lib.so.1"))).mode & 0o7600).toBe(0o600);
});

test("archive: the zeros at the end of a tar may be missing", async () => {
  const { fetched, put } = await makeInstance();
  await put("a.tar.gz", gzipSync(tarEntry(config)));
  expect(await fetched("a.tar.gz")).toMatchObject({ ok: true });
});

test("archive: gzip in several parts is one stream", async () => {
  const { fetched, put } = await makeInstance();
  const content = tar(config, { path: "1/model.py", content: "z" });
  await put("a.tar.gz", Buffer.concat([gzipSync(content.subarray(0, 700)), gzipSync(content.subarray(700))]));
  expect(await fetched("a.tar.gz")).toMatchObject({ ok: true });
});

test("archive: one that was overwritten has another etag, and replaces the folder of the old one", async () => {
  const { found, fetched, put, root, disk } = await makeInstance();
  await put("a.tar.gz", tarGz(config, { path: "old" }));
  const before = await found("a.tar.gz");
  await fetched("a.tar.gz");
  await put("a.tar.gz", tarGz({ path: "new", content: "12345" }));
  const after = await found("a.tar.gz");
  expect(before.ok && after.ok && before.value?.etag !== after.value?.etag).toBe(true);
  await fetched("a.tar.gz");
  expect(await readdir(join(root, "0a1b/model"))).toEqual(["new"]);
  expect(disk.usedBytes).toBe(5);
});

test("archive: a bad one does not touch the folder that is there", async () => {
  const { fetched, put, root } = await makeInstance();
  await put("a.tar.gz", tarGz(config));
  await fetched("a.tar.gz");
  await put("a.tar.gz", tarGz(config, { path: "../escape" }));
  expect(await fetched("a.tar.gz")).toMatchObject({ ok: false });
  expect(await readdir(root, { recursive: true })).toEqual(["0a1b", "0a1b/model", "0a1b/model/config.pbtxt"]);
});

test("archive: one that is written to while it is read is refused", async () => {
  const { store, put, directory, onDisk } = await makeInstance({ limits: defaultArtifactLimits });
  await put("a.tar.gz", tarGz(config, { path: "noise", content: noise(2 ** 20) }));
  // The disk is asked for room in the middle of it: that is the moment.
  const asked: Promise<void>[] = [];
  const opened = await DirectoryArtifacts.open({
    directory,
    root: join(directory, "../instance/models"),
    disk: {
      take: () => {
        if (asked.length === 0) asked.push(writeFile(join(directory, "a.tar.gz"), "x", { flag: "a" }));
        return true;
      },
      giveBack: () => {},
    },
  });
  if (!opened.ok) throw opened.error;
  expect(store).not.toBe(opened.value);
  const result = await new Promise<Result<UnpackedArtifact>>((resolve) => {
    opened.value.fetch({ targetModel: "a.tar.gz", archiveBytes: 0, etag: "" }, "0a1b", resolve);
  });
  await Promise.all(asked);
  expect(result.ok ? null : result.error.message).toBe(
    "archive 'a.tar.gz' was changed while it was read; put a new archive in place by renaming it",
  );
  expect(await onDisk()).toEqual(EMPTY);
});

test("archive: on a full disk it is refused in the system's words, and fits once there is room", async () => {
  const { fetched, removed, put, onDisk, disk } = await makeInstance({ diskBytes: 1000 });
  await put("a.tar.gz", tarGz({ path: "a", content: "a".repeat(600) }));
  await put("b.tar.gz", tarGz({ path: "b", content: "b".repeat(600) }));
  await fetched("a.tar.gz", "aa");
  const before = await onDisk();
  const refused = await fetched("b.tar.gz", "bb");
  expect(refused.ok ? null : [refused.error.code, refused.error.message]).toEqual([
    "UNAVAILABLE",
    "No space left on device",
  ]);
  expect(await onDisk()).toEqual(before);
  await removed("aa");
  expect(await fetched("b.tar.gz", "bb")).toMatchObject({ ok: true });
  expect(disk.usedBytes).toBe(600);
});

test.each([
  "missing.tar.gz",
  "team",
  "team/",
  "/a.tar.gz",
  "team//a.tar.gz",
  "./team/a.tar.gz",
  "team/../team/a.tar.gz",
  "../archives/team/a.tar.gz",
  "team/a.tar.gz/b",
  "a\0.tar.gz",
  "n".repeat(300),
  "",
])("find: there is no archive %j", async (targetModel) => {
  const { found, fetched, put } = await makeInstance();
  await put("team/a.tar.gz", tarGz(config));
  expect(await found(targetModel)).toEqual({ ok: true, value: null });
  const result = await fetched(targetModel);
  expect(result.ok ? null : result.error.code).toBe("NOT_FOUND");
});

test("find: tells the size of an archive in a subfolder, or behind a link", async () => {
  const { found, put, directory } = await makeInstance();
  const content = tarGz(config);
  await put("team/a.tar.gz", content);
  await symlink("team/a.tar.gz", join(directory, "linked.tar.gz"));
  for (const targetModel of ["team/a.tar.gz", "linked.tar.gz"]) {
    expect(await found(targetModel)).toMatchObject({
      ok: true,
      value: { targetModel, archiveBytes: content.length },
    });
  }
});

test("folders: what is asked for one is done in the order it was asked for", async () => {
  const { store, put, root, disk, fetched } = await makeInstance();
  await put("a.tar.gz", tarGz({ path: "a", content: "1" }));
  await put("b.tar.gz", tarGz({ path: "b", content: "22" }));
  const order: string[] = [];
  const artifact = (targetModel: string): Artifact => ({ targetModel, archiveBytes: 0, etag: "" });
  store.fetch(artifact("a.tar.gz"), "0a1b", () => order.push("a"));
  store.remove("0a1b", () => order.push("removed"));
  await fetched("b.tar.gz");
  expect(order).toEqual(["a", "removed"]);
  expect(await readdir(join(root, "0a1b/model"))).toEqual(["b"]);
  expect(disk.usedBytes).toBe(2);
});

test("folders: what a crash left half unpacked is removed at the start, and nothing else", async () => {
  const { directory, root, fetched, put, onDisk } = await makeInstance();
  await put("a.tar.gz", tarGz(config));
  await fetched("a.tar.gz");
  const before = await onDisk();
  await mkdir(join(root, ".partial-0a1b-7/model"), { recursive: true });
  expect(await DirectoryArtifacts.open({ directory, root })).toMatchObject({ ok: true });
  expect(await onDisk()).toEqual(before);
});

test("folders: no directory of archives is an error that names it", async () => {
  const { top } = await makeInstance();
  const opened = await DirectoryArtifacts.open({ directory: join(top, "missing"), root: join(top, "other") });
  expect(opened.ok ? null : opened.error.asString()).toBe(
    `Invalid argument: cannot serve model archives: ENOENT: no such file or directory, scandir '${join(top, "missing")}'; name the folder that holds them (*.tar.gz)`,
  );
});
