import type { Log } from "../../../common/log.ts";
import { errorCode } from "../http2/frames.ts";
import { encodeHeaders, type Headers, UNREADABLE } from "../http2/hpack.ts";
import type { Http2Stream, StreamListener } from "../http2/stream.ts";
import {
  ACCEPTED_ENCODINGS,
  type CompressionAlgorithm,
  type CompressionLevel,
  chooseAlgorithm,
  compress,
  decompress,
  isCompressionAlgorithm,
} from "./compression.ts";
import { frameMessage, MAX_MESSAGE_BYTES, MessageReader } from "./message-reader.ts";
import { lastOf, refusal } from "./request-headers.ts";
import { Sequence } from "./sequence.ts";
import { type GrpcStatus, grpcCode, percentEncode } from "./status.ts";
import { parseTimeoutMs } from "./timeout.ts";

/** What a method does with one call. Unary methods get one message and half-close; the rest is the method's own affair. */
export interface CallHandler {
  message(bytes: Uint8Array): void;
  /** The client has sent everything. */
  halfClose(): void;
  /** The client went away or its deadline passed; nothing that is sent after this arrives. */
  cancel(): void;
}

export interface Method {
  /** A unary method sees exactly one message, whatever the client sends. */
  readonly unary: boolean;
  /** Whether `--grpc-infer-response-compression-level` applies. */
  readonly compressesReplies: boolean;
  open(call: ServerCall): CallHandler;
}

/** What the calls of a connection share. */
export interface CallContext {
  /** By path. */
  readonly methods: ReadonlyMap<string, Method>;
  readonly compressionLevel: CompressionLevel;
  readonly callStarted: () => void;
  readonly callEnded: () => void;
  /** Called before anything is written, for the connection's ping policy. */
  readonly beforeReply: () => void;
  readonly log: Log;
}

/** One call: its messages in, its messages and status out, in order whatever compression takes. */
export class ServerCall implements StreamListener {
  readonly headers: Headers;
  readonly #stream: Http2Stream;
  readonly #method: Method;
  readonly #encoding: CompressionAlgorithm | null;
  readonly #replyAlgorithm: CompressionAlgorithm | null;
  readonly #handler: CallHandler;
  readonly #reader: MessageReader;
  /** Only there once something had to be decompressed, or compressed: what follows has to wait its turn. */
  #inbox: Sequence | null = null;
  #outbox: Sequence | null = null;
  readonly #context: CallContext;
  #deadline: NodeJS.Timeout | undefined;
  #messages = 0;
  /** Nothing more is read: the status is known, or what came was no gRPC. */
  #deaf = false;
  /** `end` was called, or the client is gone. */
  #ended = false;

