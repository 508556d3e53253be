import type { Socket } from "node:net";
import {
  type Body,
  type BodyReader,
  createBodyReader,
  createSinkReader,
  plainBody,
  type SlabPool,
} from "./body-reader.ts";
import { IncomingBody } from "./incoming-body.ts";
import { LenientHeadReader } from "./lenient-head.ts";
import { type HttpReply, replyHead } from "./reply.ts";
import { parseRequestHead, type RequestHead } from "./request-head.ts";

/** A whole request and the one way to answer it. */
export interface HttpExchange {
  readonly head: RequestHead;
  readonly body: Buffer;
  /** The body, to be read as it comes, of a request that is handed over before it is whole; `body` is empty then. */
  readonly incoming?: AsyncIterable<Buffer>;
  /** When the head was there, by the clock of the options. */
  readonly headUs: number;
  /** To be called once, in this turn or later. After a client has gone away it does nothing. */
  reply(reply: HttpReply): void;
  /** In place of `reply`: an answer without an end known beforehand. Null = the client has gone away. */
  stream(reply: Omit<HttpReply, "body">, client: StreamClient): ReplyStream | null;
}

/** An answer that is written bit by bit. */
export interface ReplyStream {
  /** @returns false = the client does not keep up: the next is to be written when it is `drained` */
  write(bytes: Uint8Array): boolean;
  end(): void;
  /** In place of `end`: it cannot be ended as announced, and the client is to notice. */
  break(): void;
}

export interface StreamClient {
  drained(): void;
  /** It has closed its side, or the server ends; called once, and never after `end`. */
  gone(): void;
}

export interface ConnectionOptions {
  readonly pool: SlabPool;
  /** Where in a body the part starts that is to be aligned. */
  readonly alignAt: (head: RequestHead) => number;
  readonly nowUs: () => number;
  /** Whether a body is handed over as it comes, unless it came whole with its head. */
  readonly isStreamed: (head: RequestHead) => boolean;
  /**
   * Null = requests are taken one after the other, however they come. Otherwise as the real server takes them: what has come
   * behind a request is not looked at before more bytes come, unless the connection was paused between the request and this reply
   * (2.51.0).
   */
  readonly isPaused: ((head: RequestHead, reply: HttpReply, atOnce: boolean) => boolean) | null;
  readonly onRequest: (exchange: HttpExchange) => void;
}

/** The real server sets no limit; this one is only there to have one. */
const MAX_HEAD_BYTES = 1024 * 1024;
/** Unread bytes kept while an answer is awaited; then the socket is not read until it is sent. */
const MAX_BACKLOG_BYTES = 65_536;
const SMALL_BODY = 4096;
/** What libevent takes from a socket at once (seen on 2.51.0). */
const BYTES_OF_A_READ = 4096;

const CR = 0x0d;
const LF = 0x0a;
const headEnd = Buffer.from("\r\n\r\n");

