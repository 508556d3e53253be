/** A span of time for people: `12 ms`, `0.4 s`, `14.2 s`, `3 min`, `4 min 10 s`, `2 h 5 min`. */
export const durationText = (us: number): string => {
  if (us === 0) return "0 s";
  if (us < 1000) return `${Math.round(us)} us`;
  if (us < 100_000) return `${trimmed(us / 1000)} ms`;
  if (us < 59_950_000) return `${trimmed(us / 1e6)} s`;
  const seconds = Math.round(us / 1e6);
  if (seconds < 3600) return pair(seconds, 60, "min", "s");
  if (seconds < 86_400) return pair(Math.round(seconds / 60), 60, "h", "min");
  return pair(Math.round(seconds / 3600), 24, "d", "h");
};

/** Two figures at most, but whole numbers whole. */
const trimmed = (value: number): string =>
  value >= 100 ? value.toFixed(0) : String(Number(value.toFixed(1)));

const pair = (amount: number, base: number, large: string, small: string): string => {
  const rest = amount % base;
  const whole = `${Math.floor(amount / base)} ${large}`;
  return rest === 0 ? whole : `${whole} ${rest} ${small}`;
};

/** `1 model`, `3 models`, `2 processes`. */
export const counted = (count: number, what: string): string =>
  count === 1 ? `1 ${what}` : `${count} ${what}${what.endsWith("s") ? "es" : "s"}`;

/** `84.2 %`, `80 %`. */
export const percentText = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

/** `a`, `a and b`, `a, b and c`. */
export const listed = (parts: readonly string[]): string =>
  parts.length < 2 ? (parts[0] ?? "") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`;

/** The names nearest to one that is not known, nearest first: those that hold it, then those a few letters away. */
export const closestNames = (name: string, known: readonly string[], count = 5): readonly string[] => {
  const asked = name.toLowerCase();
  return known
    .map((other) => ({ other, distance: distanceOf(asked, other.toLowerCase()) }))
    .filter(({ distance }) => distance <= Math.max(2, asked.length / 2))
    .sort((a, b) => a.distance - b.distance || a.other.localeCompare(b.other))
    .slice(0, count)
    .map(({ other }) => other);
};

/** Letters to add, take away or change; 0 where one holds the other. */
const distanceOf = (a: string, b: string): number => {
  if (b.includes(a) || (b.length > 2 && a.includes(b))) return 0;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};
