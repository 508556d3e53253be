import type { TritonError } from "../../common/status.ts";
import { refusal } from "./refusal.ts";

/** `kind` of anything that is neither file, folder nor link is what people call it. */
export interface TarEntry {
  /** As written in the archive; nothing is known of it yet. */
  readonly path: string;
  readonly kind: "file" | "folder" | "link" | "hard link" | (string & {});
  /** Of the content that follows; 0 for folders and links. */
  readonly byteSize: number;
  /** Of a link. */
  readonly target: string;
  readonly mode: number;
}

export type TarEvent =
  | { readonly type: "entry"; readonly entry: TarEntry }
  /** Content of the file that was the last entry. */
  | { readonly type: "data"; readonly bytes: Uint8Array }
  /** That file is whole. */
  | { readonly type: "file-end" };

const BLOCK = 512;
/** A pax header or a long name; paths are far shorter. */
const METADATA_LIMIT = 64 * 1024;

/** Types of ustar, and those of GNU tar that are not metadata. */
const kinds: Readonly<Record<string, string>> = {
  "\0": "file",
  "0": "file",
  "1": "hard link",
  "2": "link",
  "3": "character device",
  "4": "block device",
  "5": "folder",
  "6": "named pipe",
  "7": "file",
  D: "dumped folder",
  M: "part of a file of another volume",
  S: "sparse file",
  V: "volume label",
};

const noContent: readonly string[] = ["folder", "hard link", "link"];

/** What pax headers and GNU long names say about the entry that follows them. */
interface Override {
  path?: string;
  target?: string;
  byteSize?: number;
  sparse?: boolean;
}

type State =
  | { readonly reading: "header" }
  | { readonly reading: "metadata"; readonly kind: string; readonly byteSize: number }
  | { readonly reading: "file"; left: number; padding: number }
  | { readonly reading: "padding"; left: number }
  /** Blocks of zeros have ended the archive; what follows counts for nothing. */
  | { readonly reading: "nothing" };

/**
 * Reads a tar (ustar, pax and GNU long names; POSIX.1-2017 pax, GNU tar manual "Basic Tar Format") as its bytes come.
 * Knows the format only: what a path means and whether it may be unpacked is for its user to say.
 */
export class TarReader {
  readonly #targetModel: string;
  #state: State = { reading: "header" };
  /** Bytes of a header or of metadata that is not yet whole. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #next: Override = {};
  #last: string | null = null;

  /** @param targetModel for the texts of errors */
  constructor(targetModel: string) {
    this.#targetModel = targetModel;
  }

