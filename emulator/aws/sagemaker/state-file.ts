import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { StateStore } from "./state-store.ts";

const FILE = "sagemaker.jsonl";

/**
 * One JSON text a line, in `sagemaker.jsonl` of a folder that is this process's alone. A line is on the disk before
 * `append` returns. A process that is killed may leave a line without its end: that one was never answered, and goes.
 */
export class StateFile implements StateStore {
  readonly #path: string;
  readonly #folder: string;
  #file: number;
  #bytes: number;

  /** @throws what the operating system says of the folder or the file */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#folder = folder;
    this.#path = join(folder, FILE);
    const { file, bytes } = openWhole(this.#path);
    this.#file = file;
    this.#bytes = bytes;
    syncFolder(folder);
  }

  /** @throws SyntaxError where somebody else wrote into the file */
  read(): readonly unknown[] {
    return readFileSync(this.#path, "utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => JSON.parse(line));
  }

  append(entry: object): void {
    const line = lineOf(entry);
    try {
      writeAll(this.#file, line, this.#bytes);
      fsyncSync(this.#file);
    } catch (error) {
      ftruncateSync(this.#file, this.#bytes);
      throw error;
    }
    this.#bytes += line.length;
  }

  replace(entries: readonly object[]): void {
    const next = `${this.#path}.next`;
    const content = Buffer.concat(entries.map(lineOf));
    const file = openSync(next, "w");
    try {
      writeAll(file, content, 0);
      fsyncSync(file);
      renameSync(next, this.#path);
      syncFolder(this.#folder);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    closeSync(this.#file);
    this.#file = file;
    this.#bytes = content.length;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Without the end of a line that was cut off. */
const openWhole = (path: string): { readonly file: number; readonly bytes: number } => {
  const file = openSync(path, "a+");
  const bytes = readFileSync(path).lastIndexOf("\n") + 1;
  closeSync(file);
  const writable = openSync(path, "r+");
  ftruncateSync(writable, bytes);
  fsyncSync(writable);
  return { file: writable, bytes };
};

const lineOf = (entry: object): Buffer => Buffer.from(`${JSON.stringify(entry)}\n`);

const writeAll = (file: number, content: Buffer, position: number): void => {
  for (let written = 0; written < content.length; ) {
    written += writeSync(file, content, written, content.length - written, position + written);
  }
};

/** A rename or a new file is kept only when its folder is. */
const syncFolder = (folder: string): void => {
  const directory = openSync(folder, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
};
