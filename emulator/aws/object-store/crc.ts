/**
 * The two CRCs of S3 that zlib does not have, eight bytes at a step. Both are reflected, begin with all ones and end with all
 * bits turned; a value is that of the bytes before, 0 at the start.
 */

/** Castagnoli's polynomial, reflected. */
const CRC32C = 0x82f63b78;
/** The polynomial of NVM Express, reflected: the two halves of 0x9a6c9329ac4bc9b5. */
const CRC64_HIGH = 0x9a6c9329;
const CRC64_LOW = 0xac4bc9b5;

const STEP = 8;

/** Entry `256 * k + b`: what byte `b` does to the value when `k` bytes follow. */
const table32 = (): Uint32Array => {
  const table = new Uint32Array(256 * STEP);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CRC32C : value >>> 1;
    table[byte] = value;
  }
  for (let at = 256; at < table.length; at++) {
    const before = table[at - 256]!;
    table[at] = (before >>> 8) ^ table[before & 0xff]!;
  }
  return table;
};

interface Table64 {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
}

const table64 = (): Table64 => {
  const high = new Uint32Array(256 * STEP);
  const low = new Uint32Array(256 * STEP);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (odd === 1) {
        h ^= CRC64_HIGH;
        l ^= CRC64_LOW;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let at = 256; at < high.length; at++) {
    const h = high[at - 256]!;
    const l = low[at - 256]!;
    low[at] = ((l >>> 8) | (h << 24)) ^ low[l & 0xff]!;
    high[at] = (h >>> 8) ^ high[l & 0xff]!;
  }
  return { high, low };
};

let castagnoli: Uint32Array | null = null;
let nvme: Table64 | null = null;

export const crc32c = (bytes: Uint8Array, before: number): number => {
  castagnoli ??= table32();
  const t = castagnoli;
  let value = ~before;
  let at = 0;
  for (const end = bytes.length - STEP; at <= end; at += STEP) {
    const first =
      value ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    value =
      t[1792 + (first & 0xff)]! ^
      t[1536 + ((first >>> 8) & 0xff)]! ^
      t[1280 + ((first >>> 16) & 0xff)]! ^
      t[1024 + (first >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) value = (value >>> 8) ^ t[(value ^ bytes[at]!) & 0xff]!;
  return ~value >>> 0;
};

export const crc64nvme = (bytes: Uint8Array, before: bigint): bigint => {
  nvme ??= table64();
  const { high, low } = nvme;
  let h = ~Number(before >> 32n);
  let l = ~Number(before & 0xffffffffn);
  let at = 0;
  for (const end = bytes.length - STEP; at <= end; at += STEP) {
    const a = l ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    const b = h ^ (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24));
    const i0 = 1792 + (a & 0xff);
    const i1 = 1536 + ((a >>> 8) & 0xff);
    const i2 = 1280 + ((a >>> 16) & 0xff);
    const i3 = 1024 + (a >>> 24);
    const i4 = 768 + (b & 0xff);
    const i5 = 512 + ((b >>> 8) & 0xff);
    const i6 = 256 + ((b >>> 16) & 0xff);
    const i7 = b >>> 24;
    l = low[i0]! ^ low[i1]! ^ low[i2]! ^ low[i3]! ^ low[i4]! ^ low[i5]! ^ low[i6]! ^ low[i7]!;
    h = high[i0]! ^ high[i1]! ^ high[i2]! ^ high[i3]! ^ high[i4]! ^ high[i5]! ^ high[i6]! ^ high[i7]!;
  }
  for (; at < bytes.length; at++) {
    const index = (l ^ bytes[at]!) & 0xff;
    l = ((l >>> 8) | (h << 24)) ^ low[index]!;
    h = (h >>> 8) ^ high[index]!;
  }
  return (BigInt(~h >>> 0) << 32n) | BigInt(~l >>> 0);
};
