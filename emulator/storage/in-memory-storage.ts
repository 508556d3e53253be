import type { Clock } from "../common/clock.ts";
import { fail, ok, type Result } from "../common/status.ts";
import type { ModelFolder, ModelFolderEntry, Storage } from "../core/storage.ts";

interface StoredFile {
  readonly content: Uint8Array;
  changedMs: number;
}

/**
 * Files by path, with the times a disk would show: a file changes when it is written, a folder when something is put into
 * it or taken out. A path that ends in `/` makes a folder. Answers come in a later turn, as the interface says.
 */
export class InMemoryStorage implements Storage {
  readonly #clock: Clock;
  readonly #files = new Map<string, StoredFile>();
  /** Time of the last change, by path. */
  readonly #folders = new Map<string, number>();
  #overrides = 0;
  /** Folders of load overrides that were made and not removed. */
  readonly openOverrides = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Writes (or rewrites) a file, changed now. */
  write(path: string, content: string | Uint8Array = ""): void {
    if (path.endsWith("/")) {
      this.#makeFolder(path.slice(0, -1));
      return;
    }
    if (!this.#files.has(path)) this.#changeFolderOf(path);
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.#files.set(path, { content: bytes, changedMs: this.#clock.epochMs() });
  }

  #makeFolder(path: string): void {
    if (this.#folders.has(path)) return;
    this.#changeFolderOf(path);
    this.#folders.set(path, this.#clock.epochMs());
  }

  #changeFolderOf(path: string): void {
    const end = path.lastIndexOf("/");
    if (end < 1) return;
    this.#makeFolder(path.slice(0, end));
    this.#folders.set(path.slice(0, end), this.#clock.epochMs());
  }

  touch(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`touch: no file ${path}`);
    file.changedMs = this.#clock.epochMs();
  }

  /** Removes a file, or a folder with all that is in it. */
  remove(path: string): void {
    for (const map of [this.#files, this.#folders]) {
      for (const known of map.keys()) {
        if (known === path || known.startsWith(`${path}/`)) map.delete(known);
      }
    }
    this.#changeFolderOf(path);
  }

  listModels(root: string, done: (result: Result<readonly string[]>) => void): void {
    this.#clock.defer(() => {
      if (!this.#folders.has(root)) {
        done(fail("INTERNAL", `failed to open directory ${root}: No such file or directory`));
        return;
      }
      const below = [...this.#folders.keys()].filter((path) => path.startsWith(`${root}/`));
      const names = below.map((path) => path.slice(root.length + 1)).filter((path) => !path.includes("/"));
      done(ok(names.sort()));
    });
  }

  readModelFolder(
    root: string,
    folder: string,
    configName: string | null,
    done: (result: Result<ModelFolder | null>) => void,
  ): void {
    this.#clock.defer(() => done(ok(this.#folder(`${root}/${folder}`, configName))));
  }

  readFile(path: string, done: (result: Result<Uint8Array>) => void): void {
    this.#clock.defer(() => {
      const file = this.#files.get(path);
      if (file !== undefined) done(ok(file.content));
      else {
        done(fail("INTERNAL", `failed to open text file for read ${path}: No such file or directory`));
      }
    });
  }

  createOverrideFolder(
    files: ReadonlyMap<string, Uint8Array>,
    done: (result: Result<ModelFolder>) => void,
  ): void {
    this.#clock.defer(() => {
      for (const path of files.keys()) {
        if (path.startsWith("..")) {
          done(fail("INVALID_ARG", `Invalid file parameter 'file:${path}'`));
          return;
        }
      }
      const root = `overrides/${this.#overrides++}`;
      for (const [path, content] of files) this.write(`${root}/${path}`, content);
      this.openOverrides.add(root);
      done(ok(this.#folder(root, null)!));
    });
  }

  removeOverrideFolder(path: string): void {
    if (!this.openOverrides.delete(path)) throw new Error(`not an open override folder: ${path}`);
    this.remove(path);
  }

  #folder(folder: string, configName: string | null): ModelFolder | null {
    const changedMs = this.#folders.get(folder);
    if (changedMs === undefined) return null;
    const entries: ModelFolderEntry[] = [];
    for (const [path, changedMs] of this.#folders) {
      if (!path.startsWith(`${folder}/`)) continue;
      entries.push({ path: path.slice(folder.length + 1), kind: "folder", byteSize: 0, changedMs });
    }
    for (const [path, { content, changedMs }] of this.#files) {
      if (!path.startsWith(`${folder}/`)) continue;
      entries.push({
        path: path.slice(folder.length + 1),
        kind: "file",
        byteSize: content.length,
        changedMs,
      });
    }
    entries.sort((a, b) => (a.path < b.path ? -1 : 1));
    const configPath = [`configs/${configName}.pbtxt`, "config.pbtxt"].find((candidate) =>
      entries.some(({ path }) => path === candidate),
    );
    const config =
      configPath === undefined
        ? null
        : {
            path: configPath,
            text: new TextDecoder().decode(this.#files.get(`${folder}/${configPath}`)!.content),
          };
    return { path: folder, changedMs, entries, config };
  }
}
