import { Socket } from "node:net";

/** A socket without a network: what the server writes is kept, what the client sends is pushed. */
export class MemorySocket extends Socket {
  #written = "";
  /** While true nothing leaves: the client does not read. */
  blocked = false;
  #waiting: (() => void)[] = [];

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** All that has been written, latin1. */
  get written(): string {
    return this.#written;
  }

  /** The client's bytes; returns when the server has dealt with them. */
  async send(bytes: string | Buffer): Promise<void> {
    this.push(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
    await turn();
  }

  async endInput(): Promise<void> {
    this.push(null);
    await turn();
  }

  /** The client reads again. */
  async unblock(): Promise<void> {
    this.blocked = false;
    for (const done of this.#waiting.splice(0)) done();
    await turn();
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#take(chunk, done);
  }

  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const bytes = chunks.map(({ chunk, encoding }) =>
      typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk,
    );
    this.#take(Buffer.concat(bytes), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
  }

  #take(chunk: Buffer | string, done: () => void): void {
    this.#written += typeof chunk === "string" ? chunk : chunk.toString("latin1");
    if (this.blocked) this.#waiting.push(done);
    else done();
  }
}

/** Lets everything run that is due. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
