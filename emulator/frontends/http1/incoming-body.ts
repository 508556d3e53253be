/** Its connection broke, or the framing did, before the last byte was there. */
export class BodyBroken extends Error {}

/** Bytes kept for who reads more slowly than they come; then the client is not read from until they are taken. */
const MAX_WAITING_BYTES = 1024 * 1024;

export interface Tap {
  pause(): void;
  resume(): void;
}

/** A request's body that is read while it comes, once. Rejects with BodyBroken where it does not come whole. */
export class IncomingBody implements AsyncIterable<Buffer> {
  readonly #tap: Tap;
  #pieces: Buffer[] = [];
  #waitingBytes = 0;
  #state: "coming" | "whole" | "broken" | "unwanted" = "coming";
  #wake = (): void => {};

  constructor(tap: Tap) {
    this.#tap = tap;
  }

  append(source: Buffer, start: number, end: number): boolean {
    if (this.#state !== "coming" || start === end) return true;
    this.#pieces.push(source.subarray(start, end));
    this.#waitingBytes += end - start;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#tap.pause();
    this.#wake();
    return true;
  }

  /** The last byte is there. */
  whole(): Buffer {
    if (this.#state === "coming") this.#state = "whole";
    this.#wake();
    return Buffer.alloc(0);
  }

  /** There will be no more. */
  fail(): void {
    if (this.#state === "coming") this.#state = "broken";
    this.#wake();
  }

  /** Nobody reads it: what comes is dropped. */
  discard(): void {
    if (this.#state === "coming") this.#state = "unwanted";
    this.#pieces = [];
    this.#tap.resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
        this.#waitingBytes -= piece.length;
        if (this.#waitingBytes <= MAX_WAITING_BYTES / 2) this.#tap.resume();
        yield piece;
      }
      if (this.#state === "whole") return;
      if (this.#state !== "coming") throw new BodyBroken("the body of the request did not come whole");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
