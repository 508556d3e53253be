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
import { type Headers, HpackDecoder, HpackError, UNREADABLE } from "./hpack.ts";
import { Http2Stream, type StreamOwner } from "./stream.ts";

/** Who hears of a connection. */
export interface ConnectionListener {
  /** Whether a header means anything; see `HpackDecoder`. */
  isReadable(name: string, value: string): boolean;
  /** A request has begun: `stream.listener` is to be set before this returns. */
  stream(stream: Http2Stream, headers: Headers): void;
  ping(): void;
  /** The connection is about to end because what came was not HTTP/2: the last that can be said on a stream. */
  broken(stream: Http2Stream): void;
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
const MAX_BLOCK_BYTES = 1024 * 1024;
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
  /** It begins the stream; otherwise these are trailers, or headers of no stream. */
  readonly isNew: boolean;
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
  readonly #decoder: HpackDecoder;
  readonly #streams = new Map<number, Http2Stream>();
  /** Streams with something to send and no window to send it in. */
  readonly #blocked = new Set<Http2Stream>();
  readonly #pings: (() => void)[] = [];
  /** The beginning of a frame whose rest has not come. */
  #rest: Buffer | null = null;
  #prefaceSeen = false;
  #settingsSeen = false;
  /** Before the client has acknowledged our settings, it has HTTP/2's own to keep to. */
  #longestFrame = DEFAULT_MAX_FRAME_BYTES;
  #lastStreamId = 0;
  /** Bytes of the DATA frame at hand that are still to come. */
  #dataLeft = 0;
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
    this.#decoder = new HpackDecoder((name, value) => listener.isReadable(name, value));
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

  /** Ends at once; of what the client did wrong the real server says nothing on the connection itself (2.51.0). */
  #fail(): void {
    this.#failed = true;
    for (const stream of [...this.#streams.values()]) this.#listener.broken(stream);
    this.writer.flush();
    this.#socket.destroySoon();
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
      if (error instanceof Http2Error && error.code !== null) this.end(error.code, error.message);
      else if (error instanceof Http2Error || error instanceof HpackError) this.#fail();
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
        throw new Http2Error("no HTTP/2 preface");
      }
      if (bytes.length < PREFACE.length) return 0;
      at = PREFACE.length;
      this.#prefaceSeen = true;
    }
    for (;;) {
      if (this.#dataLeft > 0) {
        at += this.#readData(bytes, at);
        if (this.#dataLeft > 0) return at;
      }
      if (bytes.length - at < FRAME_HEADER_BYTES || this.#failed) return at;
      const length = bytes.readUIntBE(at, 3);
      const type = bytes[at + 3]!;
      const flags = bytes[at + 4]!;
      const streamId = bytes.readUInt32BE(at + 5) & MAX_WINDOW;
      if (!this.#settingsSeen) {
        if (type !== frameType.SETTINGS) throw new Http2Error("no settings first");
        this.#settingsSeen = true;
      }
      if (length > this.#longestFrame || (type !== frameType.DATA && length > MAX_BLOCK_BYTES)) {
        if (type === frameType.HEADERS) this.#open(streamId);
        throw new Http2Error("frame too long");
      }
      if (this.#block !== null && (type !== frameType.CONTINUATION || streamId !== this.#block.streamId)) {
        throw new Http2Error("header block not continued");
      }
      if (type === frameType.DATA) {
        at += FRAME_HEADER_BYTES;
        this.#startData(streamId, flags, length);
        continue;
      }
      if (bytes.length - at < FRAME_HEADER_BYTES + length) return at;
      at += FRAME_HEADER_BYTES;
      this.#readFrame(type, flags, streamId, bytes.subarray(at, at + length));
      at += length;
    }
  }

  /** The real server knows no padding: any other flag than the end resets the stream (2.51.0). */
  #startData(streamId: number, flags: number, length: number): void {
    const known = this.#knownStream(streamId);
    // What comes after the end is dropped.
    const stream = known?.remoteEnded === true ? null : known;
    if ((flags & ~flag.END_STREAM) !== 0) stream?.reset(errorCode.PROTOCOL_ERROR);
    this.#dataLeft = length;
    this.#dataStream = stream;
    this.#dataEndsStream = (flags & flag.END_STREAM) !== 0;
    this.#receiveWindow -= length;
    if (this.#receiveWindow < 0) throw new Http2Error("connection window");
    this.#received += length;
    if (this.#received >= CONNECTION_WINDOW / 2) {
      this.#receiveWindow += this.#received;
      this.#writeWindowUpdate(0, this.#received);
      this.#received = 0;
    }
    if (stream !== null && !stream.closed) this.#countData(stream, length);
    if (this.#dataLeft === 0) this.#endData();
  }

  #countData(stream: Http2Stream, length: number): void {
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
        if (this.#dataEndsStream && this.#dataLeft === 0) stream.remoteEnded = true;
        stream.listener?.data(bytes.subarray(at, at + data));
      }
    }
    if (this.#dataLeft === 0) this.#endData();
    return data;
  }

  #endData(): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (this.#dataEndsStream && stream !== null && !stream.closed) stream.endRemote();
  }

