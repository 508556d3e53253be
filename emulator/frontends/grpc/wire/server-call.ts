import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { Log } from "../../../common/log.ts";
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
  /** Called before anything is written, for the connection's ping policy. */
  readonly beforeReply: () => void;
  readonly log: Log;
}

/** One call: its messages in, its messages and status out, in order whatever compression takes. */
export class ServerCall {
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #method: Method;
  readonly #encoding: CompressionAlgorithm | null;
  readonly #replyAlgorithm: CompressionAlgorithm | null;
  readonly #handler: CallHandler;
  readonly #reader: MessageReader;
  readonly #inbox = new Sequence();
  readonly #outbox = new Sequence();
  readonly #context: CallContext;
  #deadline: NodeJS.Timeout | undefined;
  #messages = 0;
  /** Nothing more is read: the status is known, or what came was no gRPC. */
  #deaf = false;
  /** `end` was called, or the client is gone. */
  #ended = false;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
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
      ? chooseAlgorithm(context.compressionLevel, textOf(headers["grpc-accept-encoding"]))
      : null;
    this.#context = context;
    this.#reader = new MessageReader((message, compressed) => this.#receive(message, compressed));
    stream.on("data", (chunk: Buffer) => this.#data(chunk));
    stream.on("end", () => this.#halfClose());
    stream.on("close", () => this.#closed());
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
    this.#ended = true;
    this.#deaf = true;
    clearTimeout(this.#deadline);
    if (this.#outbox.idle) this.#finish(status);
    else
      this.#outbox.run((done) => {
        this.#finish(status);
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
    this.send(parts);
    this.end(OK);
  }

  #data(chunk: Buffer): void {
    if (this.#deaf) return;
    const problem = this.#reader.push(chunk);
    if (problem !== null) this.#abort(problem);
  }

  #receive(message: Uint8Array, compressed: boolean): void {
    if (this.#deaf) return;
    this.#messages++;
    if (this.#method.unary) this.#deaf = true;
    // The real server takes the flag for noise where the call names no encoding (2.51.0).
    const algorithm = compressed ? this.#encoding : null;
    if (algorithm === null && this.#inbox.idle) {
      this.#deliver(message);
      return;
    }
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

  #halfClose(): void {
    if (this.#ended) return;
    if (this.#method.unary) {
      if (this.#messages === 0) this.end({ code: grpcCode.INTERNAL, message: "Unable to parse request" });
      return;
    }
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
    this.#deadline = setTimeout(
      () => this.#abort({ code: grpcCode.DEADLINE_EXCEEDED, message: "Deadline Exceeded" }),
      Math.min(timeoutMs, MAX_TIMER_MS),
    );
    this.#deadline.unref();
  }

  #closed(): void {
    clearTimeout(this.#deadline);
    if (this.#ended) return;
    this.#ended = true;
    this.#deaf = true;
    this.#handler.cancel();
  }

  #compressAndWrite(algorithm: CompressionAlgorithm, parts: readonly Uint8Array[]): void {
    this.#outbox.run((done) => {
      const message = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      compress(algorithm, message, (compressed) => {
        this.#write([compressed ?? message], compressed !== null);
        done();
      });
    });
  }

  #write(parts: readonly Uint8Array[], compressed: boolean): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    this.#sendHeaders();
    const pieces = frameMessage(parts, compressed);
    if (pieces.length === 1) {
      stream.write(pieces[0]!);
      return;
    }
    stream.cork();
    for (const piece of pieces) stream.write(piece);
    stream.uncork();
  }

  #sendHeaders(): void {
    if (this.#stream.headersSent) return;
    this.#context.beforeReply();
    this.#stream.respond(
      this.#replyAlgorithm === null
        ? replyHeaders
        : { ...replyHeaders, "grpc-encoding": this.#replyAlgorithm },
      respondOptions,
    );
  }

  #finish(status: GrpcStatus): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    const trailers = status === OK ? okTrailers : trailersOf(status);
    if (!stream.headersSent) {
      if (status.code === grpcCode.OK) {
        // A stream without a message still has its headers before its trailers.
        this.#sendHeaders();
      } else {
        this.#context.beforeReply();
        stream.respond({ ...errorHeaders, ...trailers }, { endStream: true });
        return;
      }
    }
    stream.once("wantTrailers", () => {
      if (!stream.destroyed) stream.sendTrailers(trailers);
    });
    stream.end();
  }
}

export const OK: GrpcStatus = { code: grpcCode.OK, message: "" };

/** Node's timers hold no more. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const replyHeaders = {
  ":status": 200,
  "content-type": "application/grpc",
  "grpc-accept-encoding": ACCEPTED_ENCODINGS,
};
const errorHeaders = { ":status": 200, "content-type": "application/grpc" };
const respondOptions = { waitForTrailers: true, sendDate: false } as const;
const okTrailers = { "grpc-status": "0" };

const trailersOf = (status: GrpcStatus): Record<string, string> => ({
  "grpc-status": String(status.code),
  ...(status.message === "" ? {} : { "grpc-message": percentEncode(status.message) }),
});

const textOf = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(",") : value;

/** Starts a call on a stream, or ends the stream as the real server does when it carries no call it knows. */
export const acceptCall = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  context: CallContext,
): void => {
  stream.on("error", ignore);
  const encoding = textOf(headers["grpc-encoding"]) ?? "identity";
  const timeout = textOf(headers["grpc-timeout"]);
  const timeoutMs = timeout === undefined ? null : parseTimeoutMs(timeout);
  const contentType = headers["content-type"];
  if (
    (contentType !== undefined && !/^application\/grpc(?:$|[+;])/.test(contentType)) ||
    (encoding !== "identity" && !isCompressionAlgorithm(encoding)) ||
    (timeout !== undefined && timeoutMs === null)
  ) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return;
  }
  if (headers[":method"] !== "POST") {
    refuse(stream, { code: grpcCode.UNKNOWN, message: "Bad method header" });
    return;
  }
  const method = context.methods.get(headers[":path"] ?? "");
  if (method === undefined) {
    refuse(stream, { code: grpcCode.UNIMPLEMENTED, message: "" });
    return;
  }
  const algorithm = isCompressionAlgorithm(encoding) ? encoding : null;
  new ServerCall(stream, headers, method, algorithm, timeoutMs, context);
};

const refuse = (stream: ServerHttp2Stream, status: GrpcStatus): void => {
  stream.resume();
  stream.respond({ ...errorHeaders, ...trailersOf(status) }, { endStream: true });
};

/** A stream that breaks is closed, and its call cancelled; there is nobody to tell. */
const ignore = (): void => {};
