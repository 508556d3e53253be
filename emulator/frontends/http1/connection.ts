import type { Socket } from "node:net";
import { type Body, type BodyReader, createBodyReader, plainBody, type SlabPool } from "./body-reader.ts";
import { type HttpReply, replyHead } from "./reply.ts";
import { parseRequestHead, type RequestHead } from "./request-head.ts";

/** A whole request and the one way to answer it. */
export interface HttpExchange {
  readonly head: RequestHead;
  readonly body: Buffer;
  /** When the head was there, by the clock of the options. */
  readonly headUs: number;
  /** To be called once, in this turn or later. After a client has gone away it does nothing. */
  reply(reply: HttpReply): void;
}

export interface ConnectionOptions {
  readonly pool: SlabPool;
  /** Where in a body the part starts that is to be aligned. */
  readonly alignAt: (head: RequestHead) => number;
  readonly nowUs: () => number;
  readonly onRequest: (exchange: HttpExchange) => void;
}

/** Heads beyond this end the connection without an answer, as the real server does. */
const MAX_HEAD_BYTES = 65_536;
/** Unread bytes kept while an answer is awaited; then the socket is not read until it is sent. */
const MAX_BACKLOG_BYTES = 65_536;
const SMALL_BODY = 4096;

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
  #answering = false;
  #closing = false;
  #processing = false;
  /** Clients send the same head again and again: it is then not parsed again. */
  #lastText = "";
  #lastHead: RequestHead | null = null;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    // A client may close its side when it has sent its request: it still gets the answer.
    socket.on("end", () => this.finish());
    socket.on("close", () => this.#reader?.abandon());
    // What goes wrong with a socket ends in "close"; there is nobody left to tell.
    socket.on("error", () => {});
  }

  /** Takes no further request; what is being answered is. */
  finish(): void {
    this.#closing = true;
    if (!this.#answering) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#unread = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    if (!this.#answering) this.#process();
    else if (this.#unread.length > MAX_BACKLOG_BYTES) this.#socket.pause();
  }

  /** Reads and hands over requests as long as answers come at once. */
  #process(): void {
    if (this.#processing) return;
    this.#processing = true;
    while (!this.#answering && this.#unread.length > 0) {
      if (this.#head === null && !this.#readHead()) break;
      if (!this.#readBody()) break;
    }
    this.#processing = false;
  }

  /** False = more bytes are needed, or the connection has ended. */
  #readHead(): boolean {
    let start = 0;
    const unread = this.#unread;
    // Empty lines before a request are left out, as HTTP asks of a server.
    while (unread[start] === 0x0d && unread[start + 1] === 0x0a) start += 2;
    const end = unread.indexOf(headEnd, start);
    if (end < 0) {
      if (unread.length > MAX_HEAD_BYTES) this.#break();
      return false;
    }
    const text = unread.toString("latin1", start, end);
    const head = text === this.#lastText ? this.#lastHead : parseRequestHead(text);
    if (head === null || end > MAX_HEAD_BYTES) {
      this.#break();
      return false;
    }
    this.#lastText = text;
    this.#lastHead = head;
    this.#head = head;
    this.#headUs = this.#options.nowUs();
    this.#unread = unread.subarray(end + headEnd.length);
    if (head.expectsContinue) this.#socket.write(`HTTP/1.${head.versionMinor} 100 Continue\r\n\r\n`);
    return true;
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

  #hand(head: RequestHead, body: Body): void {
    this.#head = null;
    this.#answering = true;
    let answered = false;
    this.#options.onRequest({
      head,
      body: body.bytes,
      headUs: this.#headUs,
      reply: (reply) => {
        if (answered) return;
        answered = true;
        this.#write(head, reply, body);
        this.#answering = false;
        if (this.#closing || !head.keepAlive) {
          this.#closing = true;
          this.#socket.end();
        } else if (this.#unread.length > 0) {
          this.#socket.resume();
          this.#process();
        }
      },
    });
  }

  #write(head: RequestHead, reply: HttpReply, body: Body): void {
    const socket = this.#socket;
    if (socket.destroyed) {
      body.release();
      return;
    }
    let byteSize = 0;
    for (const part of reply.body) byteSize += part.length;
    const text = replyHead(head, reply, byteSize);
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

  #break(): void {
    this.#closing = true;
    this.#unread = Buffer.alloc(0);
    this.#reader?.abandon();
    this.#socket.destroy();
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
