import { readdirSync } from "node:fs";
import { onTestFinished } from "vitest";
import { checksumOf } from "../../emulator/aws/object-store/checksum.ts";
import type {
  ObjectProperties,
  ObjectSource,
  Written,
} from "../../emulator/aws/object-store/object-store.ts";
import { silentLog } from "../../emulator/common/log.ts";
import { temporaryFolder } from "../../emulator/parity/cases/model-repository.ts";
import { DiskObjectStore } from "../../emulator/storage/disk-object-store.ts";

/** A store in a folder that is gone after the test. */
export const localObjectStore = async (): Promise<{
  readonly root: string;
  readonly store: DiskObjectStore;
}> => {
  const folder = temporaryFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return { root: folder.path, store: await DiskObjectStore.open(folder.path, silentLog) };
};

/** What an object is described with where nothing but its bytes matters. */
export const described = ({ md5 }: Written): ObjectProperties => ({
  etag: md5,
  lastModifiedMs: 1_000,
  headers: { "content-type": "text/plain" },
  checksum: { algorithm: "CRC32", type: "FULL_OBJECT", value: checksumOf("CRC32", Buffer.of()) },
  partBytes: null,
});

/** Null = there is no such object. */
export const contentOf = async (
  source: ObjectSource,
  bucket: string,
  key: string,
): Promise<Buffer | null> => {
  const open = await source.open(bucket, key);
  if (open === null) return null;
  const pieces: Uint8Array[] = [];
  for await (const bytes of open.read(0, open.object.byteSize)) pieces.push(bytes);
  await open.close();
  return Buffer.concat(pieces);
};

/** All files and folders, but for the notes of buckets and uploads. */
export const filesOf = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((path) => !path.endsWith("note.json"))
    .sort();
