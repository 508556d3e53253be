/**
 * Compares two keys by the bytes of their UTF-8, as S3 orders them: by code point. Plain comparison of strings differs where
 * a surrogate pair meets U+E000 to U+FFFF.
 */
export const compareKeys = (a: string, b: string): number => {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at);
    const y = b.charCodeAt(at);
    if (x !== y) return (isSurrogate(x) ? x + 0x10000 : x) - (isSurrogate(y) ? y + 0x10000 : y);
  }
  return a.length - b.length;
};

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

/** Values by key, in the order of keys. */
export class KeyOrder<Value> {
  readonly #values = new Map<string, Value>();
  readonly #keys: string[] = [];

  /** Values whose order is not yet known, all at once. */
  static from<Value>(values: Iterable<readonly [string, Value]>): KeyOrder<Value> {
    const order = new KeyOrder<Value>();
    for (const [key, value] of values) order.#values.set(key, value);
    order.#keys.push(...order.#values.keys());
    order.#keys.sort(compareKeys);
    return order;
  }

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Value): void {
    if (!this.#values.has(key)) this.#keys.splice(this.#firstBehind(key, false), 0, key);
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(this.#firstBehind(key, false), 1);
  }

  /**
   * Keys that begin with `prefix` and stand behind `after`, with their values. Who hands a prefix back to it goes on behind
   * all that begins with that.
   */
  *walk(prefix: string, after: string): Generator<readonly [string, Value], void, string | undefined> {
    let at =
      compareKeys(prefix, after) > 0 ? this.#firstBehind(prefix, false) : this.#firstBehind(after, true);
    for (let key = this.#keys[at]; key?.startsWith(prefix); key = this.#keys[at]) {
      const skip = yield [key, this.#values.get(key)!];
      at = skip === undefined ? at + 1 : this.#firstWithout(skip, at);
    }
  }

  /** @param equal whether a key that is equal counts as before */
  #firstBehind(key: string, equal: boolean): number {
    return this.#search(0, (other) => {
      const order = compareKeys(other, key);
      return order > 0 || (order === 0 && !equal);
    });
  }

  #firstWithout(prefix: string, from: number): number {
    return this.#search(from, (other) => !other.startsWith(prefix));
  }

  /** The first from `low` on that is behind; all that follow are, too. */
  #search(low: number, behind: (key: string) => boolean): number {
    let first = low;
    let end = this.#keys.length;
    while (first < end) {
      const middle = (first + end) >>> 1;
      if (behind(this.#keys[middle]!)) end = middle;
      else first = middle + 1;
    }
    return first;
  }
}
