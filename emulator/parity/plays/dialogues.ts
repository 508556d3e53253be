import { setTimeout as sleep } from "node:timers/promises";
import { shorterDialogues } from "../difference/shrink-dialogue.ts";
import { type Dialogue, dialogueText } from "../traffic/dialogues/dialogue.ts";
import { generateDialogue } from "../traffic/dialogues/generate.ts";
import { clearDialogue, isStuck, layOutDialogue, playDialogue, stateOf } from "../traffic/dialogues/play.ts";
import type { PlayFolder } from "../traffic/play-folder.ts";
import type { Side } from "../traffic/send.ts";
import { differenceOf, type Outcome } from "./outcome.ts";
import { type RepositoryPair, unlessDied } from "./repository-pair.ts";
import type { Plays } from "./run-plays.ts";

/** A model that failed stays in the index for good. */
const PLAYS_BETWEEN_RESTARTS = 60;
/** Counters follow an answer by a moment. */
const LOOKS = 25;
const BETWEEN_LOOKS_MS = 20;

/** Inferences that belong together; their answers are compared, then statistics, counters and the repository. */
export const dialoguePlays = (pair: RepositoryPair): Plays<Dialogue> => {
  const stage = new DialogueStage(pair);
  return {
    name: "dialogues",
    make: generateDialogue,
    play: (dialogue) => stage.play(dialogue),
    simpler: shorterDialogues,
    text: dialogueText,
    stepText: null,
    atOnce: 1,
    shrinkLimit: 60,
  };
};

class DialogueStage {
  readonly #pair: RepositoryPair;
  #plays = 0;

  constructor(pair: RepositoryPair) {
    this.#pair = pair;
  }

  async play(dialogue: Dialogue): Promise<Outcome> {
    if (++this.#plays % PLAYS_BETWEEN_RESTARTS === 0) await this.#pair.restart();
    return await unlessDied(this.#pair, await this.#playOnBoth(dialogue));
  }

  async #playOnBoth(dialogue: Dialogue): Promise<Outcome> {
    const { ours, theirs, repositories, tolerance } = this.#pair;
    const prefix = `d${this.#plays}_`;
    const [a, b] = [
      { path: repositories.ours, prefix },
      { path: repositories.theirs, prefix },
    ];
    layOutDialogue(dialogue, a);
    layOutDialogue(dialogue, b);
    const onBoth = <T>(what: (side: Side, folder: PlayFolder) => Promise<T>): Promise<[T, T]> =>
      Promise.all([what(ours, a), what(theirs, b)]);
    let isLeftStuck = false;
    try {
      const [x, y] = await onBoth((side, folder) => playDialogue(dialogue, side, folder, sleep));
      isLeftStuck = isStuck(x) || isStuck(y);
      if (isStuck(y) && !isStuck(x)) return { kind: "died" };
      const difference = differenceOf(x, y, tolerance);
      if (difference !== null || this.#pair.dead() !== null) return difference ?? { kind: "died" };
      for (let looks = 0; ; looks++) {
        const at = dialogue.steps.length - 1;
        const [after, theirsAfter] = await onBoth((side, folder) => stateOf(dialogue, side, folder, at));
        const left = differenceOf(after, theirsAfter, tolerance);
        if (left === null) return { kind: "agree", otherOrder: false };
        if (looks === LOOKS) return left;
        await sleep(BETWEEN_LOOKS_MS);
      }
    } finally {
      if (isLeftStuck) await this.#pair.restart();
      await onBoth((side, folder) => clearDialogue(dialogue, side, folder));
    }
  }
}
