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
  /** HTTP/1.0 or HTTP/1.1 */
  readonly versionMinor: 0 | 1;
  /** By lower-case name; of several equal names the first. */
  readonly headers: ReadonlyMap<string, string>;
  /** In the client's order and spelling. */
  readonly rawHeaders: readonly RawHeader[];
  /** Bytes of the body; null = it comes in chunks. */
  readonly contentLength: number | null;
  /** Whether the connection stays open after the answer. */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

const requestLine = /^([A-Z_]+) +([^ \r\n]+) +HTTP\/1\.([01]) *$/;
const absoluteForm = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?#@]*(?=\/|$)/;
const authority = /^[^/\s]+:\d+$/;

/** Longer ones end the connection (seen on 2.51.0). */
const LONGEST_TARGET = 8189;
const LONGEST_FIELD = 8191;

/**
 * Reads a head. Null = broken: the connection is then to end without an answer, as the real server does it (2.51.0). Any
 * upper-case word is a method there. Heads whose length of a body can be read in two ways are broken here only.
 * @param text latin1, without the empty line
 */
export const parseRequestHead = (text: string): RequestHead | null => {
  const lines = text.split("\r\n");
  const request = requestLine.exec(lines[0]!);
  if (request === null) return null;
  const [, method = "", target = ""] = request;
  const path = target.length > LONGEST_TARGET ? null : pathOf(method, target);
  if (path === null) return null;
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
      // Only these ways of writing them count (2.51.0).
      asksForClose ||= /^[Cc]lose$/.test(header.value);
      asksForKeepAlive ||= /^[Kk]eep-[Aa]live$/.test(header.value);
    }
  }
  const versionMinor = request[3] === "0" ? 0 : 1;
  const contentLength = bodyLength(headers);
  if (contentLength === undefined) return null;
  return {
    method,
    path,
    query: queryOf(target),
    versionMinor,
    headers,
    rawHeaders,
    contentLength,
    keepAlive: !asksForClose && (versionMinor === 1 || asksForKeepAlive),
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

/** Null = chunked; undefined = no length that can be believed. */
const bodyLength = (headers: ReadonlyMap<string, string>): number | null | undefined => {
  const encoding = headers.get("transfer-encoding")?.trimEnd().toLowerCase() ?? "identity";
  if (encoding === "chunked") return null;
  if (encoding !== "identity") return undefined;
  const length = headers.get("content-length")?.trimEnd() ?? "";
  // A header without a value counts as 0 (seen on 2.51.0).
  if (length === "") return 0;
  return /^\d{1,15}$/.test(length) ? Number(length) : undefined;
};

/** Null = no target of a request. A path ends at a NUL, as in the real server (2.51.0). */
const pathOf = (method: string, target: string): string | null => {
  if (method === "CONNECT") return authority.test(target) ? target : null;
  let start = 0;
  if (!target.startsWith("/")) {
    const origin = absoluteForm.exec(target)?.[0];
    if (origin === undefined) return null;
    start = origin.length;
  }
  let end = target.indexOf("?", start);
  if (end < 0) end = target.length;
  const nul = target.indexOf("\0", start);
  return target.slice(start, nul < 0 ? end : Math.min(nul, end));
};

const queryOf = (target: string): string => {
  const mark = target.indexOf("?");
  return mark < 0 ? "" : target.slice(mark + 1);
};
