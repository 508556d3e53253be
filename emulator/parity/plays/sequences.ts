import { setTimeout as sleep } from "node:timers/promises";
import { shorterSequences } from "../difference/shrink-sequence.ts";
import { generateConfiguration } from "../traffic/configurations/generate.ts";
import type { PlayFolder } from "../traffic/play-folder.ts";
import type { Side } from "../traffic/send.ts";
import { generateSequence } from "../traffic/sequences/generate.ts";
import { clearSequence, layOutSequence, playStep, stateOf } from "../traffic/sequences/play.ts";
import { type Sequence, sequenceText, stepText } from "../traffic/sequences/sequence.ts";
import type { StepTold } from "../traffic/told.ts";
import { isAnotherOutcome } from "./other-outcomes.ts";
import { differenceOfStates, differenceOfSteps, hangsUp, type Outcome } from "./outcome.ts";
import { type RepositoryPair, unlessDied } from "./repository-pair.ts";
import type { Plays } from "./run-plays.ts";

/** A model that failed keeps a server from being ready for good, so that readiness says nothing more: both start afresh. */
const PLAYS_BETWEEN_RESTARTS = 40;
/** Counters follow an answer by a moment: a state that is not the same is looked at again. */
const LOOKS = 10;
const PAUSE_MS = 20;

const pause = (): Promise<void> => sleep(PAUSE_MS);

const generators = { sequences: generateSequence, configurations: generateConfiguration };

/** Loads, unloads and inferences of models, whose answers and repository are compared after each step. */
export const sequencePlays = (pair: RepositoryPair, name: keyof typeof generators): Plays<Sequence> => {
  const stage = new SequenceStage(pair);
  return {
    name,
    make: generators[name],
    play: (sequence) => stage.play(sequence),
    simpler: shorterSequences,
    text: sequenceText,
    // Of a configuration it is the file that explains.
    stepText: name === "sequences" ? ({ steps }, at) => stepText(steps[at] ?? [], at) : null,
    atOnce: 1,
    shrinkLimit: name === "sequences" ? 60 : 150,
  };
};

class SequenceStage {
  readonly #pair: RepositoryPair;
  #plays = 0;

  constructor(pair: RepositoryPair) {
    this.#pair = pair;
  }

  async play(sequence: Sequence): Promise<Outcome> {
    if (++this.#plays % PLAYS_BETWEEN_RESTARTS === 0) await this.#pair.restart();
    return await unlessDied(this.#pair, await this.#playOnBoth(sequence));
  }

  async #playOnBoth(sequence: Sequence): Promise<Outcome> {
    const { ours, theirs, repositories, tolerance } = this.#pair;
    const prefix = `s${this.#plays}_`;
    const [a, b] = [
      { path: repositories.ours, prefix },
      { path: repositories.theirs, prefix },
    ];
    layOutSequence(sequence, a);
    layOutSequence(sequence, b);
    const told: StepTold[] = [];
    try {
      for (const [at, step] of sequence.steps.entries()) {
        const play = (side: Side, folder: PlayFolder): Promise<StepTold> =>
          playStep(step, at, sequence, side, folder, pause);
        let [x, y] = await Promise.all([play(ours, a), play(theirs, b)]);
        for (let looks = 0; looks < LOOKS && differenceOfStates(x, y, tolerance) !== null; looks++) {
          await pause();
          const look = async (before: StepTold, side: Side, folder: PlayFolder): Promise<StepTold> => ({
            ...before,
            state: await stateOf(at, sequence, side, folder),
          });
          [x, y] = await Promise.all([look(x, ours, a), look(y, theirs, b)]);
        }
        told.push(x);
        const difference = differenceOfSteps(x, y, tolerance);
        if (difference === null) continue;
        // Where operations met, the real server might as well have come to what ours did.
        const onTheirs = (candidate: Sequence): Promise<StepTold[]> => this.#playOnTheirs(candidate);
        const met = step.length > 1 && !hangsUp(difference);
        if (met && (await isAnotherOutcome(sequence, told, onTheirs, tolerance)))
          return { kind: "agree", otherOrder: true };
        return difference;
      }
      return { kind: "agree", otherOrder: false };
    } finally {
      await Promise.all([clearSequence(sequence, ours, a, pause), clearSequence(sequence, theirs, b, pause)]);
    }
  }

  async #playOnTheirs(sequence: Sequence): Promise<StepTold[]> {
    const { theirs, repositories } = this.#pair;
    const folder = { path: repositories.theirs, prefix: `o${++this.#plays}_` };
    layOutSequence(sequence, folder);
    const told: StepTold[] = [];
    for (const [at, step] of sequence.steps.entries())
      told.push(await playStep(step, at, sequence, theirs, folder, pause));
    await clearSequence(sequence, theirs, folder, pause);
    return told;
  }
}
