export interface RawHeader {
  readonly name: string;
  readonly value: string;
}

/** The first lines of a request, up to the empty one. */
export interface RequestHead {
  readonly method: string;
  /**
   * As sent: not percent-decoded; without the query and, in the absolute form, without scheme and authority. A fragment is
   * part of it.
   */
  readonly path: string;
  /** What stands after the `?`, as sent; empty where there is none. */
  readonly query: string;
  /** The version whose rules hold: HTTP/1.0 or HTTP/1.1. */
  readonly versionMinor: 0 | 1;
  /** As the client names it, where that is neither: `2.0`, and `0.9` for none at all. */
  readonly version?: string;
  /** By lower-case name; of several equal names the first. */
  readonly headers: ReadonlyMap<string, string>;
  /** In the client's order and spelling. */
  readonly rawHeaders: readonly RawHeader[];
  /** Bytes of the body; null = it comes in chunks. */
  readonly contentLength: number | null;
  /**
   * What the first `Content-Length` says, where that is not `contentLength`: the real server's inference believes it, however the
   * body came (2.51.0).
   */
  readonly statedLength?: number;
  /** Whether the connection stays open after the answer. */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** Its line ends in its target: the real server neither answers it nor closes (2.51.0). */
  readonly unanswered?: true;
}

const requestLine = /^([A-Z_]+) +(\/[^ \r\n]*) +HTTP\/1\.([01]) *$/;

/** Longer ones end the connection (seen on 2.51.0). */
export const LONGEST_TARGET = 8189;
export const LONGEST_FIELD = 8191;

/** Only these ways of writing `Connection` count (2.51.0). */
export const isClose = (value: string): boolean => value === "close" || value === "Close";
export const isKeepAlive = (value: string): boolean => /^[Kk]eep-[Aa]live$/.test(value);

/**
 * Reads a head as it should be. Null = it is not: what it comes to then, `LenientHeadReader` finds out. Any upper-case word is a
 * method (2.51.0).
 * @param text latin1, without the empty line
 */
export const parseRequestHead = (text: string): RequestHead | null => {
  const lines = text.split("\r\n");
  const request = requestLine.exec(lines[0]!);
  if (request === null) return null;
  const [, method = "", target = ""] = request;
  if (target.length > LONGEST_TARGET || method.length > LONGEST_FIELD || method === "CONNECT") return null;
  const headers = new Map<string, string>();
  const rawHeaders: RawHeader[] = [];
  let asksForClose = false;
  let asksForKeepAlive = false;
  for (let i = 1; i < lines.length; i++) {
    const header = parseHeader(lines[i]!);
    if (header === null) return null;
    rawHeaders.push(header);
    const key = header.name.toLowerCase();
    const first = headers.get(key);
    if (first === undefined) headers.set(key, header.value);
    else if (first !== header.value && (key === "content-length" || key === "transfer-encoding")) return null;
    if (key === "connection") {
      asksForClose ||= isClose(header.value);
      asksForKeepAlive ||= isKeepAlive(header.value);
    }
  }
  const versionMinor = request[3] === "0" ? 0 : 1;
  const contentLength = bodyLength(headers);
  if (contentLength === undefined) return null;
  return {
    method,
    path: pathOf(target),
    query: queryOf(target),
    versionMinor,
    headers,
    rawHeaders,
    contentLength,
    keepAlive: versionMinor === 1 ? !asksForClose : asksForKeepAlive,
    expectsContinue: headers.has("expect"),
  };
};

/** Null = broken. Of the blanks around a value only spaces before it are taken away (2.51.0). */
const parseHeader = (line: string): RawHeader | null => {
  const colon = line.indexOf(":");
  if (colon < 1 || colon > LONGEST_FIELD) return null;
  for (let i = 0; i < colon; i++) {
    const code = line.charCodeAt(i);
    if (code <= SPACE || code === DELETE) return null;
  }
  let start = colon + 1;
  while (line.charCodeAt(start) === SPACE) start++;
  const value = line.slice(start);
  if (value.length > LONGEST_FIELD || value.includes("\r") || value.includes("\n")) return null;
  return { name: line.slice(0, colon), value };
};

const SPACE = 0x20;
const DELETE = 0x7f;

/** Null = chunked; undefined = not as it should be. */
const bodyLength = (headers: ReadonlyMap<string, string>): number | null | undefined => {
  const encoding = headers.get("transfer-encoding");
  const length = headers.get("content-length");
  if (encoding !== undefined) return encoding === "chunked" && length === undefined ? null : undefined;
  if (length === undefined) return 0;
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
};

/** A path ends at a NUL, as in the real server (2.51.0). */
const pathOf = (target: string): string => {
  const mark = target.indexOf("?");
  const end = mark < 0 ? target.length : mark;
  const nul = target.indexOf("\0");
  return target.slice(0, nul < 0 ? end : Math.min(nul, end));
};

const queryOf = (target: string): string => {
  const mark = target.indexOf("?");
  return mark < 0 ? "" : target.slice(mark + 1);
};
