/** This machine has no such real Triton, and cannot make one as it is. */
export class Unavailable extends Error {
  /** What would make it possible: a command, or a sentence where there is none. */
  readonly remedy: string;

  constructor(reason: string, remedy: string) {
    super(reason);
    this.name = "Unavailable";
    this.remedy = remedy;
  }
}
