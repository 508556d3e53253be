import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { acceptedBy } from "./difference/accepted-differences.ts";
import { compareAnswers, describeAnswer } from "./difference/compare-answers.ts";
import type { Divergence } from "./difference/compare-json.ts";
import { type Finding, keyOf } from "./difference/finding.ts";
import { isOneOfTheOrders } from "./difference/orders.ts";
import { smallestContainerSequence } from "./difference/shrink-container-sequence.ts";
import type { SequencesOptions, SequencesResult } from "./play-sequences.ts";
import { StartedSide } from "./started-pair.ts";
import type { Target } from "./targets/target.ts";
import { Chance } from "./traffic/chance.ts";
import { generateContainerSequence } from "./traffic/container-sequences/generate.ts";
import {
  contentOfContainer,
  LEFT_OUT,
  playContainerStep,
  stateOfContainer,
} from "./traffic/container-sequences/play.ts";
import {
  type ContainerSequence,
  containerSequenceText,
  operationText,
} from "./traffic/container-sequences/sequence.ts";
import type { StepTold } from "./traffic/sequences/play.ts";

export interface ContainerServers {
  readonly ours: Target;
  readonly theirs: Target;
  readonly tolerance: number;
}

export const CONTAINER_SEQUENCES = "container-sequences";

/** What one play of a sequence on both servers showed. */
type Outcome =
  | { readonly kind: "agree"; readonly otherOrder: boolean }
  | { readonly kind: "died" }
  | {
      readonly kind: "differ";
      readonly at: number;
      readonly what: string;
      readonly divergences: readonly Divergence[];
      readonly ours: string;
      readonly theirs: string;
    };

const TRIES = 4;
/** Most of the time a server waits half a second for an unload. */
const AT_ONCE = 3;
const SETTLED_AFTER = 5;

/**
 * Plays generated sequences of the container API, each on two servers of its own, and compares answers and the state
 * after each step.
 */
export const playContainerSequences = (
  servers: ContainerServers,
  options: SequencesOptions,
): Promise<SequencesResult> => new ContainerSequencePlayer(servers, options).run();

