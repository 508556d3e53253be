import { setTimeout as sleep } from "node:timers/promises";
import type { Pair } from "../pair.ts";
import { hangsUp, type Outcome } from "./outcome.ts";

/** Both with the path of the repository that they serve, and that plays write into. */
export interface RepositoryPair extends Pair {
  readonly repositories: { readonly ours: string; readonly theirs: string };
}

const LOOKS = 40;
const BETWEEN_LOOKS_MS = 20;

/**
 * What a play came to, where the real server lived through it; otherwise both are started anew.
 * @throws Error our server has ended
 */
export const unlessDied = async (pair: Pair, outcome: Outcome): Promise<Outcome> => {
  if (outcome.kind === "differ" && hangsUp(outcome))
    for (let looks = 0; looks < LOOKS && pair.dead() === null; looks++) await sleep(BETWEEN_LOOKS_MS);
  const dead = pair.dead();
  if (dead === null) return outcome;
  if (dead.side === "ours") throw new Error(`our server ended with code ${dead.code}`);
  await pair.restart();
  return { kind: "died" };
};
