import { type AcceptedDifference, acceptedBy } from "./difference/accepted-differences.ts";
import { compareAnswers, describeAnswer } from "./difference/compare-answers.ts";
import type { Divergence } from "./difference/compare-json.ts";
import { type Finding, keyOf } from "./difference/finding.ts";
import { smallestDialogue } from "./difference/shrink-dialogue.ts";
import type { SequencePair } from "./play-sequences.ts";
import { Chance } from "./traffic/chance.ts";
import { type Dialogue, dialogueText } from "./traffic/dialogues/dialogue.ts";
import { generateDialogue } from "./traffic/dialogues/generate.ts";
import {
  clearDialogue,
  type DialogueFolder,
  isStuck,
  layOutDialogue,
  playDialogue,
  stateOf,
  type Told,
} from "./traffic/dialogues/play.ts";

export interface DialoguesOptions {
  readonly seed: number;
  readonly count: number;
  /** Only this dialogue of the run; null = all. */
  readonly only: number | null;
  readonly accepted: readonly AcceptedDifference[];
  /** Dialogues that a shrinker may play for one difference. */
  readonly shrinkLimit: number;
  readonly onProgress: (done: number, findings: number) => void;
  readonly onFinding: (finding: Finding) => void;
  readonly rest: (milliseconds: number) => Promise<void>;
}

export interface DialoguesResult {
  agree: number;
  differ: number;
  accepted: number;
  /** The real server died each time. */
  notComparable: number;
  /** How often the real server died and was started anew. */
  deaths: number;
  readonly findings: readonly Finding[];
}

type Outcome = { readonly kind: "agree" } | { readonly kind: "died" } | Difference;

interface Difference {
  readonly kind: "differ";
  readonly at: number;
  readonly what: string;
  readonly divergences: readonly Divergence[];
  readonly ours: string;
  readonly theirs: string;
}

const TRIES = 3;
/** A model that failed stays in the index for good. */
const PLAYS_BETWEEN_RESTARTS = 60;
/** Counters follow an answer by a moment. */
const LOOKS = 25;
const BETWEEN_LOOKS_MS = 20;

/** Plays generated dialogues on both servers; compares answers, then statistics, counters and the repository. */
export const playDialogues = (pair: SequencePair, options: DialoguesOptions): Promise<DialoguesResult> =>
  new DialoguePlayer(pair, options).run();

