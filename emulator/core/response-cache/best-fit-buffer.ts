/** A piece of the buffer. */
export interface Block {
  /** A multiple of 16. */
  readonly bytes: number;
}

interface OwnBlock extends Block {
  bytes: number;
  isFree: boolean;
  before: OwnBlock | null;
  after: OwnBlock | null;
}

/** Taken of the buffer before any block lies in it (2.51.0). */
const HEAD_BYTES = 128;
/** Of the buffer that no block gets (2.51.0). */
const TAIL_BYTES = 16;
const BLOCK_HEAD_BYTES = 8;
const UNIT_BYTES = 16;
/** A free block holds its place in a tree. */
const SMALLEST_BYTES = 48;

/**
 * Where answers lie in the buffer of the `local` cache. The real one gives its buffer to Boost.Interprocess, whose
 * `rbtree_best_fit` takes the smallest free block that is large enough, cuts off what remains if that can be a block, and
 * joins what becomes free with free neighbours. So an answer may find no room although enough bytes are free (2.51.0).
 */
export class BestFitBuffer {
  readonly #byteSize: number;
  /** Smallest first. */
  #free: OwnBlock[] = [];
  #used = HEAD_BYTES;

  /** @param byteSize of the whole buffer */
  constructor(byteSize: number) {
    this.#byteSize = byteSize;
    this.clear();
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Null = no free block is large enough. */
  allocate(bytes: number): Block | null {
    const wanted = blockBytes(bytes);
    const place = this.#firstAtLeast(wanted);
    const block = this.#free[place];
    if (block === undefined) return null;
    const restBytes = block.bytes - wanted;
    if (restBytes < SMALLEST_BYTES) this.#free.splice(place, 1);
    else {
      const rest: OwnBlock = { bytes: restBytes, isFree: true, before: block, after: block.after };
      if (block.after !== null) block.after.before = rest;
      block.after = rest;
      block.bytes = wanted;
      if (place === 0 || this.#free[place - 1]!.bytes <= restBytes) this.#free[place] = rest;
      else {
        this.#free.splice(place, 1);
        this.#free.splice(this.#firstAtLeast(restBytes), 0, rest);
      }
    }
    block.isFree = false;
    this.#used += block.bytes;
    return block;
  }

  /** @param given what `allocate` gave, once */
  release(given: Block): void {
    const block = given as OwnBlock;
    this.#used -= block.bytes;
    block.isFree = true;
    const { before, after } = block;
    if (before?.isFree) {
      if (after?.isFree) {
        this.#free.splice(this.#placeOf(after), 1);
        join(block, after);
      }
      const place = this.#placeOf(before);
      join(before, block);
      this.#settle(place);
    } else if (after?.isFree) {
      const place = this.#placeOf(after);
      join(block, after);
      this.#free[place] = block;
      this.#settle(place);
    } else this.#insert(block);
  }

  clear(): void {
    const bytes = wholeUnits(this.#byteSize - HEAD_BYTES - TAIL_BYTES);
    this.#free = bytes < SMALLEST_BYTES ? [] : [{ bytes, isFree: true, before: null, after: null }];
    this.#used = HEAD_BYTES;
  }

  /** Moves a block that has grown behind those that are smaller now; where none is, it stays, also before its equals. */
  #settle(place: number): void {
    const block = this.#free[place]!;
    const next = this.#free[place + 1];
    if (next === undefined || block.bytes <= next.bytes) return;
    this.#free.splice(place, 1);
    this.#insert(block);
  }

  /** Behind its equals. */
  #insert(block: OwnBlock): void {
    this.#free.splice(this.#firstAtLeast(block.bytes + 1), 0, block);
  }

  #placeOf(block: OwnBlock): number {
    return this.#free.indexOf(block, this.#firstAtLeast(block.bytes));
  }

  #firstAtLeast(bytes: number): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#free[middle]!.bytes < bytes) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const join = (block: OwnBlock, next: OwnBlock): void => {
  block.bytes += next.bytes;
  block.after = next.after;
  if (next.after !== null) next.after.before = block;
};

const wholeUnits = (bytes: number): number => Math.floor(bytes / UNIT_BYTES) * UNIT_BYTES;

/** What the allocator takes for so many bytes; a block may use the first 8 of the next one. */
const blockBytes = (bytes: number): number =>
  Math.max(SMALLEST_BYTES, wholeUnits(bytes + BLOCK_HEAD_BYTES + UNIT_BYTES - 1));
