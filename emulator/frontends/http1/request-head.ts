/** The first lines of a request, up to the empty one. */
export interface RequestHead {
  readonly method: string;
  /**
   * As sent: not percent-decoded; without the query and, in the absolute form, without scheme and authority. A fragment is
   * part of it.
   */
  readonly path: string;
  /** HTTP/1.0 or HTTP/1.1 */
  readonly versionMinor: 0 | 1;
  /** By lower-case name; of several equal names the last. */
  readonly headers: ReadonlyMap<string, string>;
  /** In the client's order and spelling. */
  readonly rawHeaders: readonly { readonly name: string; readonly value: string }[];
  /** Bytes of the body; null = it comes in chunks. */
  readonly contentLength: number | null;
  /** Whether the connection stays open after the answer. */
  readonly keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

const requestLine = /^([A-Z][A-Z-]*) ([^\s]+) HTTP\/1\.([01])$/;
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/;
const absoluteForm = /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^/?]*/;
const authority = /^[^/\s]+:\d+$/;

/**
 * Reads a head. Null = broken: the connection is then to end without an answer, as the real server does it (2.51.0). Any
 * upper-case word is a method there.
 * @param text latin1, without the empty line
 */
export const parseRequestHead = (text: string): RequestHead | null => {
  const lines = text.split("\r\n");
  const request = requestLine.exec(lines[0]!);
  if (request === null) return null;
  const [, method = "", target = ""] = request;
  if (method === "CONNECT" && !authority.test(target)) return null;
  const headers = new Map<string, string>();
  const rawHeaders: { name: string; value: string }[] = [];
  for (let i = 1; i < lines.length; i++) {
    const header = headerLine.exec(lines[i]!);
    if (header === null) return null;
    const [, name = "", value = ""] = header;
    const key = name.toLowerCase();
    if (key === "content-length" && headers.has(key) && headers.get(key) !== value) return null;
    headers.set(key, value);
    rawHeaders.push({ name, value });
  }
  const versionMinor = request[3] === "0" ? 0 : 1;
  const contentLength = bodyLength(headers);
  if (contentLength === undefined) return null;
  const connection = headers.get("connection")?.toLowerCase();
  return {
    method,
    path: pathOf(target),
    versionMinor,
    headers,
    rawHeaders,
    contentLength,
    keepAlive: versionMinor === 1 ? connection !== "close" : connection === "keep-alive",
    expectsContinue: headers.has("expect"),
  };
};

/** Null = chunked; undefined = no length that can be believed. */
const bodyLength = (headers: ReadonlyMap<string, string>): number | null | undefined => {
  const encoding = headers.get("transfer-encoding");
  if (encoding !== undefined) return encoding.toLowerCase() === "chunked" ? null : undefined;
  const length = headers.get("content-length");
  if (length === undefined) return 0;
  if (!/^\d{1,15}$/.test(length)) return undefined;
  return Number(length);
};

const pathOf = (target: string): string => {
  let path = target;
  if (!path.startsWith("/")) {
    const start = absoluteForm.exec(path);
    if (start !== null) path = path.slice(start[0].length);
  }
  const query = path.indexOf("?");
  return query < 0 ? path : path.slice(0, query);
};
