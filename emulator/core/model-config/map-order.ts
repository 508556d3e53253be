const mask = 0xffff_ffff_ffff_ffffn;
const multiplier = 0xc6a4_a793_5bd1_e995n;
const seed = 0xc70f_6907n;

const mix = (value: bigint): bigint => value ^ (value >> 47n);

/** `std::hash<std::string>` of a 64-bit libstdc++. */
const hash = (key: string): bigint => {
  const bytes = Buffer.from(key);
  let value = seed ^ ((BigInt(bytes.length) * multiplier) & mask);
  const aligned = bytes.length - (bytes.length % 8);
  for (let at = 0; at < aligned; at += 8) {
    const word = (bytes.readBigUInt64LE(at) * multiplier) & mask;
    value = ((value ^ ((mix(word) * multiplier) & mask)) * multiplier) & mask;
  }
  if (aligned < bytes.length) {
    let rest = 0n;
    for (let at = bytes.length - 1; at >= aligned; at--) rest = (rest << 8n) | BigInt(bytes[at]!);
    value = ((value ^ rest) * multiplier) & mask;
  }
  return mix((mix(value) * multiplier) & mask);
};

/** The bucket counts a map grows through, one element an insertion. */
const bucketCounts = [
  13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061,
];

interface Entry {
  readonly key: string;
  readonly hash: bigint;
}

/** The nodes of a bucket lie together, the newest first; a bucket that gets its first node moves to the front. */
const place = (entries: Iterable<Entry>, bucketCount: number): Map<bigint, Entry[]> => {
  const buckets = new Map<bigint, Entry[]>();
  for (const entry of entries) insert(buckets, entry, bucketCount);
  return buckets;
};

const insert = (buckets: Map<bigint, Entry[]>, entry: Entry, bucketCount: number): void => {
  const index = entry.hash % BigInt(bucketCount);
  const bucket = buckets.get(index);
  if (bucket === undefined) buckets.set(index, [entry]);
  else bucket.push(entry);
};

const iterate = (buckets: ReadonlyMap<bigint, readonly Entry[]>): Entry[] =>
  [...buckets.values()].reverse().flatMap((bucket) => bucket.toReversed());

/**
 * Iteration order of a libstdc++ `std::unordered_map<std::string, …>` after inserting the keys in this order, each once:
 * the order in which the real server lists what it keeps in such maps, e.g. completed inputs (2.51.0).
 */
export const libstdcxxMapOrder = (keys: readonly string[]): string[] => {
  let growth = 0;
  let buckets = new Map<bigint, Entry[]>();
  const seen = new Set<string>();
  for (const key of keys) {
    if (seen.has(key)) continue;
    if (seen.size === bucketCounts[growth] && growth + 1 < bucketCounts.length) {
      growth++;
      buckets = place(iterate(buckets), bucketCounts[growth]!);
    }
    seen.add(key);
    insert(buckets, { key, hash: hash(key) }, bucketCounts[growth]!);
  }
  return iterate(buckets).map((entry) => entry.key);
};