class ContainerSequencePlayer {
  readonly #servers: ContainerServers;
  readonly #options: SequencesOptions;
  readonly #findings = new Map<string, Finding>();
  readonly #result = {
    agree: 0,
    otherOrder: 0,
    differ: 0,
    accepted: 0,
    notComparable: 0,
    steps: 0,
    deaths: 0,
  };

  constructor(servers: ContainerServers, options: SequencesOptions) {
    this.#servers = servers;
    this.#options = options;
  }

  async run(): Promise<SequencesResult> {
    const { seed, count, only, onProgress } = this.#options;
    const numbers = only === null ? Array.from({ length: count }, (_, number) => number) : [only];
    const left = numbers.values();
    let done = 0;
    const lane = async (): Promise<void> => {
      for (const number of left) {
        const sequence = generateContainerSequence(new Chance(seed, number));
        await this.#one(number, sequence);
        this.#result.steps += sequence.steps.length;
        onProgress(++done, this.#findings.size);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    return { ...this.#result, findings: [...this.#findings.values()] };
  }

  async #one(number: number, sequence: ContainerSequence): Promise<void> {
    const outcome = await this.#play(sequence);
    switch (outcome.kind) {
      case "agree":
        this.#result.agree++;
        if (outcome.otherOrder) this.#result.otherOrder++;
        return;
      case "died":
        this.#result.notComparable++;
        return;
      case "differ": {
        this.#result.differ++;
        const finding = await this.#record(number, sequence, outcome);
        if (finding.accepted !== null) this.#result.accepted++;
      }
    }
  }

  async #record(
    number: number,
    sequence: ContainerSequence,
    outcome: Outcome & { kind: "differ" },
  ): Promise<Finding> {
    const keyOfOutcome = ({ what, divergences }: Outcome & { kind: "differ" }): string =>
      `${what.replace(/ '.*/s, "").replace(/\d+/g, "#")}: ${keyOf(divergences)}`;
    const key = keyOfOutcome(outcome);
    const known = this.#findings.get(key);
    if (known !== undefined) {
      known.count++;
      return known;
    }
    const acceptedIn = (played: ContainerSequence, { at, what, divergences }: typeof outcome) => {
      const step = (played.steps[at] ?? []).map(operationText).join("  ||  ");
      return acceptedBy(this.#options.accepted, CONTAINER_SEQUENCES, `${what}\n${step}`, divergences);
    };
    let last = outcome;
    const same = async (candidate: ContainerSequence): Promise<boolean> => {
      const played = await this.#play(candidate);
      if (played.kind !== "differ" || keyOfOutcome(played) !== key) return false;
      last = played;
      return true;
    };
    let accepted = acceptedIn(sequence, outcome);
    const again = accepted !== null || (await same(sequence));
    // What is known need not be shrunk, which takes long where operations met.
    const smallest =
      again && accepted === null
        ? await smallestContainerSequence(sequence, same, this.#options.shrinkLimit)
        : sequence;
    accepted ??= acceptedIn(smallest, last);
    const command = containerSequenceText(smallest);
    const finding: Finding = {
      surface: CONTAINER_SEQUENCES,
      key,
      first: `${CONTAINER_SEQUENCES}:${number}`,
      count: 1,
      command: `${command}\ndiffers after step ${last.at}, in ${last.what}`,
      ours: last.ours,
      theirs: last.theirs,
      divergences: last.divergences,
      again,
      accepted: accepted?.name ?? null,
    };
    this.#findings.set(key, finding);
    this.#options.onFinding(finding);
    return finding;
  }

  /** Repeated where the real server loses a race of its own, or waits for 350 s. */
  async #play(sequence: ContainerSequence): Promise<Outcome> {
    for (let tries = 0; tries < TRIES; tries++) {
      const outcome = await this.#playOnce(sequence);
      if (outcome.kind !== "died") return outcome;
      this.#result.deaths++;
    }
    return { kind: "died" };
  }

  async #playOnce(sequence: ContainerSequence): Promise<Outcome> {
    await using sides = await ContainerSides.start(this.#servers, sequence, ["ours", "real"]);
    const [a, b] = sides.all;
    if (a === undefined || b === undefined) return { kind: "died" };
    const told: StepTold[] = [];
    for (const [at, step] of sequence.steps.entries()) {
      const play = ({ side }: StartedSide): Promise<StepTold> =>
        playContainerStep(step, at, sequence, side, this.#options.pause);
      const [x, y] = await Promise.all([play(a), play(b)]);
      const [ours, theirs] = await this.#settled(x, y, sequence, at, a, b);
      told.push(ours);
      const outcome = this.#compare(ours, theirs);
      if (outcome === null) continue;
      if (isSilent(theirs)) return { kind: "died" };
      // Where operations met, the real server might as well have come to what ours did.
      if (step.length > 1 && (await this.#isAnotherOutcome(sequence, told)))
        return { kind: "agree", otherOrder: true };
      return outcome;
    }
    return { kind: "agree", otherOrder: false };
  }

  /** Members of an ensemble may still be going when its unload is answered; no index shows them any more. */
  async #settled(
    ours: StepTold,
    theirs: StepTold,
    sequence: ContainerSequence,
    at: number,
    a: StartedSide,
    b: StartedSide,
  ): Promise<[StepTold, StepTold]> {
    let [x, y] = [ours, theirs];
    const alike = (): boolean => this.#compare({ ...x, operations: [] }, { ...y, operations: [] }) === null;
    for (let tries = 0; tries < SETTLED_AFTER && !alike(); tries++) {
      await this.#options.pause();
      const state = ({ side }: StartedSide) => stateOfContainer(at, sequence, side);
      const [own, other] = await Promise.all([state(a), state(b)]);
      x = { ...x, state: own };
      y = { ...y, state: other };
    }
    return [x, y];
  }

  #compare(ours: StepTold, theirs: StepTold): (Outcome & { kind: "differ" }) | null {
    const { tolerance } = this.#servers;
    for (const part of ["operations", "state"] as const)
      for (const [index, told] of theirs[part].entries()) {
        const own = ours[part][index];
        if (own === undefined) continue;
        const { divergences } = compareAnswers(own.answer, told.answer, { tolerance });
        if (divergences.length > 0)
          return {
            kind: "differ",
            at: told.at,
            what: part === "state" ? `state: ${told.what}` : told.what,
            divergences,
            ours: describeAnswer(own.answer),
            theirs: describeAnswer(told.answer),
          };
      }
    return null;
  }

  /** Whether the real server, asked again, comes to what ours did: in some order of the step, or as all meet once more. */
  async #isAnotherOutcome(sequence: ContainerSequence, ours: readonly StepTold[]): Promise<boolean> {
    const at = ours.length - 1;
    const upToHere = { ...sequence, steps: sequence.steps.slice(0, at + 1) };
    const inOrder = await isOneOfTheOrders(upToHere, at, (candidate, order) =>
      this.#comesOut(candidate, order, ours),
    );
    if (inOrder) return true;
    for (let tries = 0; tries < TRIES; tries++) if (await this.#comesOut(upToHere, null, ours)) return true;
    return false;
  }

  /** @param order of the operations of the last step of ours, one after the other; null = at the same time */
  async #comesOut(
    candidate: ContainerSequence,
    order: readonly number[] | null,
    ours: readonly StepTold[],
  ): Promise<boolean> {
    const at = ours.length - 1;
    const own = ours[at];
    if (own === undefined) return false;
    await using sides = await ContainerSides.start(this.#servers, candidate, ["real"]);
    const [theirs] = sides.all;
    if (theirs === undefined) return false;
    const told: StepTold[] = [];
    for (const [index, step] of candidate.steps.entries())
      told.push(await playContainerStep(step, index, candidate, theirs.side, this.#options.pause));
    const operations = told.slice(at).flatMap((step) => step.operations);
    const inPlace = order === null ? operations : order.map((_, index) => operations[order.indexOf(index)]);
    const found = {
      operations: inPlace.filter((one) => one !== undefined),
      state: told.at(-1)?.state ?? [],
    };
    return this.#compare(own, found) === null;
  }
}

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
