import type { Side } from "./traffic/send.ts";

/** The two servers that are compared. */
export interface Pair {
  readonly ours: Side;
  readonly theirs: Side;
  /** By how much floating-point results may differ, relative to the larger. */
  readonly tolerance: number;
  /** False for servers that were not started here: what they have loaded and learned stays. */
  readonly own: boolean;
  /** Ends both and starts them as they were at first. */
  restart(): Promise<void>;
  /** Exit code of a server that has ended by itself; null = both run. */
  dead(): { readonly side: "ours" | "theirs"; readonly code: number } | null;
}
