import { type GrpcStatus, grpcCode } from "./status.ts";

/** Flag byte and length that stand before every message. */
export const PREFIX_BYTES = 5;
/** Largest message either way, as the real server sets it. */
export const MAX_MESSAGE_BYTES = 2 ** 31 - 1;

/** A length is a claim: no more than this is allocated before the bytes have come. */
const FIRST_ALLOCATION_BYTES = 16 * 1024 * 1024;

export type MessageSink = (message: Uint8Array, compressed: boolean) => void;

/** Cuts a stream of DATA bytes into messages. A message that lies in one chunk is a view of it; others are put together. */
export class MessageReader {
  readonly #sink: MessageSink;
  /** Flag byte and length, as far as they have come. */
  #prefixBytes = 0;
  #compressed = false;
  #message: Buffer | null = null;
  #received = 0;
  #length = 0;
  /** A flag byte was none: there is one empty message more, and then nothing is read (2.51.0). */
  #broken = false;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** Answers what is wrong with the stream, after which it is not to be called again. */
  push(chunk: Uint8Array): GrpcStatus | null {
    let at = 0;
    while (at < chunk.length && !this.#broken) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        const byte = chunk[at++]!;
        if (this.#prefixBytes++ === 0) {
          this.#compressed = byte === 1;
          this.#broken = byte > 1;
          if (this.#broken) this.#end(noBytes);
        } else this.#length = this.#length * 256 + byte;
        if (this.#prefixBytes < PREFIX_BYTES) continue;
        if (this.#length === 0) this.#end(noBytes);
        continue;
      }
      const missing = this.#length - this.#received;
      if (this.#received === 0 && chunk.length - at >= missing) {
        this.#end(chunk.subarray(at, at + missing));
        at += missing;
        continue;
      }
      const taken = Math.min(missing, chunk.length - at);
      // A length alone is no reason: the message may never come.
      if (this.#received + taken > MAX_MESSAGE_BYTES) {
        return {
          code: grpcCode.RESOURCE_EXHAUSTED,
          message: `Received message larger than max (${this.#length} vs. ${MAX_MESSAGE_BYTES})`,
        };
      }
      this.#append(chunk.subarray(at, at + taken));
      at += taken;
      if (this.#received === this.#length) this.#end(this.#message!);
    }
    return null;
  }

  #append(bytes: Uint8Array): void {
    const needed = this.#received + bytes.length;
    if (this.#message === null) {
      this.#message = Buffer.allocUnsafeSlow(
        Math.min(this.#length, Math.max(FIRST_ALLOCATION_BYTES, needed)),
      );
    } else if (needed > this.#message.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(this.#length, Math.max(4 * this.#message.length, needed)),
      );
      this.#message.copy(grown, 0, 0, this.#received);
      this.#message = grown;
    }
    this.#message.set(bytes, this.#received);
    this.#received = needed;
  }

  #end(message: Uint8Array): void {
    const compressed = this.#compressed;
    this.#prefixBytes = 0;
    this.#length = 0;
    this.#message = null;
    this.#received = 0;
    this.#sink(message, compressed);
  }
}

const noBytes = new Uint8Array(0);

/** Prefix and message; small messages in one piece, large parts as they are. */
export const frameMessage = (parts: readonly Uint8Array[], compressed: boolean): readonly Uint8Array[] => {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = length <= JOINED_BYTES;
  const head = Buffer.allocUnsafe(joined ? PREFIX_BYTES + length : PREFIX_BYTES);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(length, 1);
  if (!joined) return [head, ...parts];
  let at = PREFIX_BYTES;
  for (const part of parts) {
    head.set(part, at);
    at += part.length;
  }
  return [head];
};

/** Copying this much costs less than one more write. */
const JOINED_BYTES = 64 * 1024;
