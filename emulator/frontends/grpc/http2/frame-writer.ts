import type { Socket } from "node:net";
import { FRAME_HEADER_BYTES } from "./frames.ts";

const CHUNK_BYTES = 64 * 1024;
/** Payloads from this size on are written as they are; copying less costs less than one more buffer in the write. */
const SEPARATE_BYTES = 8 * 1024;

/** Gathers the frames of one turn and writes them at its end, in one write where they are small. */
export class FrameWriter {
  readonly #socket: Socket;
  /** Frames are put into this from `#start`..`#at`; what is written is never touched again. */
  #chunk = Buffer.allocUnsafeSlow(0);
  #start = 0;
  #at = 0;
  readonly #pieces: Uint8Array[] = [];
  #scheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** A frame whose payload is `parts` one after the other; they are not to change until they are written. */
  frame(
    type: number,
    flags: number,
    streamId: number,
    parts: readonly Uint8Array[],
    payloadBytes: number,
  ): void {
    this.#reserve(FRAME_HEADER_BYTES);
    const chunk = this.#chunk;
    const at = this.#at;
    chunk[at] = payloadBytes >>> 16;
    chunk[at + 1] = payloadBytes >>> 8;
    chunk[at + 2] = payloadBytes;
    chunk[at + 3] = type;
    chunk[at + 4] = flags;
    chunk[at + 5] = streamId >>> 24;
    chunk[at + 6] = streamId >>> 16;
    chunk[at + 7] = streamId >>> 8;
    chunk[at + 8] = streamId;
    this.#at = at + FRAME_HEADER_BYTES;
    for (const part of parts) this.#append(part);
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.flush());
  }

  flush(): void {
    this.#scheduled = false;
    this.#seal();
    const pieces = this.#pieces.splice(0);
    const socket = this.#socket;
    if (socket.destroyed) return;
    if (pieces.length > 1) socket.cork();
    for (const piece of pieces) socket.write(piece);
    if (pieces.length > 1) socket.uncork();
  }

  #append(bytes: Uint8Array): void {
    if (bytes.length >= SEPARATE_BYTES) {
      this.#seal();
      this.#pieces.push(bytes);
      return;
    }
    this.#reserve(bytes.length);
    this.#chunk.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #seal(): void {
    if (this.#at > this.#start) this.#pieces.push(this.#chunk.subarray(this.#start, this.#at));
    this.#start = this.#at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#chunk.length) return;
    this.#seal();
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    this.#start = 0;
    this.#at = 0;
  }
}