class DialoguePlayer {
  readonly #pair: SequencePair;
  readonly #options: DialoguesOptions;
  readonly #findings = new Map<string, Finding>();
  readonly #result: Omit<DialoguesResult, "findings"> = {
    agree: 0,
    differ: 0,
    accepted: 0,
    notComparable: 0,
    deaths: 0,
  };
  #plays = 0;

  constructor(pair: SequencePair, options: DialoguesOptions) {
    this.#pair = pair;
    this.#options = options;
  }

  async run(): Promise<DialoguesResult> {
    const { seed, count, only, onProgress } = this.#options;
    const numbers = only === null ? Array.from({ length: count }, (_, number) => number) : [only];
    for (const [done, number] of numbers.entries()) {
      await this.#one(number, generateDialogue(new Chance(seed, number)));
      onProgress(done + 1, this.#findings.size);
    }
    return { ...this.#result, findings: [...this.#findings.values()] };
  }

  async #one(number: number, dialogue: Dialogue): Promise<void> {
    const outcome = await this.#play(dialogue);
    switch (outcome.kind) {
      case "agree":
        this.#result.agree++;
        return;
      case "died":
        this.#result.notComparable++;
        return;
      case "differ": {
        this.#result.differ++;
        const finding = await this.#record(number, dialogue, outcome);
        if (finding.accepted !== null) this.#result.accepted++;
      }
    }
  }

  async #record(number: number, dialogue: Dialogue, outcome: Difference): Promise<Finding> {
    const keyOfOutcome = ({ what, divergences }: Difference): string =>
      `${what.replace(/\d+/g, "#")}: ${keyOf(divergences)}`;
    const key = keyOfOutcome(outcome);
    const known = this.#findings.get(key);
    if (known !== undefined) {
      known.count++;
      return known;
    }
    let last = outcome;
    const same = async (candidate: Dialogue): Promise<boolean> => {
      const played = await this.#play(candidate);
      if (played.kind !== "differ" || keyOfOutcome(played) !== key) return false;
      last = played;
      return true;
    };
    const again = await same(dialogue);
    const smallest = again ? await smallestDialogue(dialogue, same, this.#options.shrinkLimit) : dialogue;
    const command = dialogueText(smallest);
    const { what, at, divergences, ours, theirs } = last;
    const accepted = acceptedBy(this.#options.accepted, "dialogues", `${what}\n${command}`, divergences);
    const finding: Finding = {
      surface: "dialogues",
      key,
      first: `dialogues:${number}`,
      count: 1,
      command: `${command}\ndiffers after step ${at}, in ${what}`,
      ours,
      theirs,
      divergences,
      again,
      accepted: accepted?.name ?? null,
    };
    this.#findings.set(key, finding);
    this.#options.onFinding(finding);
    return finding;
  }

  /** Repeated on a fresh real server where that died. */
  async #play(dialogue: Dialogue): Promise<Outcome> {
    for (let tries = 0; tries < TRIES; tries++) {
      if (this.#pair.own && ++this.#plays % PLAYS_BETWEEN_RESTARTS === 0) await this.#pair.restart();
      const outcome = await this.#playOnce(dialogue);
      if (outcome.kind === "differ" && outcome.divergences.some(({ where }) => where === "connection"))
        for (let look = 0; look < LOOKS && this.#pair.dead() === null; look++)
          await this.#options.rest(BETWEEN_LOOKS_MS);
      const dead = this.#pair.dead();
      if (dead?.side === "ours") throw new Error(`our server ended with code ${dead.code}`);
      if (dead === null) return outcome;
      this.#result.deaths++;
      await this.#pair.restart();
    }
    return { kind: "died" };
  }

  async #playOnce(dialogue: Dialogue): Promise<Outcome> {
    const { ours, theirs, repositories } = this.#pair;
    const { rest } = this.#options;
    const prefix = `d${this.#plays}_`;
    const folders: readonly [DialogueFolder, DialogueFolder] = [
      { path: repositories.ours, prefix },
      { path: repositories.theirs, prefix },
    ];
    const [a, b] = folders;
    for (const folder of folders) layOutDialogue(dialogue, folder);
    const onBoth = <T>(what: (side: typeof ours, folder: DialogueFolder) => Promise<T>): Promise<[T, T]> =>
      Promise.all([what(ours, a), what(theirs, b)]);
    let isLeftStuck = false;
    try {
      const [x, y] = await onBoth((side, folder) => playDialogue(dialogue, side, folder, rest));
      isLeftStuck = isStuck(x) || isStuck(y);
      const difference = this.#compare(x, y);
      if (difference !== null || this.#pair.dead() !== null) return difference ?? { kind: "died" };
      for (let look = 0; ; look++) {
        const at = dialogue.steps.length - 1;
        const [after, theirsAfter] = await onBoth((side, folder) => stateOf(dialogue, side, folder, at));
        const left = this.#compare(after, theirsAfter);
        if (left === null) return { kind: "agree" };
        if (look === LOOKS) return left;
        await rest(BETWEEN_LOOKS_MS);
      }
    } finally {
      if (isLeftStuck) await this.#pair.restart();
      await onBoth((side, folder) => clearDialogue(dialogue, side, folder));
    }
  }

  #compare(ours: readonly Told[], theirs: readonly Told[]): Difference | null {
    const { tolerance } = this.#pair;
    for (const [index, told] of theirs.entries()) {
      const own = ours[index];
      if (own === undefined) continue;
      const { divergences } = compareAnswers(own.answer, told.answer, { tolerance });
      if (divergences.length > 0)
        return {
          kind: "differ",
          at: told.at,
          what: told.what,
          divergences,
          ours: describeAnswer(own.answer),
          theirs: describeAnswer(told.answer),
        };
    }
    return null;
  }
}
