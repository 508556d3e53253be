import type { Answer } from "../exchange/answer.ts";

/** An answer of one play, with what was asked; `at` is the number of the step. */
export interface Told {
  readonly at: number;
  readonly what: string;
  readonly answer: Answer;
}

/** What one step showed: the answers to its operations, then the state of the repository when it had settled. */
export interface StepTold {
  readonly operations: readonly Told[];
  readonly state: readonly Told[];
}
