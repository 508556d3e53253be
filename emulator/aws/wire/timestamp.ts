/**
 * A moment in an answer, or in a CBOR body. Each protocol writes it in its own way: seconds since 1970 (JSON), ISO 8601 (XML),
 * tag 1 (CBOR).
 */
export class Timestamp {
  readonly epochMs: number;

  constructor(epochMs: number) {
    this.epochMs = epochMs;
  }

  get seconds(): number {
    return this.epochMs / 1000;
  }

  /** As JSON has it. */
  toJSON(): number {
    return this.seconds;
  }

  /** e.g. `2026-11-25T19:48:47Z`; milliseconds only where there are some. */
  get iso(): string {
    return new Date(this.epochMs).toISOString().replace(".000Z", "Z");
  }
}
