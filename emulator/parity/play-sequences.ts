import { type AcceptedDifference, acceptedBy } from "./difference/accepted-differences.ts";
import { compareAnswers, describeAnswer } from "./difference/compare-answers.ts";
import type { Divergence } from "./difference/compare-json.ts";
import { type Finding, keyOf } from "./difference/finding.ts";
import { isOneOfTheOrders } from "./difference/orders.ts";
import { smallestSequence } from "./difference/shrink-sequence.ts";
import type { Pair } from "./pair.ts";
import { Chance } from "./traffic/chance.ts";
import type { Side } from "./traffic/send.ts";
import {
  clearSequence,
  layOutSequence,
  playStep,
  type SequenceFolder,
  type StepTold,
  stateOf,
} from "./traffic/sequences/play.ts";
import { type Sequence, sequenceText } from "./traffic/sequences/sequence.ts";

export interface SequencesOptions {
  readonly seed: number;
  readonly count: number;
  /** Only this sequence of the run; null = all. */
  readonly only: number | null;
  readonly accepted: readonly AcceptedDifference[];
  /** Sequences that a shrinker may play for one difference. */
  readonly shrinkLimit: number;
  readonly onProgress: (done: number, findings: number) => void;
  readonly onFinding: (finding: Finding) => void;
  /** Waits a moment. */
  readonly pause: () => Promise<void>;
}

export interface GeneratedSequences extends SequencesOptions {
  /** What a finding calls them. */
  readonly surface: "sequences" | "configurations";
  readonly make: (chance: Chance) => Sequence;
}

export interface SequencesResult {
  agree: number;
  /** Of these, those in which operations of one step came out in another order. */
  otherOrder: number;
  differ: number;
  accepted: number;
  /** The real server died each time. */
  notComparable: number;
  /** Steps played, in all sequences. */
  steps: number;
  /** How often the real server lost a race of its own and was started anew. */
  deaths: number;
  readonly findings: readonly Finding[];
}

/** What one play of a sequence on both servers showed. */
type Outcome =
  | { readonly kind: "agree"; readonly otherOrder: boolean }
  | { readonly kind: "died" }
  | {
      readonly kind: "differ";
      readonly at: number;
      readonly what: string;
      /** Not an answer to an operation, but what the repository looked like after it. */
      readonly isState: boolean;
      readonly divergences: readonly Divergence[];
      readonly ours: string;
      readonly theirs: string;
    };

const TRIES = 5;
/** Counters follow an answer by a moment: a state that is not the same is looked at again. */
const LOOKS = 10;
/** A model that failed keeps a server from being ready for good, so that readiness says nothing more: both start afresh. */
const PLAYS_BETWEEN_RESTARTS = 40;

/** Plays generated sequences on both servers, and compares answers and the state of the repository after each step. */
export const playSequences = (pair: SequencePair, options: GeneratedSequences): Promise<SequencesResult> =>
  new SequencePlayer(pair, options).run();

/** Both with the path of the repository that they serve. */
export interface SequencePair extends Pair {
  readonly repositories: { readonly ours: string; readonly theirs: string };
}

