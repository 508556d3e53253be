import type { Stats } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import type { Clock } from "../common/clock.ts";
import { fail, ok, type Result, TritonError } from "../common/status.ts";
import type { ModelFolder, ModelFolderEntry, Storage } from "../core/storage.ts";

/** Model files in folders of this machine. Override folders are made below the system's temporary folder. */
export class DiskStorage implements Storage {
  readonly #clock: Pick<Clock, "hold">;

  /** @param clock held while the disk is read or written */
  constructor(clock: Pick<Clock, "hold">) {
    this.#clock = clock;
  }

  listModels(root: string, done: (result: Result<readonly string[]>) => void): void {
    this.#answer(listFolders(root), done);
  }

  readModelFolder(
    root: string,
    folder: string,
    configName: string | null,
    done: (result: Result<ModelFolder | null>) => void,
  ): void {
    // A name that is not one path part cannot be a model folder, whatever it points at.
    if (folder === "." || folder === ".." || /[/\\\0]/.test(folder)) {
      done(ok(null));
      return;
    }
    // As the real server writes it, whose errors name it: what the root's path holds that it need not is kept.
    const path = folder === "" || root.endsWith("/") ? root + folder : `${root}/${folder}`;
    this.#answer(readFolder(path, configName), done);
  }

  readFile(path: string, done: (result: Result<Uint8Array>) => void): void {
    this.#answer(
      readFile(path).then(ok, (error: NodeJS.ErrnoException) =>
        fail("INTERNAL", `failed to open text file for read ${path}: ${reason(error)}`),
      ),
      done,
    );
  }

  createOverrideFolder(
    files: ReadonlyMap<string, Uint8Array>,
    done: (result: Result<ModelFolder>) => void,
  ): void {
    this.#answer(createOverride(files), done);
  }

  removeOverrideFolder(path: string): void {
    rm(path, { recursive: true, force: true }).catch(() => {
      // Somebody else's file in our temporary folder: it stays, nothing depends on it.
    });
  }

  /** Hands a promise's result to a callback of the core. What the callback throws is a bug and must not be swallowed. */
  #answer<T>(work: Promise<Result<T>>, done: (result: Result<T>) => void): void {
    const release = this.#clock.hold();
    work
      .catch((error: unknown): Result<T> => {
        if (error instanceof TritonError) return { ok: false, error };
        return fail("INTERNAL", error instanceof Error ? error.message : String(error));
      })
      .then((result) =>
        setImmediate(() => {
          release();
          done(result);
        }),
      );
  }
}

const listFolders = async (root: string): Promise<Result<readonly string[]>> => {
  const entries = await readdir(root, { withFileTypes: true }).catch(() => {
    throw new TritonError("INTERNAL", `failed to open directory ${root}`);
  });
  const names: string[] = [];
  for (const entry of entries) {
    // Links to folders count, as they do for the real server.
    if (entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(join(root, entry.name))))) {
      names.push(entry.name);
    }
  }
  return ok(names.sort());
};

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );

const readFolder = async (path: string, configName: string | null): Promise<Result<ModelFolder | null>> => {
  const status = await stat(path).catch(() => null);
  if (status === null || !status.isDirectory()) return ok(null);
  const entries: ModelFolderEntry[] = [];
  await walk(path, "", entries, [folderId(status)]);
  entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  const candidates = configName === null ? ["config.pbtxt"] : [`configs/${configName}.pbtxt`, "config.pbtxt"];
  const configPath = candidates.find((candidate) =>
    entries.some((entry) => entry.kind === "file" && entry.path === candidate),
  );
  const config =
    configPath === undefined
      ? null
      : { path: configPath, text: await readFile(join(path, configPath), "utf8") };
  return ok({ path, changedMs: Math.max(status.mtimeMs, status.ctimeMs), entries, config });
};

/** Tells a folder apart from all others, by whatever link it was reached. */
const folderId = ({ dev, ino }: Stats): string => `${dev}:${ino}`;

/**
 * Files that vanish while we look are left out: the next look sees a settled folder. So is a link to a folder that it
 * lies in.
 * @param above ids of the folders walked through to get here
 */
const walk = async (
  root: string,
  below: string,
  entries: ModelFolderEntry[],
  above: readonly string[],
): Promise<void> => {
  for (const name of await readdir(join(root, below))) {
    const path = below === "" ? name : `${below}/${name}`;
    const status = await stat(join(root, path)).catch(() => null);
    if (status === null) continue;
    const changedMs = Math.max(status.mtimeMs, status.ctimeMs);
    if (status.isDirectory()) {
      const id = folderId(status);
      if (above.includes(id)) continue;
      entries.push({ path, kind: "folder", byteSize: 0, changedMs });
      await walk(root, path, entries, [...above, id]);
    } else entries.push({ path, kind: "file", byteSize: status.size, changedMs });
  }
};

const createOverride = async (files: ReadonlyMap<string, Uint8Array>): Promise<Result<ModelFolder>> => {
  const folder = await mkdtemp(join(tmpdir(), "triton-local-"));
  const written = await writeOverride(folder, files).then(
    () => readFolder(folder, null),
    async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    },
  );
  if (!written.ok) return written;
  if (written.value === null) return fail("INTERNAL", `failed to read back ${folder}`);
  return ok(written.value);
};

/** Every path is checked before anything is written. */
const writeOverride = async (folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> => {
  const targets = new Map<string, Uint8Array>();
  for (const [path, content] of files) {
    const target = join(folder, path);
    if (target !== folder && !target.startsWith(folder + sep)) {
      throw new TritonError(
        "INVALID_ARG",
        `Invalid file parameter 'file:${path}' with normalized path '${target}' must stay within model directory.`,
      );
    }
    targets.set(target, content);
  }
  for (const [target, content] of targets) {
    try {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content);
    } catch (error) {
      const failure = error as NodeJS.ErrnoException;
      if (failure.code === "EEXIST" || failure.code === "ENOTDIR") {
        throw new TritonError(
          "INVALID_ARG",
          `Invalid file parameter 'file:${relative(folder, target)}', directory has been created as a file`,
        );
      }
      throw new TritonError("INTERNAL", `failed to open binary file for write ${target}: ${reason(failure)}`);
    }
  }
};

/** The system's own words for the common cases, as the real server prints them. */
const reason = (error: NodeJS.ErrnoException): string => {
  switch (error.code) {
    case "ENOENT":
      return "No such file or directory";
    case "EACCES":
      return "Permission denied";
    case "EISDIR":
      return "Is a directory";
    case "ENOTDIR":
      return "Not a directory";
    default:
      return error.message;
  }
};