  constructor(
    stream: Http2Stream,
    headers: Headers,
    method: Method,
    encoding: CompressionAlgorithm | null,
    timeoutMs: number | null,
    context: CallContext,
  ) {
    this.#stream = stream;
    this.headers = headers;
    this.#method = method;
    this.#encoding = encoding;
    this.#replyAlgorithm = method.compressesReplies
      ? chooseAlgorithm(context.compressionLevel, headers["grpc-accept-encoding"])
      : null;
    this.#context = context;
    context.callStarted();
    this.#reader = new MessageReader((message, compressed) => this.#receive(message, compressed));
    stream.listener = this;
    if (timeoutMs !== null) this.#setDeadline(timeoutMs);
    this.#handler = method.open(this);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Sends a message; its parts are not to change until it is written. */
  send(parts: readonly Uint8Array[]): void {
    if (this.#ended) return;
    if (this.#replyAlgorithm === null) this.#write(parts, false);
    else this.#compressAndWrite(this.#replyAlgorithm, parts);
  }

  /** Ends the call; later calls of `send` and `end` do nothing. */
  end(status: GrpcStatus): void {
    if (this.#ended) return;
    this.#setEnded();
    if (this.#outbox === null) this.#finish(status, null);
    else
      this.#outbox.run((done) => {
        this.#finish(status, null);
        done();
      });
  }

  /** Ends the call with one message and status OK. */
  reply(parts: readonly Uint8Array[]): void {
    let byteSize = 0;
    for (const part of parts) byteSize += part.length;
    if (byteSize > MAX_MESSAGE_BYTES) {
      this.end({
        code: grpcCode.INVALID_ARGUMENT,
        message: `Response has byte size ${byteSize} which exceeds gRPC's byte size limit ${MAX_MESSAGE_BYTES}.`,
      });
      return;
    }
    if (this.#replyAlgorithm !== null) {
      this.send(parts);
      this.end(OK);
      return;
    }
    if (this.#ended) return;
    this.#setEnded();
    this.#finish(OK, parts);
  }

  /** An injected fault: only so many bytes of a message are sent, then the stream is reset. */
  breakOff(parts: readonly Uint8Array[], afterBytes: number): void {
    if (this.#ended) return;
    this.#setEnded();
    if (afterBytes > 0) {
      this.#sendHeaders();
      this.#stream.write([Buffer.concat(frameMessage(parts, false)).subarray(0, afterBytes)]);
    }
    this.#stream.reset(errorCode.INTERNAL_ERROR);
  }

  data(chunk: Uint8Array): void {
    if (this.#deaf) return;
    const problem = this.#reader.push(chunk);
    // What follows the message of a unary call is not looked at.
    if (problem !== null && !this.#deaf) this.#abort(problem);
  }

  #receive(message: Uint8Array, compressed: boolean): void {
    if (this.#deaf) return;
    this.#messages++;
    if (this.#method.unary) this.#deaf = true;
    // The real server takes the flag for noise where the call names no encoding (2.51.0).
    const algorithm = compressed && message.length > 0 ? this.#encoding : null;
    if (algorithm === null && this.#inbox === null) {
      this.#deliver(message);
      return;
    }
    this.#inbox ??= new Sequence();
    this.#inbox.run((done) => {
      if (algorithm === null) {
        this.#deliver(message);
        done();
        return;
      }
      decompress(algorithm, message, (plain) => {
        if (plain === null) {
          this.#abort({
            code: grpcCode.INTERNAL,
            message: `Unexpected error decompressing data for algorithm ${algorithm}`,
          });
        } else this.#deliver(plain);
        done();
      });
    });
  }

  #deliver(message: Uint8Array): void {
    if (this.#ended) return;
    try {
      this.#handler.message(message);
    } catch (error) {
      const reason = error instanceof Error ? error.stack : String(error);
      this.#context.log.error(`unexpected failure of ${this.headers[":path"]}: ${reason}`);
      this.#abort({ code: grpcCode.INTERNAL, message: "internal error of the emulator, see its log" });
    }
  }

  endOfRequest(): void {
    if (this.#ended) return;
    if (this.#method.unary) {
      if (this.#messages === 0) this.end({ code: grpcCode.INTERNAL, message: "Unable to parse request" });
      return;
    }
    if (this.#inbox === null) this.#handler.halfClose();
    else
      this.#inbox.run((done) => {
        if (!this.#ended) this.#handler.halfClose();
        done();
      });
  }

  /** Answers and stops listening while the client may still be sending. */
  #abort(status: GrpcStatus): void {
    if (this.#ended) return;
    this.end(status);
    this.#handler.cancel();
  }

  #setDeadline(timeoutMs: number): void {
    this.#deadline = setTimeout(() => this.#abort(deadlineExceeded), Math.min(timeoutMs, MAX_TIMER_MS));
    this.#deadline.unref();
  }

  #setEnded(): void {
    this.#ended = true;
    this.#deaf = true;
    clearTimeout(this.#deadline);
  }

  closed(): void {
    this.#context.callEnded();
    if (this.#ended) return;
    this.#setEnded();
    this.#handler.cancel();
  }

  #compressAndWrite(algorithm: CompressionAlgorithm, parts: readonly Uint8Array[]): void {
    this.#outbox ??= new Sequence();
    this.#outbox.run((done) => {
      const message = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      compress(algorithm, message, (compressed) => {
        this.#write([compressed ?? message], compressed !== null);
        done();
      });
    });
  }

  #write(parts: readonly Uint8Array[], compressed: boolean): void {
    this.#sendHeaders();
    this.#stream.write(frameMessage(parts, compressed));
  }

  #sendHeaders(): void {
    if (this.#stream.headersSent) return;
    this.#context.beforeReply();
    this.#stream.respond(
      this.#replyAlgorithm === null ? replyHeaders : compressedReplyHeaders[this.#replyAlgorithm],
    );
  }

  /** @param lastMessage sent before the status */
  #finish(status: GrpcStatus, lastMessage: readonly Uint8Array[] | null): void {
    const stream = this.#stream;
    if (lastMessage === null && !stream.headersSent) {
      this.#context.beforeReply();
      stream.respondAndEnd(errorHeaders(status));
      return;
    }
    if (lastMessage !== null) {
      this.#sendHeaders();
      stream.write(frameMessage(lastMessage, false));
    }
    stream.end(status === OK ? okTrailers : encodeHeaders(statusFields(status)));
  }
}

