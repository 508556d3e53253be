import type { FrameWriter } from "./frame-writer.ts";
import { type ErrorCode, errorCode, frameType, MAX_WINDOW } from "./frames.ts";

/** The connection, as far as its streams need it. */
export interface StreamOwner {
  readonly writer: FrameWriter;
  /** Bytes that all streams together may still send. */
  sendWindow: number;
  readonly maxFrameBytes: number;
  writeHeaders(id: number, block: Buffer, endStream: boolean): void;
  writeReset(id: number, code: ErrorCode): void;
  /** The stream goes on when the connection's window opens. */
  block(stream: Http2Stream): void;
  /** The stream is over. */
  forget(stream: Http2Stream): void;
}

/** Who hears of a stream. */
export interface StreamListener {
  /** Bytes of the request body; a view that stays as it is. */
  data(chunk: Uint8Array): void;
  /** The client has sent everything. */
  endOfRequest(): void;
  /** Nothing more happens on the stream, whether it ended well or not. Called once. */
  closed(): void;
}

/** One request and its response. What is sent waits here while the client's flow-control windows are shut. */
export class Http2Stream {
  readonly id: number;
  listener: StreamListener | null = null;
  /** Bytes the client may still send. */
  receiveWindow: number;
  /** Bytes that came since the window was last opened. */
  received = 0;
  remoteEnded = false;
  readonly #connection: StreamOwner;
  #sendWindow: number;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** Sent, with the end of the stream, once nothing waits. */
  #trailers: Buffer | null = null;
  #headersSent = false;
  /** Nothing more is sent. */
  #localEnded = false;
  #closed = false;

  constructor(connection: StreamOwner, id: number, receiveWindow: number, sendWindow: number) {
    this.#connection = connection;
    this.id = id;
    this.receiveWindow = receiveWindow;
    this.#sendWindow = sendWindow;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get headersSent(): boolean {
    return this.#headersSent;
  }

  /** Response headers. */
  respond(block: Buffer): void {
    if (this.#localEnded) return;
    this.#headersSent = true;
    this.#connection.writeHeaders(this.id, block, false);
  }

  /** Response headers that are also the end: a response without a body. */
  respondAndEnd(block: Buffer): void {
    if (this.#localEnded) return;
    this.#headersSent = true;
    this.#connection.writeHeaders(this.id, block, true);
    this.#endLocal();
  }

  /** A piece of the response body; the parts are not to change until the stream is closed. */
  write(parts: readonly Uint8Array[]): void {
    if (this.#localEnded) return;
    let byteSize = 0;
    for (const part of parts) byteSize += part.length;
    if (this.#waitingBytes === 0 && byteSize <= this.#sendable()) {
      this.#consume(byteSize);
      this.#connection.writer.frame(frameType.DATA, 0, this.id, parts, byteSize);
      return;
    }
    this.#waiting.push(...parts);
    this.#waitingBytes += byteSize;
    this.pump();
  }

  /** Trailers, and with them the end. */
  end(trailers: Buffer): void {
    if (this.#localEnded) return;
    this.#trailers = trailers;
    this.pump();
  }

  reset(code: ErrorCode): void {
    if (this.#closed) return;
    this.#connection.writeReset(this.id, code);
    this.close();
  }

  /** Sends what the windows let through. */
  pump(): void {
    while (this.#waitingBytes > 0) {
      const size = Math.min(this.#waitingBytes, this.#sendable());
      if (size <= 0) {
        this.#connection.block(this);
        return;
      }
      this.#consume(size);
      this.#connection.writer.frame(frameType.DATA, 0, this.id, this.#take(size), size);
    }
    if (this.#trailers === null) return;
    this.#connection.writeHeaders(this.id, this.#trailers, true);
    this.#endLocal();
  }

  /** @returns false when the window would be larger than can be */
  openSendWindow(bytes: number): boolean {
    this.#sendWindow += bytes;
    return this.#sendWindow <= MAX_WINDOW;
  }

  endRemote(): void {
    this.remoteEnded = true;
    this.listener?.endOfRequest();
    if (this.#localEnded) this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#localEnded = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#connection.forget(this);
    this.listener?.closed();
  }

  #sendable(): number {
    return Math.min(this.#sendWindow, this.#connection.sendWindow, this.#connection.maxFrameBytes);
  }

  #consume(bytes: number): void {
    this.#sendWindow -= bytes;
    this.#connection.sendWindow -= bytes;
  }

  #take(size: number): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let missing = size;
    let parts = 0;
    for (const part of this.#waiting) {
      if (part.length > missing) {
        if (missing > 0) {
          taken.push(part.subarray(0, missing));
          this.#waiting[parts] = part.subarray(missing);
        }
        break;
      }
      taken.push(part);
      missing -= part.length;
      parts++;
    }
    this.#waiting.splice(0, parts);
    this.#waitingBytes -= size;
    return taken;
  }

  /** A client that is still sending is told to stop: nobody listens any more. Its end may be in what has just come. */
  #endLocal(): void {
    this.#localEnded = true;
    if (this.remoteEnded) this.close();
    else process.nextTick(() => this.reset(errorCode.NO_ERROR));
  }
}
