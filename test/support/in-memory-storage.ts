import type { Clock } from "../../emulator/common/clock.ts";
import { fail, ok, type Result } from "../../emulator/common/status.ts";
import type { ModelFolder, ModelFolderEntry, Storage } from "../../emulator/core/storage.ts";

interface StoredFile {
  readonly content: Uint8Array;
  changedMs: number;
}

/**
 * Files by path, each with the time at which it was last written. Folders are where files are; a path that ends in `/`
 * is an empty folder. Answers come in a later turn of the clock, as the interface says.
 */
export class InMemoryStorage implements Storage {
  readonly #clock: Clock;
  readonly #files = new Map<string, StoredFile>();
  #overrides = 0;
  /** Folders of load overrides that were made and not removed. */
  readonly openOverrides = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Writes (or rewrites) a file, changed now. */
  write(path: string, content: string | Uint8Array = ""): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    this.#files.set(path, { content: bytes, changedMs: this.#clock.epochMs() });
  }

  touch(path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`touch: no file ${path}`);
    file.changedMs = this.#clock.epochMs();
  }

  /** Removes a file, or a folder with all that is in it. */
  remove(path: string): void {
    for (const known of this.#files.keys()) {
      if (known === path || known.startsWith(`${path}/`)) this.#files.delete(known);
    }
  }

  listModels(root: string, done: (result: Result<readonly string[]>) => void): void {
    this.#clock.defer(() => {
      const names = new Set<string>();
      let exists = false;
      for (const path of this.#files.keys()) {
        if (!path.startsWith(`${root}/`)) continue;
        exists = true;
        const [name, ...rest] = path.slice(root.length + 1).split("/");
        if (name !== undefined && name !== "" && rest.length > 0) names.add(name);
      }
      done(exists ? ok([...names].sort()) : fail("INTERNAL", `failed to open directory ${root}`));
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
    const entries = new Map<string, ModelFolderEntry>();
    let changedMs = -1;
    for (const [path, file] of this.#files) {
      if (!path.startsWith(`${folder}/`)) continue;
      changedMs = Math.max(changedMs, 0);
      const parts = path.slice(folder.length + 1).split("/");
      for (let depth = 1; depth < parts.length; depth++) {
        const below = parts.slice(0, depth).join("/");
        entries.set(below, { path: below, kind: "folder", byteSize: 0, changedMs: 0 });
      }
      const below = parts.join("/");
      if (parts.at(-1) !== "") {
        entries.set(below, {
          path: below,
          kind: "file",
          byteSize: file.content.length,
          changedMs: file.changedMs,
        });
      }
    }
    if (changedMs < 0) return null;
    const configPath = [`configs/${configName}.pbtxt`, "config.pbtxt"].find((path) => entries.has(path));
    return {
      path: folder,
      changedMs,
      entries: [...entries.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
      config:
        configPath === undefined
          ? null
          : {
              path: configPath,
              text: new TextDecoder().decode(this.#files.get(`${folder}/${configPath}`)!.content),
            },
    };
  }
}
