import type { Clock } from "../common/clock.ts";
import { fail, ok, type Result } from "../common/status.ts";
import type { ModelFolder, ModelFolderEntry, Storage } from "../core/storage.ts";

interface StoredFile {
  readonly kind: "file";
  content: Uint8Array;
  changedMs: number;
}

interface StoredFolder {
  readonly kind: "folder";
  readonly entries: Map<string, StoredFile | StoredFolder>;
  changedMs: number;
}

/**
 * Files by path, with the times a disk would show: a file changes when it is written, a folder when something is put into
 * it or taken out. A path that ends in `/` makes a folder. Answers come in a later turn, as the interface says; each costs
 * as much as the folder it is about holds.
 */
export class InMemoryStorage implements Storage {
  readonly #clock: Clock;
  readonly #top: StoredFolder;
  #overrides = 0;
  /** Folders of load overrides that were made and not removed. */
  readonly openOverrides = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#top = this.#newFolder();
  }

  /** Writes (or rewrites) a file, changed now. */
  write(path: string, content: string | Uint8Array = ""): void {
    if (path.endsWith("/")) {
      this.#makeFolder(path.slice(0, -1));
      return;
    }
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const [parent, name] = split(path);
    const folder = this.#makeFolder(parent);
    const known = folder.entries.get(name);
    if (known?.kind === "folder") throw new Error(`write: ${path} is a folder`);
    if (known === undefined) this.#put(folder, name, { kind: "file", content: bytes, changedMs: this.#now });
    else Object.assign(known, { content: bytes, changedMs: this.#now });
  }

  touch(path: string): void {
    const file = this.#find(path);
    if (file?.kind !== "file") throw new Error(`touch: no file ${path}`);
    file.changedMs = this.#now;
  }

  /** Removes a file, or a folder with all that is in it. */
  remove(path: string): void {
    const [parent, name] = split(path);
    const folder = parent === "" ? this.#top : this.#findFolder(parent);
    if (folder?.entries.delete(name) === true) folder.changedMs = this.#now;
  }

  get #now(): number {
    return this.#clock.epochMs();
  }

  #newFolder(): StoredFolder {
    return { kind: "folder", entries: new Map(), changedMs: this.#now };
  }

  #put(folder: StoredFolder, name: string, entry: StoredFile | StoredFolder): void {
    folder.entries.set(name, entry);
    folder.changedMs = this.#now;
  }

  #find(path: string): StoredFile | StoredFolder | null {
    if (path === "") return null;
    let found: StoredFile | StoredFolder = this.#top;
    for (const name of path.split("/")) {
      const next: StoredFile | StoredFolder | undefined =
        found.kind === "folder" ? found.entries.get(name) : undefined;
      if (next === undefined) return null;
      found = next;
    }
    return found;
  }

  #findFolder(path: string): StoredFolder | null {
    const found = this.#find(path);
    return found?.kind === "folder" ? found : null;
  }

  #makeFolder(path: string): StoredFolder {
    let folder = this.#top;
    if (path === "") return folder;
    for (const name of path.split("/")) {
      let next = folder.entries.get(name);
      if (next?.kind === "file") throw new Error(`${path}: ${name} is a file`);
      if (next === undefined) {
        next = this.#newFolder();
        this.#put(folder, name, next);
      }
      folder = next;
    }
    return folder;
  }

  listModels(root: string, done: (result: Result<readonly string[]>) => void): void {
    this.#clock.defer(() => {
      const folder = this.#findFolder(root);
      if (folder === null) {
        done(fail("INTERNAL", `failed to open directory ${root}`));
        return;
      }
      done(ok([...folder.entries].flatMap(([name, { kind }]) => (kind === "folder" ? [name] : [])).sort()));
    });
  }

  readModelFolder(
    root: string,
    folder: string,
    configName: string | null,
    done: (result: Result<ModelFolder | null>) => void,
  ): void {
    this.#clock.defer(() => done(ok(this.#folder(folder === "" ? root : `${root}/${folder}`, configName))));
  }

  readFile(path: string, done: (result: Result<Uint8Array>) => void): void {
    this.#clock.defer(() => {
      const file = this.#find(path);
      if (file?.kind === "file") done(ok(file.content));
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

  #folder(path: string, configName: string | null): ModelFolder | null {
    const folder = this.#findFolder(path);
    if (folder === null) return null;
    const entries = entriesOf(folder, "").sort((a, b) => (a.path < b.path ? -1 : 1));
    for (const candidate of [`configs/${configName}.pbtxt`, "config.pbtxt"]) {
      const file = this.#find(`${path}/${candidate}`);
      if (file?.kind !== "file") continue;
      const config = { path: candidate, text: new TextDecoder().decode(file.content) };
      return { path, changedMs: folder.changedMs, entries, config };
    }
    return { path, changedMs: folder.changedMs, entries, config: null };
  }
}

const split = (path: string): readonly [folder: string, name: string] => {
  const end = path.lastIndexOf("/");
  return end < 0 ? ["", path] : [path.slice(0, end), path.slice(end + 1)];
};

/** Everything below, in no order. @param prefix empty, or ends in `/` */
const entriesOf = (folder: StoredFolder, prefix: string): ModelFolderEntry[] =>
  [...folder.entries].flatMap(([name, entry]): ModelFolderEntry[] => {
    const path = `${prefix}${name}`;
    const { kind, changedMs } = entry;
    return entry.kind === "file"
      ? [{ path, kind, byteSize: entry.content.length, changedMs }]
      : [{ path, kind, byteSize: 0, changedMs }, ...entriesOf(entry, `${path}/`)];
  });
