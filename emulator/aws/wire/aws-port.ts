import { createHash, randomUUID } from "node:crypto";
import { gunzipSync } from "node:zlib";
import type { Clock } from "../../common/clock.ts";
import type { Log } from "../../common/log.ts";
import { onePiece } from "../../common/one-piece.ts";
import type { HttpExchange, ReplyStream, StreamClient } from "../../frontends/http1/connection.ts";
import { BodyBroken } from "../../frontends/http1/incoming-body.ts";
import type { HttpReply } from "../../frontends/http1/reply.ts";
import type { RequestHead } from "../../frontends/http1/request-head.ts";
import { type ChunkedBody, decodeAwsChunked, incomplete, readAwsChunked } from "./aws-chunked.ts";
import { AwsError } from "./aws-error.ts";
import { ACCOUNT_ID, type AwsRequest, type AwsServiceName, DEFAULT_REGION } from "./aws-request.ts";
import { readCredential } from "./credential.ts";
import { bucketOfHost } from "./host-bucket.ts";
import { type Identity, identify } from "./identify.ts";
import type { OperationService } from "./json-service.ts";
import type { PayloadCheck } from "./payload-check.ts";
import { codecs, formOf, hostIdOf } from "./protocols/codec.ts";
import { serialization } from "./shapes.ts";
import { type AcceptedCredentials, verifySignature } from "./signature.ts";

/** A service that reads requests and writes answers itself: the runtime and S3. Errors go out in its protocol. */
export interface RawService {
  readonly service: AwsServiceName;
  /** Answers once, in this turn or later; what it throws or rejects with is the answer too. */
  handle(request: AwsRequest, responder: Responder): void | Promise<void>;
  /** Whether it takes a body as it comes (`AwsRequest.content`); of none where it is absent. */
  isStreamed?(request: Pick<AwsRequest, "head" | "hostBucket" | "query">): boolean;
}

/** The one way to answer. Request id and date are put to the headers. */
export interface Responder {
  reply(reply: HttpReply): void;
  /** Null = the client has gone away. */
  stream(reply: Omit<HttpReply, "body">, client: StreamClient): ReplyStream | null;
  fail(error: AwsError): void;
}

export interface AwsPortOptions {
  /** Null = signatures are not looked at. */
  readonly credentials: AcceptedCredentials | null;
  readonly clock: Clock;
  /** Milliseconds since 1970 by the clock of the machine; absent = `clock` was never moved. */
  readonly machineEpochMs?: () => number;
  readonly log: Log;
}

const LARGEST_INPUT = 16 * 1024 * 1024;
const noQuery = new URLSearchParams();
const noTrailers: ReadonlyMap<string, string> = new Map();

/** All services of AWS on one port. */
export class AwsPort {
  readonly #operations = new Map<AwsServiceName, OperationService>();
  readonly #raw = new Map<AwsServiceName, RawService>();
  readonly #options: AwsPortOptions;
  #second = 0;
  #date = "";

  constructor(services: readonly (OperationService | RawService)[], options: AwsPortOptions) {
    for (const service of services) {
      if ("operations" in service) this.#operations.set(service.service, service);
      else this.#raw.set(service.service, service);
    }
    this.#options = options;
  }

