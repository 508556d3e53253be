import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, sep } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import type { UnpackedArtifact } from "../../../../emulator/aws/artifacts/artifact-store.ts";
import { DirectoryArtifacts } from "../../../../emulator/aws/artifacts/directory-artifacts.ts";
import { CountedDisk } from "../../../../emulator/aws/artifacts/disk-space.ts";
import { Random } from "../../../../emulator/common/random.ts";
import type { Result } from "../../../../emulator/common/status.ts";
import { gnuLongName, paxHeader, type RawEntry, tar } from "../../../support/archives.ts";

/** `ARCHIVES=20000 ARCHIVES_SEED=7 npx vitest run archives-random` does more, or the same again. */
const archives = Number(process.env.ARCHIVES ?? 200);
const firstSeed = Number(process.env.ARCHIVES_SEED ?? Math.floor(Math.random() * 2 ** 32));

const BLOCK = 512;

const good = tar(
  { path: "config.pbtxt", content: 'backend: "python"' },
  { path: "1/" },
  { path: "1/model.py", content: "x".repeat(700) },
  gnuLongName(`1/${"n".repeat(120)}`),
  { path: "short", content: "long" },
  paxHeader({ path: "1/pax" }),
  { path: "1/ignored", content: "pax" },
  { path: "1/link", type: "2", target: "model.py" },
  { path: "1/hard", type: "1", target: "1/model.py" },
);

const pick = <T>(random: Random, choices: readonly T[]): T => {
  const choice = choices[random.nextUint32() % choices.length];
  if (choice === undefined) throw new Error("nothing to choose from");
  return choice;
};

const flipped = (random: Random, bytes: Buffer): Buffer => {
  const changed = Buffer.from(bytes);
  for (let flips = 1 + (random.nextUint32() % 4); flips > 0; flips--) {
    const at = random.nextUint32() % changed.length;
    changed[at] = (changed[at] ?? 0) ^ (1 << (random.nextUint32() % 8));
  }
  return changed;
};

/** So that it is not the checksum that finds the damage. */
const withChecksums = (archive: Buffer): Buffer => {
  for (let at = 0; at < archive.length; at += BLOCK) {
    const header = archive.subarray(at, at + BLOCK);
    if (header.toString("latin1", 257, 262) !== "ustar") continue;
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  }
  return archive;
};

/** Few names, so that they meet; no way is too crooked. */
const hostileEntry = (random: Random): RawEntry | Buffer => {
  const path = (): string =>
    Array.from({ length: 1 + (random.nextUint32() % 4) }, () =>
      pick(random, ["a", "b", "c", "A", "a", "b", "..", "."]),
    ).join("/");
  const entry = {
    path: pick(random, ["", "", "", "", "/"]) + path() + pick(random, ["", "", "", "/"]),
    target: pick(random, ["", "", "", "/"]) + path(),
    content: pick(random, ["", "hostile"]),
  };
  const type = pick(random, ["0", "0", "2", "2", "2", "1", "5", "x", "3"]);
  if (type === "x") return paxHeader({ path: entry.path, linkpath: entry.target });
  return { ...entry, type, content: type === "0" ? entry.content : "" };
};

const badArchive = (random: Random): Buffer => {
  switch (random.nextUint32() % 5) {
    case 0:
      return flipped(random, gzipSync(good));
    case 1:
      return gzipSync(flipped(random, good));
    case 2:
      return gzipSync(withChecksums(flipped(random, good)));
    case 3:
      return gzipSync(good.subarray(0, random.nextUint32() % good.length));
    default: {
      const entries = Array.from({ length: 1 + (random.nextUint32() % 6) }, () => hostileEntry(random));
      return gzipSync(tar({ path: "c/file", content: "x" }, ...entries));
    }
  }
};

test(`archives: ${archives} damaged or hostile ones from seed ${firstSeed} are unpacked inside, or not at all`, {
  timeout: 30_000 + archives * 50,
}, async () => {
  process.stdout.write(`archives: ${archives} from ARCHIVES_SEED=${firstSeed}\n`);
  const top = await mkdtemp(join(tmpdir(), "triton-local-archives-"));
  onTestFinished(() => rm(top, { recursive: true }));
  const directory = join(top, "archives");
  const root = join(top, "a/b/instance");
  await mkdir(directory);
  // What a way out would meet first.
  await mkdir(join(top, "a/b/c"), { recursive: true });
  await writeFile(join(top, "a/b/c/file"), "outside");
  const disk = new CountedDisk(2 ** 30);
  const opened = await DirectoryArtifacts.open({ directory, root, disk });
  if (!opened.ok) throw opened.error;
  const outside = async (): Promise<string[]> =>
    (await readdir(top, { recursive: true })).filter((path) => !path.startsWith("a/b/instance/")).sort();
  const refused = { archives: 0 };
  for (let index = 0; index < archives; index++) {
    const seed = (firstSeed + index) % 2 ** 32;
    await writeFile(join(directory, "x.tar.gz"), badArchive(new Random(seed)));
    const before = await outside();
    const result = await new Promise<Result<UnpackedArtifact>>((resolve) => {
      opened.value.fetch({ targetModel: "x.tar.gz", archiveBytes: 0, etag: "" }, "hash", resolve);
    });
    try {
      expect(await outside()).toEqual(before);
      expect(await readFile(join(top, "a/b/c/file"), "utf8")).toBe("outside");
      if (result.ok) {
        const { url } = result.value;
        expect(await readdir(root)).toEqual(["hash"]);
        for (const path of await readdir(url, { recursive: true })) {
          expect(`${await realpath(join(url, path))}${sep}`).toContain(`${url}${sep}`);
          expect((await stat(join(url, path))).mode & 0o7000).toBe(0);
        }
        await new Promise<void>((resolve) => {
          opened.value.remove("hash", resolve);
        });
      } else {
        refused.archives++;
        expect([result.error.code, result.error.message]).toEqual([
          "INVALID_ARG",
          expect.stringMatching(/^archive 'x\.tar\.gz' (is|holds)/),
        ]);
      }
      expect(await readdir(root)).toEqual([]);
      expect(disk.usedBytes).toBe(0);
    } catch (error) {
      throw new Error(`ARCHIVES_SEED=${seed} ARCHIVES=1`, { cause: error });
    }
  }
  if (archives >= 100) {
    expect(refused.archives).toBeGreaterThan(archives / 4);
    expect(refused.archives).toBeLessThan(archives);
  }
});