const deadlineExceeded: GrpcStatus = { code: grpcCode.DEADLINE_EXCEEDED, message: "Deadline Exceeded" };

export const OK: GrpcStatus = { code: grpcCode.OK, message: "" };

/** Node's timers hold no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

type Fields = readonly (readonly [name: string, value: string])[];

const commonFields: Fields = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
const replyFields: Fields = [...commonFields, ["grpc-accept-encoding", ACCEPTED_ENCODINGS]];

const replyHeaders = encodeHeaders(replyFields);
const compressedReplyHeaders: Record<CompressionAlgorithm, Buffer> = {
  gzip: encodeHeaders([...replyFields, ["grpc-encoding", "gzip"]]),
  deflate: encodeHeaders([...replyFields, ["grpc-encoding", "deflate"]]),
};
const okTrailers = encodeHeaders([["grpc-status", "0"]]);

const statusFields = ({ code, message }: GrpcStatus): Fields => [
  ["grpc-status", String(code)],
  ...(message === "" ? [] : [["grpc-message", percentEncode(message)] as const]),
];

/** A response that is nothing but its status, be it that of a stream that ends well. */
const errorHeaders = (status: GrpcStatus): Buffer =>
  encodeHeaders([...commonFields, ...statusFields(status)]);

const connectionBroken: GrpcStatus = { code: grpcCode.UNAVAILABLE, message: "Failed parsing HTTP/2" };

/** The last that a stream hears when the client's bytes were not HTTP/2. */
export const endBroken = (stream: Http2Stream): void => {
  if (stream.headersSent) stream.end(encodeHeaders(statusFields(connectionBroken)));
  else stream.respondAndEnd(errorHeaders(connectionBroken));
};

/** Starts a call on a stream, or ends the stream as the real server does when it carries no call it knows. */
export const acceptCall = (stream: Http2Stream, headers: Headers, context: CallContext): void => {
  if (headers[UNREADABLE] !== undefined) {
    stream.reset(errorCode.INTERNAL_ERROR);
    return;
  }
  const timeout = headers["grpc-timeout"];
  const timeoutMs = timeout === undefined ? null : parseTimeoutMs(lastOf(timeout));
  const refused = refusal(headers) ?? (timeoutMs === 0 ? deadlineExceeded : null);
  if (refused !== null) {
    stream.respondAndEnd(errorHeaders(refused));
    return;
  }
  const method = context.methods.get(lastOf(headers[":path"] ?? ""));
  if (method === undefined) {
    stream.respondAndEnd(errorHeaders({ code: grpcCode.UNIMPLEMENTED, message: "" }));
    return;
  }
  const encoding = lastOf(headers["grpc-encoding"] ?? "identity");
  const algorithm = isCompressionAlgorithm(encoding) ? encoding : null;
  new ServerCall(stream, headers, method, algorithm, timeoutMs, context);
};
