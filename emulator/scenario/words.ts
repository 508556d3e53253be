/** Levenshtein distance, a swap of neighbours counting as one. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let least = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) least = Math.min(least, before[j - 2]! + 1);
      row.push(least);
    }
    before = last;
    last = row;
  }
  return last[b.length]!;
};

/** The known word that was most likely meant; null when none is near. */
export const nearestWord = (word: string, known: readonly string[]): string | null => {
  const plain = (text: string): string => text.toLowerCase().replaceAll("-", "_");
  let best: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const far = distance(plain(word), plain(candidate));
    if (far >= least) continue;
    least = far;
    best = candidate;
  }
  return best;
};

/** `'lur' is not known; did you mean 'lru'? Known: fifo, lfu, lru` */
export const unknownWord = (word: string, known: readonly string[]): string => {
  const nearest = nearestWord(word, known);
  const meant = nearest === null ? "" : `; did you mean '${nearest}'?`;
  return `'${word}' is not known here${meant}${meant === "" ? "." : ""} Known: ${known.join(", ")}`;
};
