import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

const FILE = "in-use-by";

/**
 * Takes a folder, which is made, for this process alone. What a process that was killed left is no hindrance.
 * @returns gives it back
 * @throws where another process has it, or what the operating system says
 */
export const lockFolder = (folder: string): (() => void) => {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, FILE);
  const owner = ownerOf(path);
  if (owner !== null && owner.pid !== process.pid && isAlive(owner)) {
    throw new Error(`process ${owner.pid} is using it; end that one, or name another folder`);
  }
  rmSync(path, { force: true });
  const file = openSync(path, "wx");
  try {
    writeSync(file, `${process.pid} ${processOf(process.pid)?.start ?? ""}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return () => rmSync(path, { force: true });
};

interface Owner {
  readonly pid: number;
  /** Tells it from a later process of the same number; null = the system does not say. */
  readonly start: string | null;
}

const ownerOf = (path: string): Owner | null => {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return null;
  }
  const [, pid, start] = /^(\d+) (\d*)\n$/.exec(text) ?? [];
  return pid === undefined ? null : { pid: Number(pid), start: start || null };
};

const isAlive = ({ pid, start }: Owner): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // It is there, but somebody else's.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  const found = processOf(pid);
  if (found === null) return start === null;
  return !found.hasEnded && (start === null || found.start === start);
};

interface ProcessState {
  /** When it began, in a measure of Linux's. */
  readonly start: string;
  /** Only its exit code is left, for a parent that has not asked for it. */
  readonly hasEnded: boolean;
}

/** Null where the system does not say, or there is none. */
const processOf = (pid: number): ProcessState | null => {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything.
    const [state = "", ...fields] = status.slice(status.lastIndexOf(")") + 2).split(" ");
    return { start: fields[18] ?? "", hasEnded: state === "Z" || state === "X" };
  } catch {
    return null;
  }
};
