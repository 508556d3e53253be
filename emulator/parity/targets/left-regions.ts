import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

/** Of the memory that the Python backend shares with its stubs; it outlives a server that is killed (2.51.0, observed). */
const REGION = /^triton_python_backend_shm_region_/;

export interface SharedMemoryPlace {
  readonly regions: string;
  /** A folder for each process with what it maps, as in procfs. */
  readonly processes: string;
}

/**
 * Removes the regions that killed servers of this user left: made since a time, and mapped by no process any more.
 * @param sinceMs Unix time
 */
export const removeLeftRegions = (
  sinceMs: number,
  { regions, processes }: SharedMemoryPlace = { regions: "/dev/shm", processes: "/proc" },
): void => {
  const made = namesIn(regions)
    .filter((name) => REGION.test(name))
    .map((name) => join(regions, name))
    .filter((path) => isOurs(path, sinceMs));
  if (made.length === 0) return;
  const mapped = namesIn(processes)
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => textOf(join(processes, pid, "maps")));
  for (const path of made) if (!mapped.some((maps) => maps.includes(path))) rmSync(path, { force: true });
};

const isOurs = (path: string, sinceMs: number): boolean => {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.uid === process.getuid?.() && found.birthtimeMs >= sinceMs;
};

/** None where there is no such folder. */
const namesIn = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
};

/** Nothing where the process has ended, or is another user's. */
const textOf = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
};