  /** Throws the refusal (a TritonError) of what is no tar. */
  *push(chunk: Uint8Array): Generator<TarEvent> {
    let at = 0;
    while (at < chunk.length) {
      const state = this.#state;
      switch (state.reading) {
        case "nothing":
          return;
        case "padding": {
          const taken = Math.min(state.left, chunk.length - at);
          at += taken;
          state.left -= taken;
          if (state.left === 0) this.#state = { reading: "header" };
          break;
        }
        case "file": {
          const taken = Math.min(state.left, chunk.length - at);
          yield { type: "data", bytes: chunk.subarray(at, at + taken) };
          at += taken;
          state.left -= taken;
          if (state.left === 0) {
            yield { type: "file-end" };
            this.#skip(state.padding);
          }
          break;
        }
        case "metadata":
        case "header": {
          const whole = state.reading === "header" ? BLOCK : state.byteSize;
          const taken = Math.min(whole - this.#pendingBytes, chunk.length - at);
          this.#pending.push(chunk.subarray(at, at + taken));
          this.#pendingBytes += taken;
          at += taken;
          if (this.#pendingBytes < whole) break;
          const bytes = Buffer.concat(this.#pending);
          this.#pending = [];
          this.#pendingBytes = 0;
          if (state.reading === "header") yield* this.#header(bytes);
          else {
            this.#metadata(state.kind, bytes);
            this.#skip(paddingOf(state.byteSize));
          }
          break;
        }
      }
    }
  }

  /** Throws the refusal of a tar that is not whole. Blocks of zeros at its end may be missing: GNU tar does without them. */
  end(): void {
    const { reading } = this.#state;
    if (reading === "nothing" || (reading === "header" && this.#pendingBytes === 0 && this.#last !== null))
      return;
    if (this.#last === null && this.#pendingBytes < BLOCK) throw refusal.notTar(this.#targetModel).error;
    throw refusal.cutOff(this.#targetModel, `in the middle of '${printable(this.#last ?? "")}'`).error;
  }

  #skip(bytes: number): void {
    this.#state = bytes === 0 ? { reading: "header" } : { reading: "padding", left: bytes };
  }

  *#header(block: Buffer): Generator<TarEvent> {
    if (block.every((byte) => byte === 0)) {
      this.#state = { reading: "nothing" };
      return;
    }
    if (!checksumIsRight(block)) throw this.#badHeader();
    const typeFlag = String.fromCharCode(block[156] ?? 0);
    const byteSize = this.#number(block.subarray(124, 136));
    if ("xgLK".includes(typeFlag)) {
      if (byteSize > METADATA_LIMIT) throw this.#badHeader();
      if (byteSize > 0) this.#state = { reading: "metadata", kind: typeFlag, byteSize };
      return;
    }
    const next = this.#next;
    this.#next = {};
    const path = next.path ?? this.#ustarPath(block);
    this.#last = path;
    const named = kinds[typeFlag] ?? `entry of type '${printable(typeFlag)}'`;
    // Before ustar a folder was a file whose name ends in a slash.
    const kind =
      next.sparse === true ? "sparse file" : named === "file" && path.endsWith("/") ? "folder" : named;
    const size = next.byteSize ?? byteSize;
    const target = next.target ?? this.#text(block.subarray(157, 257));
    // Links and folders carry no content; what else the number may mean differs from tar to tar.
    if (kind !== "file" && size > 0 && noContent.includes(kind)) throw this.#badHeader();
    yield {
      type: "entry",
      entry: {
        path,
        kind,
        byteSize: size,
        target,
        mode: this.#number(block.subarray(100, 108)) & 0o777,
      },
    };
    if (size > 0) this.#state = { reading: "file", left: size, padding: paddingOf(size) };
    else if (kind === "file") yield { type: "file-end" };
  }

  #ustarPath(block: Buffer): string {
    const name = this.#text(block.subarray(0, 100));
    const isUstar = block.toString("latin1", 257, 263) === "ustar\0";
    const prefix = isUstar ? this.#text(block.subarray(345, 500)) : "";
    return prefix === "" ? name : `${prefix}/${name}`;
  }

  #metadata(kind: string, bytes: Buffer): void {
    switch (kind) {
      case "L":
        this.#next.path = this.#text(bytes);
        return;
      case "K":
        this.#next.target = this.#text(bytes);
        return;
      case "x":
        this.#pax(bytes);
        return;
      default:
      // Global headers: comments in practice. A path or size for all entries at once makes no sense.
    }
  }

  /** Records of `<length> <key>=<value>\n`. */
  #pax(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const space = bytes.indexOf(0x20, at);
      const digits = space < 0 ? "" : bytes.toString("latin1", at, space);
      const end = at + Number(digits);
      if (!/^[1-9]\d*$/.test(digits) || bytes[end - 1] !== 0x0a) throw this.#badHeader();
      const equals = bytes.indexOf(0x3d, space);
      if (equals < 0 || equals >= end) throw this.#badHeader();
      const key = bytes.toString("latin1", space + 1, equals);
      const value = bytes.subarray(equals + 1, end - 1);
      if (key === "path") this.#next.path = this.#text(value, false);
      else if (key === "linkpath") this.#next.target = this.#text(value, false);
      else if (key === "size") this.#next.byteSize = this.#decimal(value);
      else if (key.startsWith("GNU.sparse.")) this.#next.sparse = true;
      at = end;
    }
  }

  #decimal(bytes: Buffer): number {
    const text = bytes.toString("latin1");
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) throw this.#badHeader();
    return value;
  }

  /** Octal digits, or GNU's binary numbers, whose first bit is set. */
  #number(field: Buffer): number {
    const first = field[0] ?? 0;
    if (first >= 0x80) {
      const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, first & 0x7f);
      if (!Number.isSafeInteger(value)) throw this.#badHeader();
      return value;
    }
    const digits = /^ *([0-7]*)[\0 ]*$/.exec(field.toString("latin1"))?.[1];
    if (digits === undefined) throw this.#badHeader();
    return digits === "" ? 0 : Number.parseInt(digits, 8);
  }

  #text(field: Uint8Array, endsAtZero = true): string {
    const zero = endsAtZero ? field.indexOf(0) : -1;
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        zero < 0 ? field : field.subarray(0, zero),
      );
    } catch {
      throw this.#badHeader();
    }
  }

  #badHeader(): TritonError {
    return this.#last === null
      ? refusal.notTar(this.#targetModel).error
      : refusal.badHeader(this.#targetModel, printable(this.#last)).error;
  }
}

/** Names from an archive in a text for people: what is not printable is escaped. */
export const printable = (name: string): string =>
  name.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );

const paddingOf = (byteSize: number): number => (BLOCK - (byteSize % BLOCK)) % BLOCK;

/** The sum of all bytes, its own field as blanks; old tars added them as signed numbers. */
const checksumIsRight = (block: Buffer): boolean => {
  const stated = Number.parseInt(block.toString("latin1", 148, 156).trim(), 8);
  let unsigned = 8 * 0x20;
  let signed = 8 * 0x20;
  for (let index = 0; index < BLOCK; index++) {
    if (index >= 148 && index < 156) continue;
    unsigned += block[index] ?? 0;
    signed += block.readInt8(index);
  }
  return stated === unsigned || stated === signed;
};
