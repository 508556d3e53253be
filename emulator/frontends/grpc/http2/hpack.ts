import { decodeHuffman } from "./hpack-huffman.ts";
import { staticTable } from "./hpack-tables.ts";

/**
 * Header fields by lower-case name, pseudo-headers included. The values of a field that came more than once are joined
 * with line feeds, which no value can hold.
 */
export type Headers = Readonly<Record<string, string | undefined>>;

/** The name under which a field is found that nobody can read. */
export const UNREADABLE = "\n";

/** The block is not HPACK, or says more than is good: either way the connection's compression state is lost. */
export class HpackError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "HpackError";
  }
}

/** Dynamic table the client may use: HTTP/2's default, which the server does not change. */
const MAX_TABLE_BYTES = 4096;
const ENTRY_OVERHEAD_BYTES = 32;
/** A short block can stand for a long list; what the real server bears is more. */
const MAX_LIST_BYTES = 1024 * 1024;

type Entry = readonly [name: string, value: string];

/** Reads the header blocks of one connection, in their order. RFC 7541. */
export class HpackDecoder {
  /** Newest first. */
  readonly #table: Entry[] = [];
  #tableBytes = 0;
  #tableLimit = MAX_TABLE_BYTES;
  /** Clients repeat themselves: a block that changed nothing means the same as long as nothing changes. */
  #lastBlock: Uint8Array | null = null;
  #lastHeaders: Headers = {};
  #changed = false;
  readonly #isReadable: (name: string, value: string) => boolean;

  /** @param isReadable asked once for each literal; a field that is not stands under the name `UNREADABLE` */
  constructor(isReadable: (name: string, value: string) => boolean = () => true) {
    this.#isReadable = isReadable;
  }

  /** @throws HpackError */
  decode(block: Uint8Array): Headers {
    if (this.#lastBlock !== null && equalBytes(this.#lastBlock, block)) return this.#lastHeaders;
    this.#changed = false;
    const headers: Record<string, string | undefined> = Object.create(null);
    const cursor = new BlockCursor(block);
    let listBytes = 0;
    while (!cursor.done) {
      const entry = this.#readField(cursor);
      if (entry === null) continue;
      const [name, value] = entry;
      listBytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
      if (listBytes > MAX_LIST_BYTES) throw new HpackError("header list too long");
      const before = headers[name];
      headers[name] = before === undefined ? value : `${before}\n${value}`;
    }
    this.#lastBlock = this.#changed ? null : block.slice();
    this.#lastHeaders = headers;
    return headers;
  }

  /** One representation; null for a change of the table's size. */
  #readField(cursor: BlockCursor): Entry | null {
    const first = cursor.peek();
    if (first >= 0x80) return this.#entry(cursor.integer(7));
    if (first >= 0x40) {
      const entry = this.#readLiteral(cursor, 6);
      this.#insert(entry);
      return entry;
    }
    if (first < 0x20) return this.#readLiteral(cursor, 4);
    const limit = cursor.integer(5);
    if (limit > MAX_TABLE_BYTES) throw new HpackError("dynamic table too large");
    this.#tableLimit = limit;
    this.#changed = true;
    this.#evict();
    return null;
  }

  #readLiteral(cursor: BlockCursor, prefixBits: number): Entry {
    const index = cursor.integer(prefixBits);
    const name = index === 0 ? cursor.string() : this.#entry(index)[0];
    const value = cursor.string();
    return [this.#isReadable(name, value) ? name : UNREADABLE, value];
  }

  #entry(index: number): Entry {
    const entry =
      index <= staticTable.length ? staticTable[index - 1] : this.#table[index - staticTable.length - 1];
    if (entry === undefined) throw new HpackError("no such table entry");
    return entry;
  }

  #insert(entry: Entry): void {
    this.#changed = true;
    this.#table.unshift(entry);
    this.#tableBytes += entryBytes(entry);
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#tableLimit) this.#tableBytes -= entryBytes(this.#table.pop()!);
  }
}

const entryBytes = ([name, value]: Entry): number => name.length + value.length + ENTRY_OVERHEAD_BYTES;

const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
};

class BlockCursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  peek(): number {
    return this.#bytes[this.#at]!;
  }

  /** An integer whose first bits are the low ones of the byte at hand. */
  integer(prefixBits: number): number {
    const mask = 2 ** prefixBits - 1;
    let value = this.#byte() & mask;
    if (value < mask) return value;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new HpackError("integer too long");
  }

  string(): string {
    const huffman = !this.done && this.peek() >= 0x80;
    const length = this.integer(7);
    if (length > this.#bytes.length - this.#at) throw new HpackError("string beyond the end of the block");
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    if (!huffman) return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString("latin1");
    const text = decodeHuffman(bytes);
    if (text === null) throw new HpackError("not Huffman code");
    return text;
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new HpackError("truncated block");
    return byte;
  }
}

/**
 * A header block that needs no state at either end: fields whose name and value are in the static table by index, the
 * rest as literals that are not indexed.
 */
export const encodeHeaders = (fields: readonly Entry[]): Buffer => {
  const bytes: number[] = [];
  for (const [name, value] of fields) {
    const index = staticTable.findIndex(([n, v]) => n === name && v === value) + 1;
    if (index > 0) {
      bytes.push(0x80 + index);
      continue;
    }
    bytes.push(0);
    pushString(bytes, name);
    pushString(bytes, value);
  }
  return Buffer.from(bytes);
};

const pushString = (bytes: number[], text: string): void => {
  const encoded = Buffer.from(text, "latin1");
  if (encoded.length < 0x7f) bytes.push(encoded.length);
  else {
    bytes.push(0x7f);
    let rest = encoded.length - 0x7f;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
    bytes.push(rest);
  }
  for (const byte of encoded) bytes.push(byte);
};
