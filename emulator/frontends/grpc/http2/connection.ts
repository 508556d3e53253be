import type { Socket } from "node:net";
import { FrameWriter } from "./frame-writer.ts";
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW,
  type ErrorCode,
  errorCode,
  FRAME_HEADER_BYTES,
  flag,
  frameType,
  Http2Error,
  MAX_WINDOW,
  PREFACE,
  setting,
} from "./frames.ts";
import { type Headers, HpackDecoder, HpackError } from "./hpack.ts";
import { Http2Stream, type StreamOwner } from "./stream.ts";

/** Who hears of a connection. */
export interface ConnectionListener {
  /** A request has begun: `stream.listener` is to be set before this returns. */
  stream(stream: Http2Stream, headers: Headers): void;
  ping(): void;
  /** Something of ours threw; the connection is given up. */
  failed(error: unknown): void;
  closed(): void;
}

/** As in the real server's SETTINGS (2.51.0). */
const STREAM_WINDOW = 4 * 1024 * 1024;
const MAX_FRAME_BYTES = 4 * 1024 * 1024;
const MAX_HEADER_LIST_BYTES = 16_384;
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** Longest header block, and longest frame of anything but DATA. */
const MAX_BLOCK_BYTES = 64 * 1024;
const MAX_CONTINUATIONS = 128;
/** Streams that may be open at once. The real server sets no limit; this one is only there to have one. */
const MAX_STREAMS = 100_000;
/** Acknowledgements that may wait for a client that does not read. */
const MAX_UNSENT_ACKS = 1000;
/** Streams a client may give up at once, and then per second; more is an attack, not a change of mind. */
const RESET_BURST = 1000;
const RESETS_PER_SECOND = 33;

interface HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly fragments: Uint8Array[];
  byteSize: number;
}

/** The server's end of one HTTP/2 connection. RFC 9113, but for what gRPC never uses: pushes and priorities. */
export class Http2Connection implements StreamOwner {
  readonly writer: FrameWriter;
  /** Bytes we may send on all streams together. */
  sendWindow = DEFAULT_WINDOW;
  maxFrameBytes = DEFAULT_MAX_FRAME_BYTES;
  readonly #socket: Socket;
  readonly #listener: ConnectionListener;
  readonly #decoder = new HpackDecoder();
  readonly #streams = new Map<number, Http2Stream>();
  /** Streams with something to send and no window to send it in. */
  readonly #blocked = new Set<Http2Stream>();
  readonly #pings: (() => void)[] = [];
  /** The beginning of a frame whose rest has not come. */
  #rest: Buffer | null = null;
  #prefaceSeen = false;
  #lastStreamId = 0;
  /** Bytes of the DATA frame at hand that are still to come, and of its padding. */
  #dataLeft = 0;
  #paddingLeft = 0;
  #dataStream: Http2Stream | null = null;
  #dataEndsStream = false;
  #block: HeaderBlock | null = null;
  #peerInitialWindow = DEFAULT_WINDOW;
  #receiveWindow = CONNECTION_WINDOW;
  #received = 0;
  #unsentAcks = 0;
  #resetBudget = RESET_BURST;
  #resetBudgetAt = performance.now();
  #draining = false;
  #failed = false;

  constructor(socket: Socket, listener: ConnectionListener) {
    this.#socket = socket;
    this.#listener = listener;
    this.writer = new FrameWriter(socket);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    // A connection that breaks is closed; its calls are cancelled there.
    socket.on("error", () => {});
    socket.on("close", () => this.#closed());
    this.#writeSettings();
  }

  /** Takes no new streams, and ends when the last one has. */
  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#writeGoAway(errorCode.NO_ERROR, "");
    this.#endIfDrained();
  }