  /** The stream, or null for one that is closed or never was: what comes on it is dropped, as in the real server (2.51.0). */
  #knownStream(streamId: number): Http2Stream | null {
    return this.#streams.get(streamId) ?? null;
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
      case frameType.GOAWAY:
        // It changes nothing for a server.
        if (payload.length < 8) throw new Http2Error("frame of the wrong size");
        return;
      default:
        // Priorities, pushes and frames of unknown types are ignored.
        return;
    }
  }

  #readHeaders(flags: number, streamId: number, payload: Buffer): void {
    // Padding is no more known here than in DATA: what stands in its place is read as headers.
    const start = (flags & flag.PRIORITY) === 0 ? 0 : 5;
    const end = payload.length;
    const isNew = this.#open(streamId);
    if (start > end) throw new Http2Error("no priority");
    const block: HeaderBlock = {
      streamId,
      isNew,
      endStream: (flags & flag.END_STREAM) !== 0,
      fragments: [payload.subarray(start, end)],
      byteSize: end - start,
    };
    if ((flags & flag.END_HEADERS) !== 0) this.#endHeaders(block);
    else this.#block = block;
  }

  #readContinuation(flags: number, payload: Buffer): void {
    const block = this.#block;
    if (block === null) throw new Http2Error("nothing to continue");
    block.fragments.push(payload);
    block.byteSize += payload.length;
    if (block.byteSize > MAX_BLOCK_BYTES || block.fragments.length > MAX_CONTINUATIONS) {
      throw new Http2Error("header block too long", errorCode.ENHANCE_YOUR_CALM);
    }
    if ((flags & flag.END_HEADERS) === 0) return;
    this.#block = null;
    this.#endHeaders(block);
  }

  /** @returns whether the stream is a new one; it may be refused all the same */
  #open(streamId: number): boolean {
    if (streamId <= this.#lastStreamId || streamId % 2 === 0) return false;
    this.#lastStreamId = streamId;
    if (!this.#draining && this.#streams.size < MAX_STREAMS) {
      const stream = new Http2Stream(this, streamId, STREAM_WINDOW, this.#peerInitialWindow);
      this.#streams.set(streamId, stream);
    }
    return true;
  }

  #endHeaders({ streamId, isNew, endStream, fragments }: HeaderBlock): void {
    const stream = this.#knownStream(streamId);
    const headers = this.#decoder.decode(fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments));
    if (!isNew) {
      this.#readTrailers(stream, headers, endStream);
      return;
    }
    if (stream === null) {
      this.writeReset(streamId, errorCode.REFUSED_STREAM);
      return;
    }
    this.#listener.stream(stream, headers);
    if (endStream && !stream.closed) stream.endRemote();
  }

  /** Trailers of a request mean nothing in gRPC but its end. */
  #readTrailers(stream: Http2Stream | null, headers: Headers, endStream: boolean): void {
    // What comes after the end is dropped.
    if (stream === null || stream.remoteEnded) return;
    if (!endStream) throw new Http2Error("trailers without an end");
    if (headers[UNREADABLE] !== undefined) stream.reset(errorCode.INTERNAL_ERROR);
    else stream.endRemote();
  }

  #readReset(streamId: number): void {
    const stream = this.#knownStream(streamId);
    if (stream === null) return;
    const now = performance.now();
    const refill = ((now - this.#resetBudgetAt) / 1000) * RESETS_PER_SECOND;
    this.#resetBudget = Math.min(RESET_BURST, this.#resetBudget + refill) - 1;
    this.#resetBudgetAt = now;
    if (this.#resetBudget < 0) throw new Http2Error("too many resets", errorCode.ENHANCE_YOUR_CALM);
    stream.close();
  }

  #readSettings(flags: number, streamId: number, payload: Buffer): void {
    if (streamId !== 0) throw new Http2Error("settings of a stream");
    if ((flags & flag.ACK) !== 0) {
      expectSize(payload, 0);
      this.#longestFrame = MAX_FRAME_BYTES;
      return;
    }
    if (payload.length % 6 !== 0) throw new Http2Error("settings cut off");
    for (let at = 0; at < payload.length; at += 6) {
      this.#applySetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.#acknowledge(frameType.SETTINGS, noBytes);
  }

  #applySetting(identifier: number, value: number): void {
    if (identifier === setting.ENABLE_PUSH && value > 1) {
      throw new Http2Error(SETTINGS_ERROR, errorCode.PROTOCOL_ERROR);
    }
    if (identifier === setting.MAX_FRAME_SIZE) {
      if (value < DEFAULT_MAX_FRAME_BYTES || value >= 2 ** 24) {
        throw new Http2Error(SETTINGS_ERROR, errorCode.PROTOCOL_ERROR);
      }
      this.maxFrameBytes = value;
    }
    if (identifier !== setting.INITIAL_WINDOW_SIZE) return;
    if (value > MAX_WINDOW) throw new Http2Error(SETTINGS_ERROR, errorCode.FLOW_CONTROL_ERROR);
    const change = value - this.#peerInitialWindow;
    this.#peerInitialWindow = value;
    for (const stream of this.#streams.values()) {
      if (!stream.openSendWindow(change)) {
        throw new Http2Error(SETTINGS_ERROR, errorCode.FLOW_CONTROL_ERROR);
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
      if (bytes === 0) throw new Http2Error("window update of nothing");
      this.sendWindow += bytes;
      this.#pumpBlocked();
      return;
    }
    const stream = this.#knownStream(streamId);
    if (stream === null) return;
    if (bytes === 0) throw new Http2Error("window update of nothing");
    // The real server takes a window beyond the largest.
    stream.openSendWindow(bytes);
    if (this.#blocked.delete(stream)) stream.pump();
  }

  #pumpBlocked(): void {
    const blocked = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of blocked) stream.pump();
  }

  #acknowledge(type: number, payload: Uint8Array): void {
    this.#unsentAcks++;
    if (this.#unsentAcks > MAX_UNSENT_ACKS) {
      throw new Http2Error("acknowledgements are not read", errorCode.ENHANCE_YOUR_CALM);
    }
    this.writer.frame(type, flag.ACK, 0, [payload], payload.length);
    if (!this.#socket.writableNeedDrain) this.#unsentAcks = 0;
  }

  #writeSettings(): void {
    const values = [
      [setting.INITIAL_WINDOW_SIZE, STREAM_WINDOW],
      [setting.MAX_FRAME_SIZE, MAX_FRAME_BYTES],
      [setting.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
      [setting.ALLOW_TRUE_BINARY_METADATA, 1],
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

const SETTINGS_ERROR = "HTTP2 settings error";
const noBytes = new Uint8Array(0);

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

const expectSize = (payload: Buffer, bytes: number): void => {
  if (payload.length !== bytes) throw new Http2Error("frame of the wrong size");
};