  /** Whether a request is to be handled before its body is whole, which is then read as it comes. */
  isStreamed(head: RequestHead): boolean {
    if (head.method !== "PUT" && head.method !== "POST") return false;
    const query = head.query === "" ? noQuery : new URLSearchParams(head.query);
    const credential = readCredential(head, query);
    const signed = credential === "broken" ? null : credential;
    // What is signed with a hash of the body that nobody states can be checked only when it is here.
    const isStated = head.headers.has("x-amz-content-sha256") || signed?.presignedForSeconds != null;
    if (this.#options.credentials !== null && !isStated) return false;
    // Of a form, which tells the service by its body, nothing is streamed.
    const { service } = identify(head, signed, () => query);
    const raw = service === null ? undefined : this.#raw.get(service);
    const hostBucket = service === "s3" ? bucketOfHost(head.headers.get("host") ?? "") : null;
    return raw?.isStreamed?.({ head, hostBucket, query }) === true;
  }

  /** @returns false = it is for none of them: not signed, and like no request of an SDK; it is not answered */
  handle(exchange: HttpExchange): boolean {
    const { head } = exchange;
    const query = head.query === "" ? noQuery : new URLSearchParams(head.query);
    const credential = readCredential(head, query);
    const identity = identify(head, credential === "broken" ? null : credential, () =>
      formOf({ head, query, body: exchange.body }),
    );
    const { service, operation } = identity;
    if (service === "s3" && credential === null && !this.#raw.has("s3")) return false;
    const signed = credential === "broken" ? null : credential;
    const request: AwsRequest = {
      service: service ?? "sagemaker",
      operation,
      region: signed?.region ?? DEFAULT_REGION,
      accountId: ACCOUNT_ID,
      requestId: newRequestId(),
      accessKeyId: signed?.accessKeyId ?? null,
      head,
      query,
      hostBucket: service === "s3" ? bucketOfHost(head.headers.get("host") ?? "") : null,
      body: exchange.body,
      trailers: noTrailers,
    };
    const responder = this.#responder(exchange, identity, request);
    try {
      const { incoming } = exchange;
      const chunked = incoming === undefined ? chunkedBody(exchange) : null;
      const { credentials, clock, machineEpochMs } = this.#options;
      let check: PayloadCheck | null = null;
      if (credentials !== null) {
        const { protocol } = identity;
        const nowMs = clock.epochMs();
        const machineMs = machineEpochMs?.() ?? nowMs;
        const rawBody = incoming === undefined ? exchange.body : null;
        check = verifySignature(
          { protocol, credential, head, rawBody, chunked, nowMs, machineMs },
          credentials,
        );
      }
      if (incoming !== undefined)
        this.#serve(identity, { ...request, ...streamedBody(head, incoming, check) }, responder);
      else if (chunked === null) this.#serve(identity, request, responder);
      else this.#serve(identity, { ...request, body: chunked.bytes, trailers: chunked.trailers }, responder);
    } catch (error) {
      this.#fail(error, request, responder);
    }
    return true;
  }

  #serve({ service, protocol, asked }: Identity, request: AwsRequest, responder: Responder): void {
    const raw = service === null ? undefined : this.#raw.get(service);
    if (raw !== undefined) {
      const done = raw.handle(request, responder);
      if (done !== undefined) done.catch((error: unknown) => this.#fail(error, request, responder));
      return;
    }
    const table = service === null ? undefined : this.#operations.get(service);
    if (table === undefined) throw notServed(asked);
    const { operation } = request;
    const found =
      operation !== null && Object.hasOwn(table.operations, operation)
        ? table.operations[operation]
        : undefined;
    if (found === undefined) throw unknownOperation(operation, protocol === "query");
    const codec = codecs[protocol];
    const namespace = table.xmlNamespace ?? "";
    const plain = { ...request, body: unzipped(request) };
    const output = found.call(codec.input(plain), codec.wire, plain, table.invalid);
    const answer = (value: object): void => responder.reply(codec.output(value, request, namespace));
    if (output instanceof Promise)
      output.then(answer).catch((error: unknown) => this.#fail(error, request, responder));
    else answer(output);
  }

  #responder(exchange: HttpExchange, { service, protocol }: Identity, request: AwsRequest): Responder {
    const ids =
      protocol === "rest-xml"
        ? ["x-amz-request-id", request.requestId, "x-amz-id-2", hostIdOf(request.requestId)]
        : ["x-amzn-RequestId", request.requestId];
    const headers = (own: readonly string[]): string[] => [...own, ...ids, "Date", this.#now()];
    const reply = (answer: HttpReply): void =>
      exchange.reply({ ...answer, headers: headers(answer.headers) });
    const namespace = service === null ? "" : (this.#operations.get(service)?.xmlNamespace ?? "");
    return {
      reply,
      stream: (answer, client) => exchange.stream({ ...answer, headers: headers(answer.headers) }, client),
      fail: (error) => reply(codecs[protocol].error(error, request, namespace)),
    };
  }

  #fail(error: unknown, { operation, head }: AwsRequest, responder: Responder): void {
    if (error instanceof AwsError) {
      responder.fail(error);
      return;
    }
    const { log } = this.#options;
    log.error(
      `unexpected failure of ${operation ?? head.method} ${head.path}: ${error instanceof Error ? error.stack : error}`,
    );
    responder.fail(
      new AwsError("InternalFailure", "Internal error of the emulator; its log has the cause.", {
        status: 500,
      }),
    );
  }

  /** As HTTP writes a date; made anew each second. */
  #now(): string {
    const epochMs = this.#options.clock.epochMs();
    const second = Math.floor(epochMs / 1000);
    if (second !== this.#second || this.#date === "") {
      this.#second = second;
      this.#date = new Date(epochMs).toUTCString();
    }
    return this.#date;
  }
}

/** As one piece: what `randomUUID` returns is put together from twenty, all of which would be kept with the journal. */
const newRequestId = (): string => onePiece(randomUUID());

/** Null = it is not in S3's chunks. */
const chunkedBody = ({ head, body }: HttpExchange): ChunkedBody | null =>
  isInChunks(head) ? decodeAwsChunked(body, decodedLengthOf(head)) : null;

const isInChunks = ({ headers }: RequestHead): boolean =>
  headers.get("x-amz-content-sha256")?.startsWith("STREAMING-") === true ||
  headers.get("content-encoding")?.includes("aws-chunked") === true;

const decodedLengthOf = ({ headers }: RequestHead): number | null => {
  const stated = headers.get("x-amz-decoded-content-length");
  return stated === undefined || !/^\d{1,15}$/.test(stated) ? null : Number(stated);
};

/** @param check of its signature; null = that is not looked at */
const streamedBody = (
  head: RequestHead,
  incoming: AsyncIterable<Buffer>,
  check: PayloadCheck | null,
): Pick<AwsRequest, "content" | "trailers"> => {
  const trailers = new Map<string, string>();
  const body = wholeOrRefused(incoming);
  const content = isInChunks(head)
    ? readAwsChunked(body, { decodedLength: decodedLengthOf(head), trailers, check })
    : hashed(body, check);
  return { content, trailers };
};

const wholeOrRefused = async function* (incoming: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* incoming;
  } catch (error) {
    throw error instanceof BodyBroken ? incomplete() : error;
  }
};

const hashed = async function* (
  body: AsyncIterable<Buffer>,
  check: PayloadCheck | null,
): AsyncGenerator<Buffer> {
  if (check?.isHashed !== true) {
    yield* body;
    return;
  }
  const hash = createHash("sha256");
  for await (const bytes of body) {
    hash.update(bytes);
    yield bytes;
  }
  check.whole(hash.digest("hex"));
};

/** Inputs may come compressed: CloudWatch's clients do it above 10 kB. */
const unzipped = ({ head, body }: AwsRequest): Buffer => {
  if (head.headers.get("content-encoding")?.trim().toLowerCase() !== "gzip") return body;
  try {
    return gunzipSync(body, { maxOutputLength: LARGEST_INPUT });
  } catch (error) {
    throw serialization(`The body cannot be decompressed: ${error instanceof Error ? error.message : error}`);
  }
};

const notServed = (asked: string): AwsError =>
  new AwsError(
    "UnknownOperationException",
    `The service '${asked}' is not emulated; SageMaker, its runtime, S3, CloudWatch and Application Auto Scaling are.`,
  );

const unknownOperation = (operation: string | null, query: boolean): AwsError =>
  query
    ? new AwsError("InvalidAction", `Could not find operation ${operation} for version 2010-08-01`)
    : new AwsError(
        "UnknownOperationException",
        operation === null
          ? "The request names no operation."
          : `The operation ${operation} is not emulated.`,
      );
