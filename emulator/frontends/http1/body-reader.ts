/** Bodies up to this size are not worth a slab. */
const SMALL = 65_536;
/** Above this a declared length is not believed before the bytes are there. */
const LARGEST_SLAB = 1024 * 1024 * 1024;
/** Bytes of free slabs kept for later bodies. */
const POOL_LIMIT = 512 * 1024 * 1024;
/** The binary part of a body starts at a multiple of this many bytes. */
const ALIGNMENT = 64;
/** The first room of a body that grows. */
const SMALLEST = 1024;

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

  /** Null = there is no memory. */
  take(byteSize: number): SharedArrayBuffer | null {
    const size = slabSize(byteSize);
    const slab = this.#free.get(size)?.pop();
    if (slab === undefined) return allocate(() => new SharedArrayBuffer(size));
    this.#freeBytes -= size;
    return slab;
  }

  /** Over the limit, slabs of the size that was given back longest ago go first. */
  give(slab: SharedArrayBuffer): void {
    const size = slab.byteLength;
    if (size > POOL_LIMIT) return;
    const list = this.#free.get(size) ?? [];
    list.push(slab);
    this.#free.delete(size);
    this.#free.set(size, list);
    this.#freeBytes += size;
    for (const [oldest, slabs] of this.#free) {
      while (this.#freeBytes > POOL_LIMIT && slabs.pop() !== undefined) this.#freeBytes -= oldest;
      if (this.#freeBytes <= POOL_LIMIT) return;
      this.#free.delete(oldest);
    }
  }
}

/** Null = there is no memory: then one connection ends, not the process. */
const allocate = <Memory>(make: () => Memory): Memory | null => {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
};

const slabSize = (byteSize: number): number => {
  let size = 2 * SMALL;
  while (size < byteSize) size *= 2;
  return size * 0.75 >= byteSize ? size * 0.75 : size;
};

/** Takes the bytes that follow a head until the body is whole. */
export interface BodyReader {
  /** Answers how many bytes of `bytes` from `start` on belong to the body; null = it is broken, or there is no memory. */
  take(bytes: Buffer, start: number): number | null;
  /** Null until the last byte is there. */
  readonly whole: Body | null;
  /** The client went away. */
  abandon(): void;
}

/** Takes the bytes of a body one piece after the other. */
export interface BodySink {
  /** False = there is no memory. */
  append(source: Buffer, start: number, end: number): boolean;
  /** Called when the last byte is there. @returns what there is of it in one piece */
  whole(): Buffer;
}

/** Of a body that `sink` gets as it comes: its `whole` is only the sign that there is no more. */
export const createSinkReader = (contentLength: number | null, sink: BodySink): BodyReader =>
  contentLength === null ? new ChunkedReader(sink) : new GrowingReader(contentLength, sink);

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
  return new GrowingReader(contentLength);
};

/** Bytes whose number is not known, or not believed. They are copied: views would keep alive all that was read with them. */
class GrowingBytes implements BodySink {
  #bytes: Buffer = Buffer.alloc(0);
  #length = 0;

  append(source: Buffer, start: number, end: number): boolean {
    const length = this.#length + end - start;
    if (length > this.#bytes.length) {
      const grown = allocate(() =>
        Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#bytes.length, SMALLEST)),
      );
      if (grown === null) return false;
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    source.copy(this.#bytes, this.#length, start, end);
    this.#length = length;
    return true;
  }

  whole(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

class GrowingReader implements BodyReader {
  readonly #bytes: BodySink;
  #left: number;
  whole: Body | null = null;

  constructor(byteSize: number, sink: BodySink = new GrowingBytes()) {
    this.#left = byteSize;
    this.#bytes = sink;
  }

  take(bytes: Buffer, start: number): number | null {
    const count = Math.min(this.#left, bytes.length - start);
    if (!this.#bytes.append(bytes, start, start + count)) return null;
    this.#left -= count;
    if (this.#left === 0) this.whole = plainBody(this.#bytes.whole());
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

  take(bytes: Buffer, start: number): number | null {
    if (this.#target === null) {
      this.#slab = this.#pool.take(this.#offset + this.#byteSize);
      if (this.#slab === null) return null;
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
const TAB = 0x09;
const COLON = 0x3a;
/** A trailer that is longer breaks the body. */
const LONGEST_TRAILER = 8191;

type ChunkState =
  | "first digit"
  | "digits"
  | "end of size"
  | "data"
  | "after data"
  | "end of data"
  | "trailer"
  | "value of trailer"
  | "after a bare line feed"
  | "end of trailer";

/**
 * `Transfer-Encoding: chunked` as 2.51.0 reads it: no extensions, no blanks, broken at the first byte that is wrong. A size that
 * runs over 64 bits begins anew, and the first line after the last chunk is the last one.
 */
class ChunkedReader implements BodyReader {
  readonly #bytes: BodySink;
  #state: ChunkState = "first digit";
  /** Halves of 64 bits. */
  #sizeHigh = 0;
  #sizeLow = 0;
  #left = 0;
  #trailerLength = 0;
  whole: Body | null = null;

  constructor(sink: BodySink = new GrowingBytes()) {
    this.#bytes = sink;
  }

  take(bytes: Buffer, start: number): number | null {
    let at = start;
    while (at < bytes.length && this.whole === null) {
      if (this.#state === "data") {
        const count = Math.min(this.#left, bytes.length - at);
        if (!this.#bytes.append(bytes, at, at + count)) return null;
        this.#left -= count;
        at += count;
        if (this.#left === 0) this.#state = "after data";
        continue;
      }
      const next = this.#next(bytes[at++]!);
      if (next === null) return null;
      this.#state = next;
    }
    return at - start;
  }

  abandon(): void {}

  /** The state after this byte; null = it is wrong. */
  #next(code: number): ChunkState | null {
    switch (this.#state) {
      case "first digit":
      case "digits":
        return this.#readSize(code);
      case "end of size":
        if (code !== LF) return null;
        return this.#left === 0 ? "trailer" : "data";
      case "after data":
        return code === CR ? "end of data" : null;
      case "end of data":
        return code === LF ? "first digit" : null;
      case "after a bare line feed":
        return code === TAB ? "value of trailer" : null;
      case "end of trailer":
        if (code !== LF) return null;
        this.whole = plainBody(this.#bytes.whole());
        return "end of trailer";
      default:
        return this.#readTrailer(code);
    }
  }

  #readSize(code: number): ChunkState | null {
    if (code === CR) return this.#state === "digits" ? "end of size" : null;
    const digit = hexDigit(code);
    if (digit === null) return null;
    const first = this.#state === "first digit";
    this.#sizeHigh = first ? 0 : ((this.#sizeHigh << 4) | (this.#sizeLow >>> 28)) >>> 0;
    this.#sizeLow = first ? digit : ((this.#sizeLow << 4) | digit) >>> 0;
    this.#left = this.#sizeHigh * 2 ** 32 + this.#sizeLow;
    return "digits";
  }

  #readTrailer(code: number): ChunkState | null {
    if (code === CR) return "end of trailer";
    if (code === LF) return this.#state === "trailer" ? "after a bare line feed" : null;
    if (code === COLON && this.#state === "trailer" && this.#trailerLength > 0) {
      this.#trailerLength = 0;
      return "value of trailer";
    }
    this.#trailerLength++;
    return this.#trailerLength > LONGEST_TRAILER ? null : this.#state;
  }
}

/** Bytes that are not ASCII count as 0. */
const hexDigit = (code: number): number | null => {
  if (code >= 0x80) return 0;
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = (code | 0x20) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : null;
};
