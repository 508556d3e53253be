import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import type { Content, Written } from "../aws/object-store/object-store.ts";

/**
 * One file holds the bytes of an object, from the first on, and behind them what is to be known of it: a JSON text, its
 * length in four bytes, and a mark. So both come and go in one rename.
 */
const MARK = Buffer.from("TLo1");
const FOOT = 4 + MARK.length;
/** Is enough for most; a longer note takes a second read. */
const TAIL = 4096;
const CHUNK = 256 * 1024;

/**
 * Writes a new file, which is on the disk when it is resolved; when anything is thrown there is none.
 * @param describe makes the note; called when all bytes are written
 */
export const writeObjectFile = async <Note extends object>(
  path: string,
  content: Content,
  describe: (written: Written) => Note,
): Promise<Note> => {
  const file = await open(path, "wx");
  try {
    const hash = createHash("md5");
    let byteSize = 0;
    for await (const bytes of content) {
      hash.update(bytes);
      byteSize += bytes.length;
      await file.writeFile(bytes);
    }
    const note = describe({ byteSize, md5: hash.digest("hex") });
    const text = Buffer.from(JSON.stringify(note));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    await file.writeFile(Buffer.concat([text, length, MARK]));
    await file.sync();
    await file.close();
    return note;
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
};

export interface ObjectFile {
  readonly byteSize: number;
  readonly note: unknown;
}

/** Null = it is no such file, or not whole. */
export const readNote = async (file: FileHandle): Promise<ObjectFile | null> => {
  const { size } = await file.stat();
  const at = Math.max(0, size - TAIL);
  const tail = Buffer.alloc(size - at);
  await file.read(tail, 0, tail.length, at);
  const span = noteSpan(size, tail);
  if (span === null) return null;
  const text = Buffer.alloc(span.end - span.start);
  if (span.start >= at) tail.copy(text, 0, span.start - at);
  else await file.read(text, 0, text.length, span.start);
  return parsed(span.start, text);
};

/** The same without waiting, for a start that reads many of them. */
export const readNoteSync = (path: string): ObjectFile | null => {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const at = Math.max(0, size - TAIL);
    const tail = Buffer.alloc(size - at);
    readSync(file, tail, 0, tail.length, at);
    const span = noteSpan(size, tail);
    if (span === null) return null;
    const text = Buffer.alloc(span.end - span.start);
    if (span.start >= at) tail.copy(text, 0, span.start - at);
    else readSync(file, text, 0, text.length, span.start);
    return parsed(span.start, text);
  } finally {
    closeSync(file);
  }
};

/** Bytes from `start` up to `end`; the file stays open. */
export const readBytes = async function* (
  file: FileHandle,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; ) {
    const length = Math.min(CHUNK, end - at);
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
};

const noteSpan = (size: number, tail: Buffer): { readonly start: number; readonly end: number } | null => {
  if (tail.length < FOOT || !tail.subarray(-MARK.length).equals(MARK)) return null;
  const end = size - FOOT;
  const start = end - tail.readUInt32LE(tail.length - FOOT);
  return start < 0 ? null : { start, end };
};

const parsed = (byteSize: number, text: Buffer): ObjectFile | null => {
  try {
    return { byteSize, note: JSON.parse(text.toString()) };
  } catch {
    return null;
  }
};
