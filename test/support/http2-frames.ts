import { connect, type Socket } from "node:net";

/** One frame as a test reads or writes it. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const frameBytes = (type: number, flags: number, streamId: number, payload: Uint8Array): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
};

/** A connection on which a test says frame by frame what is sent, right or wrong. */
export class RawHttp2Client {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake: () => void = () => {};
  readonly frames: Frame[] = [];

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1" });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#parse();
      this.#wake();
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** The preface, empty SETTINGS, and the other side's acknowledged. */
  start(): this {
    return this.write(Buffer.from(PREFACE)).frame(4, 0, 0).frame(4, 1, 0);
  }

  write(bytes: Uint8Array): this {
    this.#socket.write(bytes);
    return this;
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): this {
    return this.write(frameBytes(type, flags, streamId, payload));
  }

  /** Waits for the first frame that is like this one. */
  async until(matches: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`closed after ${JSON.stringify(this.frames)}`);
      await this.#change();
    }
  }

  /** Waits for the end of the connection; answers the GOAWAY before it, if there was one. */
  async end(): Promise<{ code: number; reason: string } | null> {
    while (!this.#ended) await this.#change();
    const goAway = this.frames.find(({ type }) => type === 7);
    if (goAway === undefined) return null;
    return { code: goAway.payload.readUInt32BE(4), reason: goAway.payload.subarray(8).toString() };
  }

  close(): void {
    this.#socket.destroy();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #parse(): void {
    while (this.#received.length >= 9) {
      const length = this.#received.readUIntBE(0, 3);
      if (this.#received.length < 9 + length) return;
      this.frames.push({
        type: this.#received[3]!,
        flags: this.#received[4]!,
        streamId: this.#received.readUInt32BE(5),
        payload: this.#received.subarray(9, 9 + length),
      });
      this.#received = this.#received.subarray(9 + length);
    }
  }
}
