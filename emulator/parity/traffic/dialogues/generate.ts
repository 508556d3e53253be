import type { Chance } from "../chance.ts";
import { isLeftOut } from "../left-out.ts";
import { caches } from "./caches.ts";
import type { Dialogue } from "./dialogue.ts";
import { ensembles } from "./ensembles.ts";
import { queues } from "./queues.ts";
import { sequences } from "./sequences.ts";

/** A dialogue whose outcome hangs on nothing but what is asked; again where the real server would die of it. */
export const generateDialogue = (chance: Chance): Dialogue => {
  for (;;) {
    const dialogue = chance.weighted(kinds)(chance);
    if (!diesOf(dialogue)) return dialogue;
  }
};

const kinds: readonly (readonly [weight: number, make: (chance: Chance) => Dialogue])[] = [
  [4, sequences],
  [3, queues],
  [2, caches],
  [3, ensembles],
];

const diesOf = ({ models, steps }: Dialogue): boolean => {
  const sketches = models.map(({ sketch }) => sketch);
  return steps.some(
    (step) => step.do === "ask" && step.turns.some(({ request }) => isLeftOut(request, sketches) !== null),
  );
};
