import { formatByteSize } from "../core/memory/byte-size.ts";
import type { AllocationKind, PoolName } from "../core/memory/memory-account.ts";
import type { JournalEvent } from "./event.ts";

/** `earlier`: taken before the journal begins, so that nobody knows what for. */
export type ContentKind = AllocationKind | "earlier";

/** A pool at a moment. */
export interface PoolContent {
  readonly pool: PoolName;
  /** Null = no machine is emulated. */
  readonly capacity: number | null;
  /** Of the capacity, not for models. */
  readonly reserve: number;
  readonly used: number;
  /** Kinds with bytes only, in the order of the picture. */
  readonly kinds: readonly (readonly [ContentKind, number])[];
}

/** What each kind is drawn with, in the order of the picture: what stays first, what comes and goes last. */
const letters: Readonly<Record<ContentKind, string>> = {
  earlier: "?",
  server: "S",
  library: "L",
  "cuda-context": "C",
  shm: "M",
  cache: "H",
  leak: "K",
  residue: "R",
  weights: "W",
  arena: "A",
  workspace: "O",
  staging: "T",
};

const FREE = ".";
const RESERVE = "#";

const contentKinds: readonly ContentKind[] = [
  "earlier",
  "server",
  "library",
  "cuda-context",
  "shm",
  "cache",
  "leak",
  "residue",
  "weights",
  "arena",
  "workspace",
  "staging",
];

/** A moment of the journal: up to and with the last event at `atUs`; absent = its end. */
export interface Moment {
  readonly atUs?: number;
  /** Of several instances; absent = events that name none, and those of the only one. */
  readonly instance?: string;
}

/** The pools of an instance as they stood, out of the events `bytes` and `container-started`; host, GPUs, then the rest. */
export const poolsAt = (
  events: readonly JournalEvent[],
  { atUs = Number.POSITIVE_INFINITY, instance }: Moment = {},
): readonly PoolContent[] => {
  const account = new PoolAccount(instance);
  for (const event of events) {
    if (event.atUs > atUs) break;
    account.apply(event);
  }
  return account.contents();
};

/** The same event by event, for who wants to see the pools again and again. */
export class PoolAccount {
  readonly #instance: string | undefined;
  readonly #pools = new Map<PoolName, PoolTotals>();

  /** @param instance as in `Moment` */
  constructor(instance?: string) {
    this.#instance = instance;
  }

  apply(event: JournalEvent): void {
    if (this.#instance !== undefined && event.instance !== this.#instance) return;
    if (event.event === "container-started") {
      for (const { pool, capacity, reserve } of event.pools ?? []) {
        Object.assign(this.#totalsOf(pool), { capacity, reserve });
      }
    } else if (event.event === "bytes") {
      const totals = this.#totalsOf(event.pool);
      totals.used = event.after;
      if (event.after === 0) totals.kinds.clear();
      else totals.kinds.set(event.kind, (totals.kinds.get(event.kind) ?? 0) + event.change);
    } else if (event.event === "container-died") {
      // Everything in its memory went with it, whether or not that is written down byte for byte.
      for (const totals of this.#pools.values()) {
        totals.used = 0;
        totals.kinds.clear();
      }
    }
  }

  contents(): readonly PoolContent[] {
    return [...this.#pools]
      .sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b))
      .map(([pool, totals]) => ({ pool, ...totals, kinds: kindsOf(totals) }));
  }

  #totalsOf(pool: PoolName): PoolTotals {
    const known = this.#pools.get(pool) ?? { capacity: null, reserve: 0, used: 0, kinds: new Map() };
    this.#pools.set(pool, known);
    return known;
  }
}

/**
 * Text bars, one line for each pool, and what the letters mean. Disk and shm are left out while nothing is in them.
 * @param width cells of a bar
 */
export const poolPicture = (pools: readonly PoolContent[], width = 40): string => {
  const shown = pools.filter(isShown);
  if (shown.length === 0) return "No pool of memory is known here.\n";
  const names = Math.max(...shown.map(({ pool }) => pool.length));
  return `${poolBars(pools, width)}${" ".repeat(names)}   ${legend(shown)}\n`;
};

/** The bars alone, for who explains the letters elsewhere. */
export const poolBars = (pools: readonly PoolContent[], width = 40): string => {
  const shown = pools.filter(isShown);
  const names = Math.max(...shown.map(({ pool }) => pool.length));
  return shown
    .map((content) => `${content.pool.padEnd(names)}  [${bar(content, width)}]  ${figures(content)}\n`)
    .join("");
};

const isShown = ({ pool, used }: PoolContent): boolean => used > 0 || (pool !== "disk" && pool !== "shm");

interface PoolTotals {
  capacity: number | null;
  reserve: number;
  used: number;
  readonly kinds: Map<ContentKind, number>;
}

const rank = (pool: PoolName): number => (pool === "host" ? 0 : pool.startsWith("gpu:") ? 1 : 2);

const kindsOf = ({ used, kinds }: PoolTotals): readonly (readonly [ContentKind, number])[] => {
  // A journal that lost its beginning saw bytes go that it had not seen come.
  const seen = [...kinds].filter(([, bytes]) => bytes > 0);
  const earlier = used - seen.reduce((sum, [, bytes]) => sum + bytes, 0);
  const all = new Map(earlier > 0 ? [...seen, ["earlier", earlier] as const] : seen);
  return contentKinds.flatMap((kind) => {
    const bytes = all.get(kind);
    return bytes === undefined ? [] : [[kind, bytes] as const];
  });
};

/** Each cell shows what lies at its middle. */
const bar = ({ capacity, reserve, used, kinds }: PoolContent, width: number): string => {
  const whole = Math.max(capacity ?? used, used, 1);
  let cells = "";
  for (let cell = 0; cell < width; cell++) {
    const middle = ((cell + 0.5) / width) * whole;
    cells += letterAt(middle, kinds) ?? (middle > whole - reserve ? RESERVE : FREE);
  }
  return cells;
};

const letterAt = (at: number, kinds: readonly (readonly [ContentKind, number])[]): string | null => {
  let end = 0;
  for (const [kind, bytes] of kinds) {
    end += bytes;
    if (at < end) return letters[kind];
  }
  return null;
};

const figures = ({ capacity, used, kinds }: PoolContent): string => {
  const parts = kinds.map(([kind, bytes]) => `${kind} ${formatByteSize(bytes)}`).join(", ");
  const total =
    capacity === null || capacity === 0
      ? `${formatByteSize(used)} used`
      : `${formatByteSize(used)} of ${formatByteSize(capacity)} used, ${((100 * used) / capacity).toFixed(1)} %`;
  return parts === "" ? total : `${total}: ${parts}`;
};

const legend = (shown: readonly PoolContent[]): string => {
  const present = contentKinds.filter((kind) =>
    shown.some(({ kinds }) => kinds.some(([other]) => other === kind)),
  );
  return [
    ...present.map((kind) => `${letters[kind]} ${kind}`),
    `${FREE} free`,
    ...(shown.some(({ reserve }) => reserve > 0) ? [`${RESERVE} reserve`] : []),
  ].join("  ");
};
