import type { IncomingMessage } from "node:http";

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

/**
 * Large buffers for request bodies, used again: the cost of a large body is touching fresh pages, not copying.
 * Slabs come in sizes of powers of two and halves between them.
 */
export class SlabPool {
  readonly #free = new Map<number, ArrayBuffer[]>();
  #freeBytes = 0;

  take(byteSize: number): ArrayBuffer {
    const size = slabSize(byteSize);
    const slab = this.#free.get(size)?.pop();
    if (slab === undefined) return new ArrayBuffer(size);
    this.#freeBytes -= size;
    return slab;
  }

  give(slab: ArrayBuffer): void {
    if (slab.byteLength === 0 || this.#freeBytes + slab.byteLength > POOL_LIMIT) return;
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

/**
 * Reads a body. One with a known length above 64 kB goes straight into a slab, placed so that what follows a JSON header
 * of `headerLength` bytes is aligned; a small one that came in one piece is used where it lies.
 * @param done is not called when the client goes away first
 */
export const readBody = (
  request: IncomingMessage,
  pool: SlabPool,
  headerLength: number,
  done: (body: Body) => void,
): void => {
  const declared = Number(request.headers["content-length"] ?? "-1");
  if (declared > SMALL && declared <= LARGEST_SLAB) readLarge(request, pool, headerLength, declared, done);
  else readPieces(request, done);
};

const readPieces = (request: IncomingMessage, done: (body: Body) => void): void => {
  let first: Buffer | null = null;
  let rest: Buffer[] | null = null;
  request.on("data", (chunk: Buffer) => {
    if (first === null) first = chunk;
    else if (rest === null) rest = [first, chunk];
    else rest.push(chunk);
  });
  request.on("end", () => {
    const bytes = rest === null ? (first ?? Buffer.alloc(0)) : Buffer.concat(rest);
    done({ bytes, release: keep });
  });
};

/** The slab is taken when the first byte is there, and given back when the client goes away. */
const readLarge = (
  request: IncomingMessage,
  pool: SlabPool,
  headerLength: number,
  declared: number,
  done: (body: Body) => void,
): void => {
  const offset = (ALIGNMENT - (headerLength % ALIGNMENT)) % ALIGNMENT;
  let slab: ArrayBuffer | null = null;
  let bytes: Buffer | null = null;
  let length = 0;
  const release = (): void => {
    if (slab !== null) pool.give(slab);
    slab = null;
  };
  request.on("data", (chunk: Buffer) => {
    if (bytes === null) {
      slab = pool.take(offset + declared);
      bytes = Buffer.from(slab, offset, declared);
    }
    chunk.copy(bytes, length);
    length += chunk.length;
  });
  request.on("end", () => {
    done({ bytes: (bytes ?? Buffer.alloc(0)).subarray(0, length), release });
  });
  request.on("close", () => {
    if (!request.complete) release();
  });
};