/**
 * One HTTP/1 connection: one request after the other, answers in order (spec/triton-wire.md 1.1). Broken requests end it
 * without an answer.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  /** Bytes that no request has taken yet. */
  #unread: Buffer = Buffer.alloc(0);
  #head: RequestHead | null = null;
  #headUs = 0;
  #reader: BodyReader | null = null;
  /** What `#reader` passes the body on to, while that is read as it comes; null = bodies are read whole. */
  #incoming: IncomingBody | null = null;
  /** Its answer is out, and bytes of it still come. */
  #outrun = false;
  /** Has read a part of a head that came in pieces, or is not as it should be; null = there is none. */
  #lenient: LenientHeadReader | null = null;
  #lenientBytes = 0;
  /** Of the bytes that came last: how many, and at how many of the real server's reads of them something was looked for. */
  #chunkBytes = 0;
  #readsUsed = 0;
  /** `100 Continue`, until it is known that what came with the head does not break the connection. */
  #continue = "";
  /** A request was read that is never answered: what follows ends the connection. */
  #mute = false;
  /** A request is with its handler, or its answer does not leave. */
  #answering = false;
  /** No further request is taken. */
  #closing = false;
  #inputEnded = false;
  #ended = false;
  #processing = false;
  /** Ends the answer that is being written bit by bit; null = there is none. */
  #endStream: (() => void) | null = null;
  /** Clients send the same head again and again: it is then not parsed again. With the empty line. */
  #lastBytes: Buffer = Buffer.alloc(0);
  #lastHead: RequestHead | null = null;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    // A client may close its side when it has sent its request: it still gets the answer.
    socket.on("end", () => {
      this.#inputEnded = true;
      // It would get the answer for as long as there are bytes of it: without end.
      if (this.#endStream !== null) socket.destroy();
      else if (this.#incoming !== null) socket.destroySoon();
      else this.#process();
    });
    socket.on("close", () => {
      this.#reader?.abandon();
      this.#incoming?.fail();
    });
    // What goes wrong with a socket ends in "close"; there is nobody left to tell.
    socket.on("error", () => {});
  }

  /** Takes no further request; what is being answered is, and what would be written for ever ends. */
  finish(): void {
    this.#closing = true;
    this.#endStream?.();
    this.#process();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    this.#chunkBytes = chunk.length;
    this.#readsUsed = 0;
    if (this.#incoming !== null) this.#passOn();
    else if (!this.#answering) this.#process();
    else if (this.#unread.length > MAX_BACKLOG_BYTES) this.#socket.pause();
  }

  /** Reads and hands over requests as long as answers come at once. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (!this.#answering && !this.#closing && this.#unread.length > 0) {
      if (this.#head === null && !this.#readHead()) break;
      if (!this.#readBody()) break;
    }
    this.#processing = false;
    this.#sendContinue();
    if (!this.#answering && (this.#closing || this.#inputEnded)) this.#end();
  }

  /** False = more bytes are needed, or the connection has ended. */
  #readHead(): boolean {
    if (!this.#takesRead()) return false;
    if (this.#lenient !== null) return this.#readLeniently();
    // Empty lines before a request are left out.
    let start = 0;
    while (this.#unread[start] === CR || this.#unread[start] === LF) {
      start++;
      if (this.#options.isPaused === null) continue;
      this.#unread = this.#unread.subarray(start);
      if (this.#unread.length === 0 || !this.#takesRead()) return false;
      start = 0;
    }
    if (start > 0) this.#unread = this.#unread.subarray(start);
    const unread = this.#unread;
    if (unread.length === 0) return false;
    if (this.#mute) {
      this.#break();
      return false;
    }
    const last = this.#lastBytes;
    if (
      this.#lastHead !== null &&
      unread.length >= last.length &&
      unread.compare(last, 0, last.length, 0, last.length) === 0
    ) {
      this.#take(this.#lastHead, last.length);
      return true;
    }
    const end = unread.indexOf(headEnd);
    const head = end < 0 ? null : parseRequestHead(unread.toString("latin1", 0, end));
    if (head === null) {
      this.#lenient = new LenientHeadReader();
      this.#lenientBytes = 0;
      return this.#readLeniently();
    }
    const byteSize = end + headEnd.length;
    // A copy: a view would keep alive all that was read with it.
    this.#lastBytes = Buffer.from(unread.subarray(0, byteSize));
    this.#lastHead = head;
    this.#take(head, byteSize);
    return true;
  }

  /** The real server looks for one thing at each read: a request, or an empty line's byte before it. */
  #takesRead(): boolean {
    if (this.#options.isPaused === null) return true;
    const taken = this.#chunkBytes - this.#unread.length;
    const used = Math.max(this.#readsUsed, Math.ceil(taken / BYTES_OF_A_READ));
    this.#readsUsed = used + 1;
    return used * BYTES_OF_A_READ < this.#chunkBytes;
  }

  #readLeniently(): boolean {
    const { taken, outcome } = this.#lenient!.push(this.#unread, 0);
    this.#lenientBytes += taken;
    if (outcome === "broken" || this.#lenientBytes > MAX_HEAD_BYTES) {
      this.#break();
      return false;
    }
    if (typeof outcome === "object") {
      this.#lenient = null;
      this.#take(outcome, taken);
      return true;
    }
    this.#unread = this.#unread.subarray(taken);
    return false;
  }

  #take(head: RequestHead, byteSize: number): void {
    this.#head = head;
    this.#headUs = this.#options.nowUs();
    this.#unread = this.#unread.subarray(byteSize);
    if (head.expectsContinue)
      this.#continue = `HTTP/${head.version ?? `1.${head.versionMinor}`} 100 Continue\r\n\r\n`;
  }

  #sendContinue(): void {
    if (this.#continue === "") return;
    this.#socket.write(this.#continue, "latin1");
    this.#continue = "";
  }

  #readBody(): boolean {
    const head = this.#head!;
    const unread = this.#unread;
    const length = head.contentLength;
    // The usual case: a body that came whole, with its head.
    if (this.#reader === null && length !== null && length <= unread.length) {
      this.#unread = unread.subarray(length);
      this.#hand(head, plainBody(unread.subarray(0, length)));
      return true;
    }
    if (this.#reader === null && this.#options.isStreamed(head)) {
      const incoming = new IncomingBody(this.#socket);
      this.#incoming = incoming;
      this.#reader = createSinkReader(length, incoming);
      this.#hand(head, plainBody(Buffer.alloc(0)), incoming);
      this.#passOn();
      return true;
    }
    this.#reader ??= createBodyReader(length, this.#options.alignAt(head), this.#options.pool);
    const taken = this.#reader.take(unread, 0);
    if (taken === null) {
      this.#break();
      return false;
    }
    this.#unread = unread.subarray(taken);
    const { whole } = this.#reader;
    if (whole === null) return false;
    this.#reader = null;
    this.#hand(head, whole);
    return true;
  }

  /** Gives what is there of a body to whoever reads it. */
  #passOn(): void {
    const taken = this.#reader?.take(this.#unread, 0) ?? null;
    if (taken === null) {
      this.#break();
      return;
    }
    this.#unread = this.#unread.subarray(taken);
    if (this.#reader?.whole == null) return;
    this.#reader = null;
    this.#incoming = null;
    if (!this.#outrun) return;
    this.#outrun = false;
    this.#next();
  }

  #hand(head: RequestHead, body: Body, incoming?: IncomingBody): void {
    this.#head = null;
    this.#sendContinue();
    if (head.unanswered) {
      this.#mute = true;
      return;
    }
    this.#answering = true;
    let answered = false;
    let atOnce = true;
    this.#options.onRequest({
      head,
      body: body.bytes,
      ...(incoming === undefined ? {} : { incoming }),
      headUs: this.#headUs,
      reply: (reply) => {
        if (answered) return;
        answered = true;
        this.#write(head, reply, body);
        if (!head.keepAlive) this.#closing = true;
        if (this.#unread.length > 0 && this.#options.isPaused?.(head, reply, atOnce) === true) {
          this.#chunkBytes = this.#unread.length;
          this.#readsUsed = 0;
        }
        // A client that asks and does not read is not asked for more.
        if (this.#socket.writableNeedDrain) this.#socket.once("drain", () => this.#next());
        else this.#next();
      },
      stream: (reply, client) => {
        if (answered) return null;
        answered = true;
        body.release();
        return this.#stream(head, reply, client);
      },
    });
    atOnce = false;
  }

  /** In chunks, where its size is not stated; to HTTP/1.0 as it is, up to the end of the connection. */
  #stream(head: RequestHead, reply: Omit<HttpReply, "body">, client: StreamClient): ReplyStream | null {
    const socket = this.#socket;
    const stated = reply.statedByteSize ?? null;
    const chunked = head.versionMinor === 1 && stated === null;
    if ((!chunked && stated === null) || !head.keepAlive) this.#closing = true;
    if (socket.destroyed || this.#inputEnded) {
      this.#closing = true;
      this.#next();
      return null;
    }
    const drained = (): void => client.drained();
    const gone = (): void => client.gone();
    socket.on("drain", drained);
    socket.on("close", gone);
    socket.write(replyHead(head, { ...reply, body: [] }, stated), "latin1");
    const end = (): void => {
      if (this.#endStream === null) return;
      this.#endStream = null;
      socket.off("drain", drained);
      socket.off("close", gone);
      if (chunked) socket.write("0\r\n\r\n", "latin1");
      this.#next();
    };
    this.#endStream = () => {
      end();
      client.gone();
    };
    return {
      write: (bytes) => {
        if (!chunked) return socket.write(bytes);
        socket.cork();
        socket.write(`${bytes.length.toString(16)}\r\n`, "latin1");
        socket.write(bytes);
        const keepsUp = socket.write("\r\n", "latin1");
        socket.uncork();
        return keepsUp;
      },
      end,
      break: () => this.#break(),
    };
  }

  /** Goes on after an answer. */
  #next(): void {
    if (this.#incoming !== null) {
      this.#outrun = true;
      this.#incoming.discard();
      return;
    }
    this.#answering = false;
    if (this.#processing) return;
    if (this.#unread.length > 0) this.#socket.resume();
    this.#process();
  }

  #write(head: RequestHead, reply: HttpReply, body: Body): void {
    const socket = this.#socket;
    if (socket.destroyed) {
      body.release();
      return;
    }
    let byteSize = 0;
    for (const part of reply.body) byteSize += part.length;
    const text = replyHead(head, reply, reply.statedByteSize ?? byteSize);
    if (reply.breakAfterBytes !== undefined) {
      const whole = Buffer.concat([Buffer.from(text, "latin1"), ...reply.body]);
      socket.write(whole.subarray(0, reply.breakAfterBytes));
      this.#closing = true;
      body.release();
      return;
    }
    if (byteSize <= SMALL_BODY) {
      // As a string the body leaves with the head in one write of one piece.
      let whole = text;
      for (const part of reply.body) whole += asBuffer(part).toString("latin1");
      socket.write(whole, "latin1");
      body.release();
      return;
    }
    socket.cork();
    socket.write(text, "latin1");
    const last = reply.body.length - 1;
    for (const [index, part] of reply.body.entries()) {
      // A tensor of the answer may lie in the memory of the request.
      socket.write(part, index === last ? () => body.release() : undefined);
    }
    socket.uncork();
  }

  /** Closes when what was answered has left, whether or not the client closes its side. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.destroySoon();
  }

  #break(): void {
    this.#closing = true;
    this.#ended = true;
    this.#continue = "";
    this.#unread = Buffer.alloc(0);
    this.#reader?.abandon();
    this.#incoming?.fail();
    this.#socket.destroy();
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
