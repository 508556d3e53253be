import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes what was added to or removed from a folder last. */
export const syncFolder = async (path: string): Promise<void> => {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
};

/** A new file with this content, on the disk when it is resolved. */
export const writeSynced = async (path: string, content: string | Uint8Array): Promise<void> => {
  const file = await open(path, "wx");
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
};

/**
 * Puts a file or folder that is whole, and on the disk, at its place.
 * @param to on the same file system; a file there is replaced
 */
export const moveSynced = async (from: string, to: string): Promise<void> => {
  await rename(from, to);
  await syncFolder(dirname(to));
};

/**
 * Removes a folder with all that is in it: at once for everybody who looks, and for ever.
 * @param trash a path on the same file system; what lies there after a crash is to be removed
 */
export const removeFolderSynced = async (path: string, trash: string): Promise<void> => {
  await rename(path, trash);
  await syncFolder(dirname(path));
  await rm(trash, { recursive: true, force: true });
};

/** What is to be done one after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
