import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { shorterContainerSequences } from "../difference/shrink-container-sequence.ts";
import { StartedSide } from "../started-pair.ts";
import type { Target } from "../targets/target.ts";
import { generateContainerSequence } from "../traffic/container-sequences/generate.ts";
import {
  contentOfContainer,
  LEFT_OUT,
  playContainerStep,
  stateOfContainer,
} from "../traffic/container-sequences/play.ts";
import {
  type ContainerSequence,
  containerSequenceText,
  stepText,
} from "../traffic/container-sequences/sequence.ts";
import type { StepTold } from "../traffic/told.ts";
import { isAnotherOutcome } from "./other-outcomes.ts";
import { differenceOfStates, differenceOfSteps, type Outcome } from "./outcome.ts";
import type { Plays } from "./run-plays.ts";

export interface ContainerServers {
  readonly ours: Target;
  readonly theirs: Target;
  readonly tolerance: number;
}

/** Most of the time a server waits half a second for an unload. */
const AT_ONCE = 3;
/** Members of an ensemble may still be going when its unload is answered; no index shows them any more. */
const LOOKS = 5;
const PAUSE_MS = 20;

const pause = (): Promise<void> => sleep(PAUSE_MS);

/** What the platform does to a container, each on two servers of its own; answers and state are compared after each step. */
export const containerSequencePlays = (servers: ContainerServers): Plays<ContainerSequence> => ({
  name: "container-sequences",
  make: generateContainerSequence,
  play: (sequence) => playOnBoth(servers, sequence),
  simpler: shorterContainerSequences,
  text: containerSequenceText,
  stepText: ({ steps }, at) => stepText(steps[at] ?? [], at),
  atOnce: AT_ONCE,
  shrinkLimit: 60,
});

const playOnBoth = async (servers: ContainerServers, sequence: ContainerSequence): Promise<Outcome> => {
  const { tolerance } = servers;
  await using sides = await ContainerSides.start(servers, sequence, ["ours", "real"]);
  const [a, b] = sides.all;
  if (a === undefined || b === undefined) return { kind: "died" };
  const told: StepTold[] = [];
  for (const [at, step] of sequence.steps.entries()) {
    const play = ({ side }: StartedSide): Promise<StepTold> =>
      playContainerStep(step, at, sequence, side, pause);
    let [x, y] = await Promise.all([play(a), play(b)]);
    for (let looks = 0; looks < LOOKS && differenceOfStates(x, y, tolerance) !== null; looks++) {
      await pause();
      const look = async (before: StepTold, { side }: StartedSide): Promise<StepTold> => ({
        ...before,
        state: await stateOfContainer(at, sequence, side),
      });
      [x, y] = await Promise.all([look(x, a), look(y, b)]);
    }
    told.push(x);
    const difference = differenceOfSteps(x, y, tolerance);
    if (difference === null) continue;
    if (isSilent(y)) return { kind: "died" };
    // Where operations met, the real server might as well have come to what ours did.
    const onTheirs = (candidate: ContainerSequence): Promise<StepTold[]> => playOnTheirs(servers, candidate);
    if (step.length > 1 && (await isAnotherOutcome(sequence, told, onTheirs, tolerance)))
      return { kind: "agree", otherOrder: true };
    return difference;
  }
  return { kind: "agree", otherOrder: false };
};

const playOnTheirs = async (servers: ContainerServers, sequence: ContainerSequence): Promise<StepTold[]> => {
  await using sides = await ContainerSides.start(servers, sequence, ["real"]);
  const told: StepTold[] = [];
  for (const { side } of sides.all)
    for (const [at, step] of sequence.steps.entries())
      told.push(await playContainerStep(step, at, sequence, side, pause));
  return told;
};

/** It has ended, or does not answer in time. */
const isSilent = ({ operations, state }: StepTold): boolean =>
  [...operations, ...state].some(({ answer }) => answer.kind === "connection" && answer !== LEFT_OUT);

/** Servers that play one sequence, each with its own archives. */
class ContainerSides implements AsyncDisposable {
  readonly all: readonly StartedSide[];
  readonly #folder: string;

  private constructor(folder: string, all: readonly StartedSide[]) {
    this.#folder = folder;
    this.all = all;
  }

  static async start(
    { ours, theirs }: ContainerServers,
    sequence: ContainerSequence,
    which: readonly ("ours" | "real")[],
  ): Promise<ContainerSides> {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), "parity-")));
    const content = contentOfContainer(sequence);
    // Paths of one length: a text in which one stands is as long on both sides.
    const all = which.map(
      (name) => new StartedSide(name === "ours" ? ours : theirs, content, join(folder, name)),
    );
    const sides = new ContainerSides(folder, all);
    try {
      await Promise.all(all.map((side) => side.start()));
      return sides;
    } catch (error) {
      await sides[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((side) => side.stop()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
