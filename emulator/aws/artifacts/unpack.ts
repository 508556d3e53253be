import { type FileHandle, link, mkdir, open, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { TritonError } from "../../common/status.ts";
import { ArchiveTree } from "./archive-tree.ts";
import type { ArtifactLimits } from "./artifact-limits.ts";
import type { DiskSpace } from "./disk-space.ts";
import { refusal, unpackLimit } from "./refusal.ts";
import { TarReader } from "./tar-reader.ts";

/** The bytes of an archive. */
export interface Archive {
  readonly byteSize: number;
  /** From the first byte on; to be asked for once. */
  content(): AsyncIterable<Uint8Array>;
}

export interface Unpacking {
  readonly targetModel: string;
  readonly archive: Archive;
  /** An empty folder. */
  readonly folder: string;
  readonly limits: ArtifactLimits;
  readonly disk: DiskSpace;
  /** Told of the bytes that were taken from the disk, also when unpacking fails later. */
  readonly onTaken: (bytes: number) => void;
}

const CHUNK = 256 * 1024;

/**
 * Unpacks a .tar.gz into a folder, as it is read. Throws the refusal (a TritonError) of what may not be unpacked; what was
 * written until then stays for the caller to remove.
 */
export const unpack = async ({
  targetModel,
  archive,
  folder,
  limits,
  disk,
  onTaken,
}: Unpacking): Promise<void> => {
  const limit = unpackLimit(targetModel, archive.byteSize, limits);
  const reader = new TarReader(targetModel);
  const tree = new ArchiveTree(targetModel, limits);
  const made = new Set<string>([""]);
  const makeFolder = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    made.add(path);
    await mkdir(join(folder, path), { recursive: true });
  };
  let unpacked = 0;
  const output: { file: FileHandle | null } = { file: null };
  try {
    await pipeline(
      gzipOf(targetModel, archive),
      createGunzip({ chunkSize: CHUNK }),
      async (chunks: AsyncIterable<Uint8Array>) => {
        for await (const chunk of chunks) {
          unpacked += chunk.length;
          if (unpacked > limit.bytes) throw limit.refused().error;
          for (const event of reader.push(chunk)) {
            if (event.type === "data") {
              if (!disk.take(event.bytes.length)) throw refusal.diskFull().error;
              onTaken(event.bytes.length);
              await output.file?.writeFile(event.bytes);
            } else if (event.type === "file-end") {
              await output.file?.close();
              output.file = null;
            } else {
              const step = tree.add(event.entry);
              if (step.do === "nothing") continue;
              if (step.do === "make folder") await makeFolder(step.path);
              else {
                await makeFolder(parentOf(step.path));
                const path = join(folder, step.path);
                if (step.do === "link file") await link(join(folder, step.to), path);
                // The owner can always read, and delete, what was unpacked for it.
                else output.file = await open(path, "wx", step.mode | 0o600);
              }
            }
          }
        }
        reader.end();
      },
    );
    for (const { path, target } of tree.links()) {
      await makeFolder(parentOf(path));
      await symlink(target, join(folder, path));
    }
  } catch (error) {
    throw asRefusal(error, targetModel);
  } finally {
    await output.file?.close();
  }
};

/** The content, when it begins as gzip does. */
const gzipOf = async function* (targetModel: string, archive: Archive): AsyncGenerator<Uint8Array> {
  let begin: Uint8Array | null = new Uint8Array(0);
  for await (const bytes of archive.content()) {
    if (begin === null) {
      yield bytes;
      continue;
    }
    begin = begin.length === 0 ? bytes : Buffer.concat([begin, bytes]);
    if (begin.length < MAGIC.length) continue;
    if (!MAGIC.equals(begin.subarray(0, MAGIC.length))) throw refusal.notGzip(targetModel).error;
    yield begin;
    begin = null;
  }
  if (begin?.length === 0) throw refusal.cutOff(targetModel, "before it begins").error;
  if (begin !== null) throw refusal.notGzip(targetModel).error;
};

const MAGIC = Buffer.of(0x1f, 0x8b);

const parentOf = (path: string): string => {
  const parent = dirname(path);
  return parent === "." ? "" : parent;
};

/** What the system said, as a refusal. */
export const asRefusal = (error: unknown, targetModel: string): TritonError => {
  if (error instanceof TritonError) return error;
  if (!(error instanceof Error)) throw error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code === "ENOSPC" || code === "EDQUOT") return refusal.diskFull().error;
  // zlib: the input ended before the stream did.
  if (code === "Z_BUF_ERROR") return refusal.cutOff(targetModel, "in the middle of its gzip stream").error;
  if (code.startsWith("Z_")) return refusal.damaged(targetModel, error.message).error;
  if (code !== "") return refusal.failed(targetModel, error.message).error;
  throw error;
};
