/** Bodies up to this size are not worth a slab. */
const SMALL = 65_536;
/** Above this a declared length is not believed before the bytes are there. */
const LARGEST_SLAB = 1024 * 1024 * 1024;
/** Bytes of free slabs kept for later bodies. */
const POOL_LIMIT = 512 * 1024 * 1024;
/** The binary part of a body starts at a multiple of this many bytes. */
const ALIGNMENT = 64;

/** A request body in one piece. `release` gives its memory back: after the last response that may alias it is written. */
export interface Body {
  readonly bytes: Buffer;
  release(): void;
}

const keep = (): void => {};

/** A body that needs no giving back. */
export const plainBody = (bytes: Buffer): Body => ({ bytes, release: keep });

/**
 * Large buffers for request bodies, used again: the cost of a large body is touching fresh pages, not copying. They are
 * shared memory, so that a model in another thread reads them where they lie. Sizes are powers of two and three quarters
 * of them.
 */
export class SlabPool {
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  #freeBytes = 0;

  take(byteSize: number): SharedArrayBuffer {
    const size = slabSize(byteSize);
    const slab = this.#free.get(size)?.pop();
    if (slab === undefined) return new SharedArrayBuffer(size);
    this.#freeBytes -= size;
    return slab;
  }

  give(slab: SharedArrayBuffer): void {
    if (this.#freeBytes + slab.byteLength > POOL_LIMIT) return;
    const list = this.#free.get(slab.byteLength);
    if (list === undefined) this.#free.set(slab.byteLength, [slab]);
    else list.push(slab);
    this.#freeBytes += slab.byteLength;
  }
}

const slabSize = (byteSize: number): number => {
  let size = 2 * SMALL;
  while (size < byteSize) size *= 2;
  return size * 0.75 >= byteSize ? size * 0.75 : size;
};

/** Takes the bytes that follow a head until the body is whole. */
export interface BodyReader {
  /** Answers how many bytes of `bytes` from `start` on belong to the body; null = the body is broken. */
  take(bytes: Buffer, start: number): number | null;
  /** Null until the last byte is there. */
  readonly whole: Body | null;
  /** The client went away. */
  abandon(): void;
}

/** @param headerLength where in the body the part starts that is to be aligned */
export const createBodyReader = (
  contentLength: number | null,
  headerLength: number,
  pool: SlabPool,
): BodyReader => {
  if (contentLength === null) return new ChunkedReader();
  if (contentLength > SMALL && contentLength <= LARGEST_SLAB) {
    return new SlabReader(contentLength, headerLength, pool);
  }
  return new PieceReader(contentLength);
};

/** Keeps the pieces as they came and joins them at the end. */
class PieceReader implements BodyReader {
  readonly #pieces: Buffer[] = [];
  #left: number;
  whole: Body | null = null;

  constructor(byteSize: number) {
    this.#left = byteSize;
  }

  take(bytes: Buffer, start: number): number {
    const count = Math.min(this.#left, bytes.length - start);
    this.#pieces.push(bytes.subarray(start, start + count));
    this.#left -= count;
    if (this.#left === 0) {
      this.whole = plainBody(this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces));
    }
    return count;
  }

  abandon(): void {}
}

/** Copies into a slab, taken with the first byte. */
class SlabReader implements BodyReader {
  readonly #byteSize: number;
  readonly #offset: number;
  readonly #pool: SlabPool;
  #slab: SharedArrayBuffer | null = null;
  #target: Buffer | null = null;
  #length = 0;
  whole: Body | null = null;

  constructor(byteSize: number, headerLength: number, pool: SlabPool) {
    this.#byteSize = byteSize;
    this.#offset = (ALIGNMENT - (headerLength % ALIGNMENT)) % ALIGNMENT;
    this.#pool = pool;
  }

  take(bytes: Buffer, start: number): number {
    if (this.#target === null) {
      this.#slab = this.#pool.take(this.#offset + this.#byteSize);
      this.#target = Buffer.from(this.#slab, this.#offset, this.#byteSize);
    }
    const count = Math.min(this.#byteSize - this.#length, bytes.length - start);
    bytes.copy(this.#target, this.#length, start, start + count);
    this.#length += count;
    if (this.#length === this.#byteSize) this.whole = { bytes: this.#target, release: () => this.abandon() };
    return count;
  }

  abandon(): void {
    if (this.#slab !== null) this.#pool.give(this.#slab);
    this.#slab = null;
  }
}

const CR = 0x0d;
const LF = 0x0a;
/** A chunk's line with its extensions, and all trailers together. */
const MAX_LINE_BYTES = 16_384;

/** `Transfer-Encoding: chunked`; extensions and trailers are read over. */
class ChunkedReader implements BodyReader {
  readonly #pieces: Buffer[] = [];
  #state: "size" | "data" | "end of data" | "trailer" = "size";
  #line = "";
  #left = 0;
  whole: Body | null = null;

  take(bytes: Buffer, start: number): number | null {
    let at = start;
    while (at < bytes.length && this.whole === null) {
      if (this.#state === "data") {
        const count = Math.min(this.#left, bytes.length - at);
        this.#pieces.push(bytes.subarray(at, at + count));
        this.#left -= count;
        at += count;
        if (this.#left === 0) this.#state = "end of data";
        continue;
      }
      const end = bytes.indexOf(LF, at);
      this.#line += bytes.toString("latin1", at, end < 0 ? bytes.length : end);
      at = end < 0 ? bytes.length : end + 1;
      if (this.#line.length > MAX_LINE_BYTES) return null;
      if (end >= 0 && !this.#endLine()) return null;
    }
    return at - start;
  }

  abandon(): void {}

  /** False = broken. */
  #endLine(): boolean {
    const line = this.#line.charCodeAt(this.#line.length - 1) === CR ? this.#line.slice(0, -1) : this.#line;
    this.#line = "";
    if (this.#state === "end of data") {
      this.#state = "size";
      return line === "";
    }
    if (this.#state === "trailer") {
      if (line === "") this.whole = plainBody(Buffer.concat(this.#pieces));
      return true;
    }
    const size = /^([0-9a-fA-F]{1,12})[ \t]*(;.*)?$/.exec(line)?.[1];
    if (size === undefined) return false;
    this.#left = Number.parseInt(size, 16);
    this.#state = this.#left === 0 ? "trailer" : "data";
    return true;
  }
}
