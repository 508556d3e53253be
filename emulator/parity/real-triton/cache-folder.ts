import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Unavailable } from "./unavailable.ts";

/** Where things made once for this user lie: `$XDG_CACHE_HOME/triton-local/<name>`. */
export const cacheFolder = (name: string): string => {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "triton-local", name);
};

/**
 * The folder, made by `make` unless it is there. It is filled beside its place and renamed when whole, so whoever sees it
 * sees all of it; of two processes that make it at once the first one's stays.
 */
export const madeOnce = async (
  folder: string,
  make: (unfinished: string) => Promise<void>,
): Promise<string> => {
  if (existsSync(folder)) return folder;
  const unfinished = emptyFolder(folder);
  try {
    await make(unfinished);
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true });
    if (!isTaken(error) || !existsSync(folder)) throw error;
  }
  return folder;
};

const emptyFolder = (folder: string): string => {
  try {
    mkdirSync(dirname(folder), { recursive: true });
    return mkdtempSync(`${folder}.unfinished-`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Unavailable(
      `no folder can be made there (${reason})`,
      "XDG_CACHE_HOME=<a folder with 500 MB of room>",
    );
  }
};

/** What renaming onto a folder with something in it gives. */
const isTaken = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOTEMPTY" || error.code === "EEXIST");