  /** Ends at once, saying why. */
  end(code: ErrorCode, reason: string): void {
    this.#failed = true;
    this.#writeGoAway(code, reason);
    this.writer.flush();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** @param answered called when the client has answered */
  ping(answered: () => void): void {
    this.#pings.push(answered);
    this.writer.frame(frameType.PING, 0, 0, [Buffer.alloc(8)], 8);
  }

  writeHeaders(streamId: number, block: Buffer, endStream: boolean): void {
    const endFlag = endStream ? flag.END_STREAM : 0;
    if (block.length <= this.maxFrameBytes) {
      this.writer.frame(frameType.HEADERS, endFlag | flag.END_HEADERS, streamId, [block], block.length);
      return;
    }
    for (let at = 0; at < block.length; at += this.maxFrameBytes) {
      const fragment = block.subarray(at, at + this.maxFrameBytes);
      const type = at === 0 ? frameType.HEADERS : frameType.CONTINUATION;
      const last = at + fragment.length === block.length ? flag.END_HEADERS : 0;
      this.writer.frame(type, (at === 0 ? endFlag : 0) | last, streamId, [fragment], fragment.length);
    }
  }

  writeReset(streamId: number, code: ErrorCode): void {
    this.writer.frame(frameType.RST_STREAM, 0, streamId, [uint32(code)], 4);
  }

  /** Remembers a stream until a window opens. */
  block(stream: Http2Stream): void {
    this.#blocked.add(stream);
  }

  forget(stream: Http2Stream): void {
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (!this.#draining || this.#streams.size > 0 || this.#socket.destroyed) return;
    this.writer.flush();
    this.#socket.end();
  }

  #closed(): void {
    for (const stream of [...this.#streams.values()]) stream.close();
    this.#listener.closed();
  }

  #receive(chunk: Buffer): void {
    if (this.#failed) return;
    let bytes = chunk;
    if (this.#rest !== null) {
      bytes = Buffer.concat([this.#rest, chunk]);
      this.#rest = null;
    }
    try {
      const used = this.#readFrames(bytes);
      if (used < bytes.length) this.#rest = bytes.subarray(used);
    } catch (error) {
      if (error instanceof Http2Error) this.end(error.code, error.message);
      else if (error instanceof HpackError) this.end(errorCode.COMPRESSION_ERROR, error.message);
      else {
        this.#listener.failed(error);
        this.end(errorCode.INTERNAL_ERROR, "internal error of the emulator, see its log");
      }
    }
  }

  /** Reads whole frames, and DATA as far as it has come; answers how many bytes that were. */
  #readFrames(bytes: Buffer): number {
    let at = 0;
    if (!this.#prefaceSeen) {
      if (!PREFACE.subarray(0, bytes.length).equals(bytes.subarray(0, PREFACE.length))) {
        throw new Http2Error(errorCode.PROTOCOL_ERROR, "no HTTP/2 preface");
      }
      if (bytes.length < PREFACE.length) return 0;
      at = PREFACE.length;
      this.#prefaceSeen = true;
    }
    for (;;) {
      if (this.#dataLeft + this.#paddingLeft > 0) {
        at += this.#readData(bytes, at);
        if (this.#dataLeft + this.#paddingLeft > 0) return at;
      }
      if (bytes.length - at < FRAME_HEADER_BYTES || this.#failed) return at;
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const streamId = bytes.readUInt32BE(at + 5) & MAX_WINDOW;
      if (length > (type === frameType.DATA ? MAX_FRAME_BYTES : MAX_BLOCK_BYTES)) {
        throw new Http2Error(errorCode.FRAME_SIZE_ERROR, "frame too long");
      }
      if (this.#block !== null && (type !== frameType.CONTINUATION || streamId !== this.#block.streamId)) {
        throw new Http2Error(errorCode.PROTOCOL_ERROR, "header block not continued");
      }
      if (type === frameType.DATA) {
        const padded = (flags & flag.PADDED) !== 0;
        if (padded && bytes.length - at < FRAME_HEADER_BYTES + 1) return at;
        at += FRAME_HEADER_BYTES;
        this.#startData(streamId, flags, length, padded ? bytes[at++]! : null);
        continue;
      }
      if (bytes.length - at < FRAME_HEADER_BYTES + length) return at;
      at += FRAME_HEADER_BYTES;
      this.#readFrame(type, flags, streamId, bytes.subarray(at, at + length));
      at += length;
    }
  }

  /** @param padding its length; null when the frame has none */
  #startData(streamId: number, flags: number, length: number, padding: number | null): void {
    const stream = this.#knownStream(streamId);
    const paddingBytes = padding ?? 0;
    this.#dataLeft = length - paddingBytes - (padding === null ? 0 : 1);
    if (this.#dataLeft < 0) throw new Http2Error(errorCode.PROTOCOL_ERROR, "more padding than frame");
    this.#paddingLeft = paddingBytes;
    this.#dataStream = stream;
    this.#dataEndsStream = (flags & flag.END_STREAM) !== 0;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new Http2Error(errorCode.FLOW_CONTROL_ERROR, "connection window");
    this.#received += length;
    if (this.#received >= CONNECTION_WINDOW / 2) {
      this.#receiveWindow += this.#received;
      this.#writeWindowUpdate(0, this.#received);
      this.#received = 0;
    }
    if (stream !== null) this.#countData(stream, length);
    if (this.#dataLeft + this.#paddingLeft === 0) this.#endData();
  }

  #countData(stream: Http2Stream, length: number): void {
    if (stream.remoteEnded) {
      stream.reset(errorCode.STREAM_CLOSED);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) {
      stream.reset(errorCode.FLOW_CONTROL_ERROR);
      return;
    }
    stream.received += length;
    if (stream.received < STREAM_WINDOW / 2 || this.#dataEndsStream) return;
    stream.receiveWindow += stream.received;
    this.#writeWindowUpdate(stream.id, stream.received);
    stream.received = 0;
  }

  #readData(bytes: Buffer, at: number): number {
    const data = Math.min(this.#dataLeft, bytes.length - at);
    if (data > 0) {
      this.#dataLeft -= data;
      const stream = this.#dataStream;
      if (stream !== null && !stream.closed) {
        // Said before the last bytes are, so that an answer given right then finds the request complete.
        if (this.#dataEndsStream && this.#dataLeft + this.#paddingLeft === 0) stream.remoteEnded = true;
        stream.listener?.data(bytes.subarray(at, at + data));
      }
    }
    const padding = Math.min(this.#paddingLeft, bytes.length - at - data);
    this.#paddingLeft -= padding;
    if (this.#dataLeft + this.#paddingLeft === 0) this.#endData();
    return data + padding;
  }

  #endData(): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (this.#dataEndsStream && stream !== null && !stream.closed) stream.endRemote();
  }

  /** The stream, or null for one that is closed: what was on its way then is dropped. */
  #knownStream(streamId: number): Http2Stream | null {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return stream;
    if (streamId === 0 || streamId > this.#lastStreamId || streamId % 2 === 0) {
      throw new Http2Error(errorCode.PROTOCOL_ERROR, "frame on an idle stream");
    }
    return null;
  }

  #readFrame(type: number, flags: number, streamId: number, payload: Buffer): void {
    switch (type) {
      case frameType.HEADERS:
        this.#readHeaders(flags, streamId, payload);
        return;
      case frameType.CONTINUATION:
        this.#readContinuation(flags, payload);
        return;
      case frameType.RST_STREAM:
        expectSize(payload, 4);
        this.#readReset(streamId);
        return;
      case frameType.SETTINGS:
        this.#readSettings(flags, streamId, payload);
        return;
      case frameType.PING:
        expectSize(payload, 8);
        this.#readPing(flags, payload);
        return;
      case frameType.WINDOW_UPDATE:
        expectSize(payload, 4);
        this.#readWindowUpdate(streamId, payload.readUInt32BE(0) & MAX_WINDOW);
        return;
      case frameType.PRIORITY:
        expectSize(payload, 5);
        return;
      case frameType.PUSH_PROMISE:
        throw new Http2Error(errorCode.PROTOCOL_ERROR, "clients do not push");
      default:
        // GOAWAY changes nothing for a server, and frames of unknown types are ignored.
        return;
    }
  }

  #readHeaders(flags: number, streamId: number, payload: Buffer): void {
    let start = 0;
    let end = payload.length;
    if ((flags & flag.PADDED) !== 0) {
      end -= payload[0] ?? 0;
      start += 1;
    }
    if ((flags & flag.PRIORITY) !== 0) start += 5;
    if (start > end) throw new Http2Error(errorCode.PROTOCOL_ERROR, "more padding than frame");
    if (streamId % 2 === 0) throw new Http2Error(errorCode.PROTOCOL_ERROR, "not a client's stream");
    const block: HeaderBlock = {
      streamId,
      endStream: (flags & flag.END_STREAM) !== 0,
      fragments: [payload.subarray(start, end)],
      byteSize: end - start,
    };
    if ((flags & flag.END_HEADERS) !== 0) this.#endHeaders(block);
    else this.#block = block;
  }

  #readContinuation(flags: number, payload: Buffer): void {
    const block = this.#block;
    if (block === null) throw new Http2Error(errorCode.PROTOCOL_ERROR, "nothing to continue");
    block.fragments.push(payload);
    block.byteSize += payload.length;
    if (block.byteSize > MAX_BLOCK_BYTES || block.fragments.length > MAX_CONTINUATIONS) {
      throw new Http2Error(errorCode.ENHANCE_YOUR_CALM, "header block too long");
    }
    if ((flags & flag.END_HEADERS) === 0) return;
    this.#block = null;
    this.#endHeaders(block);
  }

  #endHeaders({ streamId, endStream, fragments }: HeaderBlock): void {
    const headers = this.#decoder.decode(fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments));
    if (streamId <= this.#lastStreamId) {
      this.#readTrailers(this.#knownStream(streamId), endStream);
      return;
    }
    this.#lastStreamId = streamId;
    if (this.#draining || this.#streams.size >= MAX_STREAMS) {
      this.writeReset(streamId, errorCode.REFUSED_STREAM);
      return;
    }
    const stream = new Http2Stream(this, streamId, STREAM_WINDOW, this.#peerInitialWindow);
    this.#streams.set(streamId, stream);
    this.#listener.stream(stream, headers);
    if (endStream && !stream.closed) stream.endRemote();
  }

  /** Trailers of a request mean nothing in gRPC but its end. */
  #readTrailers(stream: Http2Stream | null, endStream: boolean): void {
    if (stream === null) return;
    if (!endStream || stream.remoteEnded) stream.reset(errorCode.PROTOCOL_ERROR);
    else stream.endRemote();
  }

  #readReset(streamId: number): void {
    const stream = this.#knownStream(streamId);
    if (stream === null) return;
    const now = performance.now();
    const refill = ((now - this.#resetBudgetAt) / 1000) * RESETS_PER_SECOND;
    this.#resetBudget = Math.min(RESET_BURST, this.#resetBudget + refill) - 1;
    this.#resetBudgetAt = now;
    if (this.#resetBudget < 0) throw new Http2Error(errorCode.ENHANCE_YOUR_CALM, "too many resets");
    stream.close();
  }

  #readSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new Http2Error(errorCode.PROTOCOL_ERROR, "settings of a stream");
    if ((flags & flag.ACK) !== 0) return;
    if (payload.length % 6 !== 0) throw new Http2Error(errorCode.FRAME_SIZE_ERROR, "settings cut off");
    for (let at = 0; at < payload.length; at += 6) {
      this.#applySetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.#acknowledge(frameType.SETTINGS, noBytes);
  }

  #applySetting(identifier: number, value: number): void {
    if (identifier === setting.ENABLE_PUSH && value > 1) {
      throw new Http2Error(errorCode.PROTOCOL_ERROR, "bad setting");
    }
    if (identifier === setting.MAX_FRAME_SIZE) {
      if (value < DEFAULT_MAX_FRAME_BYTES || value >= 2 ** 24) {
        throw new Http2Error(errorCode.PROTOCOL_ERROR, "bad frame size");
      }
      this.maxFrameBytes = value;
    }
    if (identifier !== setting.INITIAL_WINDOW_SIZE) return;
    if (value > MAX_WINDOW) throw new Http2Error(errorCode.FLOW_CONTROL_ERROR, "window too large");
    const change = value - this.#peerInitialWindow;
    this.#peerInitialWindow = value;
    for (const stream of this.#streams.values()) {
      if (!stream.openSendWindow(change)) {
        throw new Http2Error(errorCode.FLOW_CONTROL_ERROR, "window too large");
      }
    }
    this.#pumpBlocked();
  }

  #readPing(flags: number, payload: Buffer): void {
    if ((flags & flag.ACK) !== 0) {
      this.#pings.shift()?.();
      return;
    }
    this.#acknowledge(frameType.PING, payload);
    this.#listener.ping();
  }

  #readWindowUpdate(streamId: number, bytes: number): void {
    if (streamId === 0) {
      if (bytes === 0) throw new Http2Error(errorCode.PROTOCOL_ERROR, "window update of nothing");
      this.sendWindow += bytes;
      if (this.sendWindow > MAX_WINDOW) {
        throw new Http2Error(errorCode.FLOW_CONTROL_ERROR, "window too large");
      }
      this.#pumpBlocked();
      return;
    }
    const stream = this.#knownStream(streamId);
    if (stream === null) return;
    if (bytes === 0) stream.reset(errorCode.PROTOCOL_ERROR);
    else if (!stream.openSendWindow(bytes)) stream.reset(errorCode.FLOW_CONTROL_ERROR);
    else if (this.#blocked.delete(stream)) stream.pump();
  }

  #pumpBlocked(): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of blocked) stream.pump();
  }

  #acknowledge(type: number, payload: Uint8Array): void {
    this.#unsentAcks++;
    if (this.#unsentAcks > MAX_UNSENT_ACKS) {
      throw new Http2Error(errorCode.ENHANCE_YOUR_CALM, "acknowledgements are not read");
    }
    this.writer.frame(type, flag.ACK, 0, [payload], payload.length);
    if (!this.#socket.writableNeedDrain) this.#unsentAcks = 0;
  }

  #writeSettings(): void {
    const values = [
      [setting.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
      [setting.MAX_FRAME_SIZE, MAX_FRAME_BYTES],
      [setting.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
    ] as const;
    const payload = Buffer.alloc(6 * values.length);
    for (const [index, [identifier, value]] of values.entries()) {
      payload.writeUInt16BE(identifier, 6 * index);
      payload.writeUInt32BE(value, 6 * index + 2);
    }
    this.writer.frame(frameType.SETTINGS, 0, 0, [payload], payload.length);
    this.#writeWindowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
  }

  #writeWindowUpdate(streamId: number, bytes: number): void {
    this.writer.frame(frameType.WINDOW_UPDATE, 0, streamId, [uint32(bytes)], 4);
  }

  #writeGoAway(code: ErrorCode, reason: string): void {
    const payload = Buffer.concat([uint32(this.#lastStreamId), uint32(code), Buffer.from(reason)]);
    this.writer.frame(frameType.GOAWAY, 0, 0, [payload], payload.length);
  }
}

const noBytes = new Uint8Array(0);

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const expectSize = (payload: Buffer, bytes: number): void => {
  if (payload.length !== bytes) throw new Http2Error(errorCode.FRAME_SIZE_ERROR, "frame of the wrong size");
};