class SequencePlayer {
  readonly #pair: SequencePair;
  readonly #options: GeneratedSequences;
  readonly #findings = new Map<string, Finding>();
  readonly #result: Omit<SequencesResult, "findings"> = {
    agree: 0,
    otherOrder: 0,
    differ: 0,
    accepted: 0,
    notComparable: 0,
    steps: 0,
    deaths: 0,
  };
  #plays = 0;

  constructor(pair: SequencePair, options: GeneratedSequences) {
    this.#pair = pair;
    this.#options = options;
  }

  async run(): Promise<SequencesResult> {
    const { make, seed, count, only, onProgress } = this.#options;
    const numbers = only === null ? Array.from({ length: count }, (_, number) => number) : [only];
    for (const [done, number] of numbers.entries()) {
      const sequence = make(new Chance(seed, number));
      await this.#one(number, sequence);
      this.#result.steps += sequence.steps.length;
      onProgress(done + 1, this.#findings.size);
    }
    return { ...this.#result, findings: [...this.#findings.values()] };
  }

  async #one(number: number, sequence: Sequence): Promise<void> {
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

  async #record(number: number, sequence: Sequence, outcome: Outcome & { kind: "differ" }): Promise<Finding> {
    const keyOfOutcome = ({ what, divergences }: Outcome & { kind: "differ" }): string =>
      `${what.replace(/ with .*/s, "").replace(/\d+/g, "#")}: ${keyOf(divergences)}`;
    const key = keyOfOutcome(outcome);
    const known = this.#findings.get(key);
    if (known !== undefined) {
      known.count++;
      return known;
    }
    let last = outcome;
    const same = async (candidate: Sequence): Promise<boolean> => {
      const played = await this.#play(candidate);
      if (played.kind !== "differ" || keyOfOutcome(played) !== key) return false;
      last = played;
      return true;
    };
    const again = await same(sequence);
    const smallest = again ? await smallestSequence(sequence, same, this.#options.shrinkLimit) : sequence;
    const command = sequenceText(smallest);
    const { surface } = this.#options;
    const accepted = acceptedBy(
      this.#options.accepted,
      surface,
      `${last.what}\n${command}`,
      last.divergences,
    );
    const finding: Finding = {
      surface,
      key,
      first: `${surface}:${number}`,
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

  /** Repeated on a fresh real server where that loses a race of its own. */
  async #play(sequence: Sequence): Promise<Outcome> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#pair.own && ++this.#plays % PLAYS_BETWEEN_RESTARTS === 0) await this.#pair.restart();
      const outcome = await this.#playOnce(sequence);
      if (!(await this.#died())) return outcome;
      this.#result.deaths++;
      await this.#pair.restart();
    }
    return { kind: "died" };
  }

  async #died(): Promise<boolean> {
    const dead = this.#pair.dead();
    if (dead?.side === "ours") throw new Error(`our server ended with code ${dead.code}`);
    return dead !== null;
  }

  async #playOnce(sequence: Sequence): Promise<Outcome> {
    const { ours, theirs, repositories } = this.#pair;
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
        const play = (side: Side, folder: SequenceFolder): Promise<StepTold> =>
          playStep(step, at, sequence, side, folder, this.#options.pause);
        let [x, y] = await Promise.all([play(ours, a), play(theirs, b)]);
        let outcome = this.#compare(x, y);
        for (let looks = 0; outcome?.isState === true && looks < LOOKS; looks++) {
          await this.#options.pause();
          const look = async (told: StepTold, side: Side, folder: SequenceFolder): Promise<StepTold> => ({
            ...told,
            state: await stateOf(at, sequence, side, folder),
          });
          [x, y] = await Promise.all([look(x, ours, a), look(y, theirs, b)]);
          outcome = this.#compare(x, y);
        }
        told.push(x);
        if (outcome === null) continue;
        if (await this.#hangsUp(outcome)) return { kind: "died" };
        // Where operations met, the real server might as well have come to what ours did.
        if (step.length > 1 && (await this.#isAnotherOutcome(sequence, told)))
          return { kind: "agree", otherOrder: true };
        return outcome;
      }
      return { kind: "agree", otherOrder: false };
    } finally {
      await Promise.all([
        clearSequence(sequence, ours, a, this.#options.pause),
        clearSequence(sequence, theirs, b, this.#options.pause),
      ]);
    }
  }

  /** A connection that ends without an answer comes before the end of the process is known. */
  async #hangsUp(outcome: Outcome & { kind: "differ" }): Promise<boolean> {
    if (!outcome.divergences.some(({ where }) => where === "connection")) return false;
    for (let tries = 0; tries < 40 && this.#pair.dead() === null; tries++) await this.#options.pause();
    return this.#pair.dead() !== null;
  }

  #compare(ours: StepTold, theirs: StepTold): (Outcome & { kind: "differ" }) | null {
    const { tolerance } = this.#pair;
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
            isState: part === "state",
            divergences,
            ours: describeAnswer(own.answer),
            theirs: describeAnswer(told.answer),
          };
      }
    return null;
  }

  /** Whether the real server, asked again, comes to what ours did: in some order of the step, or as all meet once more. */
  async #isAnotherOutcome(sequence: Sequence, ours: readonly StepTold[]): Promise<boolean> {
    const at = ours.length - 1;
    if (await isOneOfTheOrders(sequence, at, (candidate, order) => this.#comesOut(candidate, order, ours)))
      return true;
    const upToHere = { ...sequence, steps: sequence.steps.slice(0, at + 1) };
    for (let tries = 0; tries < TRIES; tries++) if (await this.#comesOut(upToHere, null, ours)) return true;
    return false;
  }

  /** @param order of the operations of the last step of ours, one after the other; null = at the same time */
  async #comesOut(
    candidate: Sequence,
    order: readonly number[] | null,
    ours: readonly StepTold[],
  ): Promise<boolean> {
    const at = ours.length - 1;
    // Again where an earlier step, in which operations met, comes out otherwise than it did.
    for (let tries = 0; tries < TRIES; tries++) {
      const told = await this.#playOnTheirs(candidate);
      const state = told.at(-1)?.state;
      const own = ours[at];
      if (state === undefined || own === undefined) return false;
      const operations = told.slice(at).flatMap((step) => step.operations);
      const inPlace = order === null ? operations : order.map((_, index) => operations[order.indexOf(index)]);
      const found = { operations: inPlace.filter((one) => one !== undefined), state };
      if (this.#compare(own, found) === null) return true;
      const isSame = (step: StepTold, index: number): boolean =>
        ours[index] === undefined || this.#compare(ours[index], step) === null;
      if (told.slice(0, at).every(isSame)) return false;
    }
    return false;
  }

  async #playOnTheirs(sequence: Sequence): Promise<StepTold[]> {
    const { theirs, repositories } = this.#pair;
    const folder = { path: repositories.theirs, prefix: `o${++this.#plays}_` };
    layOutSequence(sequence, folder);
    const told: StepTold[] = [];
    for (const [index, step] of sequence.steps.entries())
      told.push(await playStep(step, index, sequence, theirs, folder, this.#options.pause));
    await clearSequence(sequence, theirs, folder, this.#options.pause);
    return told;
  }
}
