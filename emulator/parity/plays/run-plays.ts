import { type AcceptedDifference, acceptedBy } from "../difference/accepted-differences.ts";
import { type Finding, keyOf } from "../difference/finding.ts";
import { smallest } from "../difference/smallest.ts";
import { Chance } from "../traffic/chance.ts";
import type { PlaysName } from "./kinds.ts";
import type { Difference, Outcome } from "./outcome.ts";

/** Stories that are made from a seed, and played on both servers from their beginning to their end. */
export interface Plays<S> {
  readonly name: PlaysName;
  readonly make: (chance: Chance) => S;
  /** On both servers; one that died meanwhile is started anew. */
  readonly play: (story: S) => Promise<Outcome>;
  /** Candidates a step simpler, the boldest first. */
  readonly simpler: (story: S) => Iterable<S>;
  readonly text: (story: S) => string;
  /** The step alone tells whether a difference is a known one; null = all of the story does, once it is small. */
  readonly stepText: ((story: S, at: number) => string) | null;
  /** How many are played at the same time. */
  readonly atOnce: number;
  /** Plays that a shrinker may have for one difference. */
  readonly shrinkLimit: number;
}

export interface PlaysOptions {
  readonly seed: number;
  readonly count: number;
  /** Only this one of the run; null = all. */
  readonly only: number | null;
  readonly accepted: readonly AcceptedDifference[];
  readonly onProgress: (done: number, findings: number) => void;
  readonly onFinding: (finding: Finding) => void;
}

export interface PlaysResult {
  agree: number;
  /** Of these, those in which operations of one step came out in another order. */
  otherOrder: number;
  differ: number;
  /** Of these, covered by accepted-differences.json. */
  accepted: number;
  /** The real server died each time. */
  notComparable: number;
  /** How often the real server died of a race of its own. */
  deaths: number;
  readonly findings: readonly Finding[];
}

const TRIES = 5;

/** Makes and plays them, and shrinks what is not the same on both servers. */
export const runPlays = <S>(plays: Plays<S>, options: PlaysOptions): Promise<PlaysResult> =>
  new PlaysRun(plays, options).run();

class PlaysRun<S> {
  readonly #plays: Plays<S>;
  readonly #options: PlaysOptions;
  readonly #findings = new Map<string, Finding>();
  readonly #result: Omit<PlaysResult, "findings"> = {
    agree: 0,
    otherOrder: 0,
    differ: 0,
    accepted: 0,
    notComparable: 0,
    deaths: 0,
  };

  constructor(plays: Plays<S>, options: PlaysOptions) {
    this.#plays = plays;
    this.#options = options;
  }

  async run(): Promise<PlaysResult> {
    const { seed, count, only, onProgress } = this.#options;
    const numbers = only === null ? Array.from({ length: count }, (_, number) => number) : [only];
    const left = numbers.values();
    let done = 0;
    const lane = async (): Promise<void> => {
      for (const number of left) {
        await this.#one(number, this.#plays.make(new Chance(seed, number)));
        onProgress(++done, this.#findings.size);
      }
    };
    await Promise.all(Array.from({ length: this.#plays.atOnce }, lane));
    return { ...this.#result, findings: [...this.#findings.values()] };
  }

  async #one(number: number, story: S): Promise<void> {
    const outcome = await this.#play(story);
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
        const finding = await this.#record(number, story, outcome);
        if (finding.accepted !== null) this.#result.accepted++;
      }
    }
  }

  /** Again where the real server loses a race of its own. */
  async #play(story: S): Promise<Outcome> {
    for (let tries = 0; tries < TRIES; tries++) {
      const outcome = await this.#plays.play(story);
      if (outcome.kind !== "died") return outcome;
      this.#result.deaths++;
    }
    return { kind: "died" };
  }

  async #record(number: number, story: S, outcome: Difference): Promise<Finding> {
    const { name, simpler, text, stepText, shrinkLimit } = this.#plays;
    const key = keyOfDifference(outcome);
    const known = this.#findings.get(key);
    if (known !== undefined) {
      known.count++;
      return known;
    }
    let last = outcome;
    const same = async (candidate: S): Promise<boolean> => {
      const played = await this.#play(candidate);
      if (played.kind !== "differ" || keyOfDifference(played) !== key) return false;
      last = played;
      return true;
    };
    // What its step explains need not be shrunk, which takes long where operations met.
    let accepted = stepText === null ? null : this.#acceptedBy(stepText(story, outcome.at), outcome);
    const again = accepted !== null || (await same(story));
    const shown = again && accepted === null ? await smallest(story, simpler, same, shrinkLimit) : story;
    accepted ??= this.#acceptedBy(stepText === null ? text(shown) : stepText(shown, last.at), last);
    const { at, what, divergences, ours, theirs } = last;
    const finding: Finding = {
      surface: name,
      key,
      first: `${name}:${number}`,
      count: 1,
      command: `${text(shown)}\ndiffers after step ${at}, in ${what}`,
      ours,
      theirs,
      divergences,
      again,
      accepted,
    };
    this.#findings.set(key, finding);
    this.#options.onFinding(finding);
    return finding;
  }

  #acceptedBy(evidence: string, { what, divergences }: Difference): string | null {
    const entry = acceptedBy(this.#options.accepted, this.#plays.name, `${what}\n${evidence}`, divergences);
    return entry?.name ?? null;
  }
}

const keyOfDifference = ({ what, divergences }: Difference): string =>
  `${what.replace(/ (?:with |').*/s, "").replace(/\d+/g, "#")}: ${keyOf(divergences)}`;
