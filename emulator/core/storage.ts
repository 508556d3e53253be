import type { Result } from "../common/status.ts";

/** A file or folder below a model folder. */
export interface ModelFolderEntry {
  /** Relative to the model folder, parts joined by `/`. */
  readonly path: string;
  readonly kind: "file" | "folder";
  /** Bytes; 0 for folders. */
  readonly byteSize: number;
  /** Newer of mtime and ctime in milliseconds since 1970, with fractions: what the real server compares (spec/triton-core.md 1.5). */
  readonly changedMs: number;
}

/** One look at a model folder; the core decides on this and never looks at the disk itself. */
export interface ModelFolder {
  /** Absolute path (or the storage's own name for it) that `Storage` and backends accept. */
  readonly path: string;
  /** Changed time of the model folder itself, as in `ModelFolderEntry`. */
  readonly changedMs: number;
  /** Everything below, sorted by path. */
  readonly entries: readonly ModelFolderEntry[];
  /** Text of the configuration file that applies, and its path in the folder; null when there is none. */
  readonly config: { readonly path: string; readonly text: string } | null;
}

/** The subfolder in which a version's files are looked for: 2.51.0 reads its number as unsigned, so those of `-1` are never found. */
export const versionFolder = (version: number): string => BigInt.asUintN(64, BigInt(version)).toString();

/** Model files, wherever they lie. All answers come later, in a turn of their own. */
export interface Storage {
  /** Names of the direct subfolders of a repository root, sorted. */
  listModels(root: string, done: (result: Result<readonly string[]>) => void): void;
  /** @param folder one part of a path; empty = the root itself
   *  @param configName `--model-config-name`: `configs/<name>.pbtxt` wins over `config.pbtxt` where it exists.
   *  Answers null when the folder does not exist. */
  readModelFolder(
    root: string,
    folder: string,
    configName: string | null,
    done: (result: Result<ModelFolder | null>) => void,
  ): void;
  /** Fails with INTERNAL `failed to open text file for read <path>: <reason>`. */
  readFile(path: string, done: (result: Result<Uint8Array>) => void): void;
  /** Writes the files of a load override (path -> content) into a fresh folder of their own. Paths that leave the folder
   *  and paths below a file are INVALID_ARG. */
  createOverrideFolder(
    files: ReadonlyMap<string, Uint8Array>,
    done: (result: Result<ModelFolder>) => void,
  ): void;
  /** Removes a folder that `createOverrideFolder` made. */
  removeOverrideFolder(path: string): void;
}
