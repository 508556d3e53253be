import type { RequestHead } from "./request-head.ts";

/** What a handler answers. `headers` are those it sets itself, name and value in turn, in the order of the wire. */
export interface HttpReply {
  readonly status: number;
  readonly headers: readonly string[];
  /** Written one after the other; empty = no body. */
  readonly body: readonly Uint8Array[];
  /** Bytes of a body that is not in `body`: one that HEAD only tells of, or that follows bit by bit. */
  readonly statedByteSize?: number;
  /** An injected fault: only so many bytes of the answer are sent, then the connection ends. */
  readonly breakAfterBytes?: number;
}

/**
 * Reason phrases as the real server writes them: 405 is "Not Allowed", and 507 it does not know. Those that it never answers
 * are AWS's.
 */
const reasonPhrase: Readonly<Record<number, string>> = {
  200: "OK",
  202: "Accepted",
  204: "No Content",
  206: "Partial Content",
  304: "Not Modified",
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Not Allowed",
  409: "Conflict",
  411: "Length Required",
  412: "Precondition Failed",
  413: "Request Entity Too Large",
  416: "Requested Range Not Satisfiable",
  424: "Failed Dependency",
  429: "Too Many Requests",
  500: "Internal Server Error",
  501: "Not Implemented",
  503: "Service Unavailable",
  507: "UNKNOWN",
};

/** A request without a version is answered as one of HTTP/1.0, and not told that its connection is kept (2.51.0). */
const isVersionless = ({ version }: RequestHead): boolean => version?.startsWith("0") === true;

const versionOf = (request: RequestHead): string =>
  isVersionless(request) ? "1.0" : (request.version ?? `1.${request.versionMinor}`);

/**
 * Status line and headers, up to the empty line, in the order of the real server (spec/triton-wire.md 1.1): the handler's
 * own, the length of a body (null = it comes in chunks), `Connection: close`, the length 0, `Connection: keep-alive`, and `Content-Type: text/plain`
 * where no handler set one. There is no Date and no Server. 204 and 304 have no length.
 */
export const replyHead = (request: RequestHead, reply: HttpReply, bodyByteSize: number | null): string => {
  const { headers, status } = reply;
  const modern = request.versionMinor === 1;
  let text = `HTTP/${versionOf(request)} ${status} ${reasonPhrase[status] ?? ""}\r\n`;
  let typed = false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name === "Content-Type") typed = true;
    text += `${name}: ${headers[i + 1]}\r\n`;
  }
  if (bodyByteSize === null && modern) text += "Transfer-Encoding: chunked\r\n";
  if (bodyByteSize !== null && bodyByteSize > 0) text += `Content-Length: ${bodyByteSize}\r\n`;
  if (modern && !request.keepAlive) text += "Connection: close\r\n";
  if (modern && bodyByteSize === 0 && status !== 204 && status !== 304) text += "Content-Length: 0\r\n";
  if (!modern && request.keepAlive && bodyByteSize !== null && !isVersionless(request))
    text += "Connection: keep-alive\r\n";
  if (!typed) text += "Content-Type: text/plain\r\n";
  return `${text}\r\n`;
};
