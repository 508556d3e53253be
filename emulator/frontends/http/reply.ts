import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TritonError } from "../../common/status.ts";
import { errorBody } from "./codec/json-writer.ts";
import { httpStatus, reasonPhrase } from "./http-status.ts";

/** What a handler answers. `headers` are those it sets itself, name and value in turn, in the order of the wire. */
export interface HttpReply {
  readonly status: number;
  readonly headers: readonly string[];
  /** Written one after the other; empty = no body. */
  readonly body: readonly Uint8Array[];
}

const applicationJson: readonly string[] = ["Content-Type", "application/json"];
const nothing: readonly string[] = [];
const noBody: readonly Uint8Array[] = [];

export const jsonReply = (text: string): HttpReply => ({
  status: 200,
  headers: applicationJson,
  body: [Buffer.from(text)],
});

/** 200 without a body, as load, unload and shared-memory calls answer. */
export const emptyJsonReply: HttpReply = { status: 200, headers: applicationJson, body: noBody };

/** Health: no body and no type of its own. */
export const emptyReply = (status: number): HttpReply => ({ status, headers: nothing, body: noBody });

/** An error of a handler that had set its type before. */
export const errorReply = (error: TritonError): HttpReply => ({
  status: httpStatus[error.code],
  headers: applicationJson,
  body: [errorBody(error.message)],
});

/** An error where no handler had set a type: it goes out as `text/plain`, after the length. */
export const plainErrorReply = (
  status: number,
  message: string,
  headers: readonly string[] = nothing,
): HttpReply => ({
  status,
  headers,
  body: [errorBody(message)],
});

export const methodNotAllowed = (type: "json" | "plain"): HttpReply => ({
  status: 405,
  headers: type === "json" ? applicationJson : nothing,
  body: [errorBody("Method Not Allowed")],
});

export const notFound: HttpReply = plainErrorReply(404, "Not Found");

const SMALL_BODY = 4096;

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Writes a reply with the header order of the real server (spec/triton-wire.md 1.1): the handler's own, the length of a
 * body, `Connection: close`, the length 0, `Connection: keep-alive`, and `Content-Type: text/plain` where no handler set one.
 */
export const sendReply = (request: IncomingMessage, response: ServerResponse, reply: HttpReply): void => {
  let byteSize = 0;
  for (const part of reply.body) byteSize += part.length;
  const modern = request.httpVersionMinor !== 0;
  const connection = request.headers.connection?.toLowerCase();
  const headers = [...reply.headers];
  if (byteSize > 0) headers.push("Content-Length", String(byteSize));
  if (modern && connection === "close") headers.push("Connection", "close");
  if (modern && byteSize === 0) headers.push("Content-Length", "0");
  if (!modern && connection === "keep-alive") headers.push("Connection", "keep-alive");
  if (!setsContentType(reply.headers)) headers.push("Content-Type", "text/plain");
  if (!modern) echoOldVersion(request.socket);
  if (response.headersSent || response.destroyed) return;
  // Nothing is added to what the real server sends: no Date, no Connection: keep-alive.
  response.sendDate = false;
  response.removeHeader("Connection");
  response.writeHead(reply.status, reasonPhrase[reply.status] ?? "", headers);
  const { body } = reply;
  if (byteSize <= SMALL_BODY) {
    // As a string the body leaves with the head in one write of one piece.
    let text = "";
    for (const part of body) text += asBuffer(part).toString("latin1");
    response.end(text, "latin1");
    return;
  }
  response.cork();
  for (let i = 0; i < body.length - 1; i++) response.write(body[i]);
  response.end(body.at(-1));
  response.uncork();
};

/** The status line echoes the version of the request; the runtime's own always says 1.1. */
const echoOldVersion = (socket: Socket): void => {
  const { write } = socket;
  socket.write = (chunk: unknown, ...rest: unknown[]): boolean => {
    socket.write = write;
    const text = typeof chunk === "string" ? chunk.replace(/^HTTP\/1\.1/, "HTTP/1.0") : chunk;
    return Reflect.apply(write, socket, [text, ...rest]);
  };
};

export const headText = (version: string, status: number, headers: readonly string[]): string => {
  let text = `${version} ${status} ${reasonPhrase[status] ?? ""}\r\n`;
  for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return `${text}\r\n`;
};

const setsContentType = (headers: readonly string[]): boolean => {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === "Content-Type") return true;
  return false;
};
