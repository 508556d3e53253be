import {
  isClose,
  isKeepAlive,
  LONGEST_FIELD,
  LONGEST_TARGET,
  type RawHeader,
  type RequestHead,
} from "./request-head.ts";

/** What is wanted next; `path` takes the query too. */
type State =
  | "start"
  | "method"
  | "before target"
  | "scheme"
  | "first slash"
  | "second slash"
  | "host"
  | "IPv6 host"
  | "after host"
  | "port"
  | "path"
  | "protocol"
  | "major"
  | "minor"
  | "after version"
  | "end of request line"
  | "first line"
  | "line"
  | "name"
  | "before value"
  | "value"
  | "end of line"
  | "next line"
  | "end of head";

/** What a head came to: see `LenientHeadReader.push`. */
export type HeadOutcome = "more" | "wait" | "broken" | RequestHead;

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const SLASH = 0x2f;
const COLON = 0x3a;

/** Both kinds of letters, where `code | 0x20` is asked. */
const isLetter = (code: number): boolean => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
const isHostCharacter = (code: number): boolean =>
  isLetter(code) || isDigit(code) || code === 0x2e || code === 0x2d;
const isMethodCharacter = (code: number): boolean => (code >= 0x41 && code <= 0x5a) || code === 0x5f;

/**
 * Reads the heads that `parseRequestHead` makes nothing of, byte by byte as libevhtp 1.2.18 does in 2.51.0: where that takes
 * what HTTP forbids, and at which byte it gives up. One reader for one head.
 */
export class LenientHeadReader {
  #state: State = "start";
  /** The word at hand. */
  #word = "";
  #method = "";
  /** Bytes of the target so far, scheme and authority included. */
  #targetLength = 0;
  #path = "";
  #query: string | null = null;
  /** A blank or a query came after it. */
  #hasPath = false;
  #protocolLeft = "HTTP/";
  #major = 0;
  #minor = 0;
  readonly #headers = new Map<string, string>();
  readonly #rawHeaders: RawHeader[] = [];
  /** Of a header whose value is not done. */
  #name: string | null = null;
  #valueOf = "";
  #contentLength = 0;
  #chunked = false;
  #asksForClose = false;
  #asksForKeepAlive = false;

  /**
   * Takes bytes from `start` on.
   * @returns how many it took, and what they came to: "more" are needed; "wait" = nothing that is there already is taken before
   * there are more; "broken" = the connection ends without an answer
   */
  push(bytes: Uint8Array, start: number): { readonly taken: number; readonly outcome: HeadOutcome } {
    for (let at = start; at < bytes.length; at++) {
      const outcome = this.#step(bytes[at]!);
      if (outcome !== "more") return { taken: at + 1 - start, outcome };
    }
    return { taken: bytes.length - start, outcome: "more" };
  }

  #step(code: number): HeadOutcome {
    switch (this.#state) {
      case "start":
        if (code === CR || code === LF) return "more";
        if (!isMethodCharacter(code)) return "broken";
        this.#state = "method";
        return this.#append(code);
      case "method":
        if (code === SPACE) {
          this.#method = this.#word;
          this.#state = "before target";
          return "more";
        }
        return isMethodCharacter(code) ? this.#append(code) : "broken";
      case "before target":
        return this.#startTarget(code);
      case "scheme":
        this.#targetLength++;
        if (code === COLON) this.#state = "first slash";
        else if (!isLetter(code)) return "broken";
        return "more";
      case "first slash":
      case "second slash":
        this.#targetLength++;
        if (code !== SLASH) return "broken";
        this.#state = this.#state === "first slash" ? "second slash" : "host";
        return "more";
      case "host":
        if (code === OPENING_BRACKET) {
          this.#state = "IPv6 host";
          return this.#lengthen();
        }
        return isHostCharacter(code) ? this.#lengthen() : this.#endHost(code);
      case "IPv6 host":
        if (code === CLOSING_BRACKET) this.#state = "after host";
        else if (
          !isDigit(code) &&
          code !== COLON &&
          code !== 0x2e &&
          !((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66)
        )
          return "broken";
        return this.#lengthen();
      case "after host":
        return this.#endHost(code);
      case "port":
        if (isDigit(code)) {
          this.#word += String.fromCharCode(code);
          return this.#lengthen();
        }
        return Number(this.#word) <= 65_535 ? this.#startPath(code) : "broken";
      case "path":
        return this.#readPath(code);
      case "protocol":
        return this.#readProtocol(code);
      case "major":
      case "minor":
      case "after version":
        return this.#readVersion(code);
      default:
        return this.#readLine(code);
    }
  }

  #append(code: number): HeadOutcome {
    if (this.#word.length >= LONGEST_FIELD) return "broken";
    this.#word += String.fromCharCode(code);
    return "more";
  }

  #lengthen(): HeadOutcome {
    this.#targetLength++;
    return this.#targetLength > LONGEST_TARGET ? "broken" : "more";
  }

  #startTarget(code: number): HeadOutcome {
    if (code === SPACE) return "more";
    this.#targetLength = 1;
    if (this.#method === "CONNECT") {
      if (code === OPENING_BRACKET) this.#state = "IPv6 host";
      else if (isHostCharacter(code)) this.#state = "host";
      else return "broken";
      return "more";
    }
    if (code === SLASH) {
      this.#path = "/";
      this.#state = "path";
    } else if (isLetter(code)) this.#state = "scheme";
    else return "broken";
    return "more";
  }

  #endHost(code: number): HeadOutcome {
    if (code !== COLON) return this.#startPath(code);
    this.#state = "port";
    this.#word = "";
    return this.#lengthen();
  }

  /** After an authority; without a path it is `/`. */
  #startPath(code: number): HeadOutcome {
    if (code !== SPACE && code !== SLASH) return "broken";
    this.#path = "/";
    this.#state = "path";
    return code === SPACE ? this.#readPath(code) : this.#lengthen();
  }

  #readPath(code: number): HeadOutcome {
    if (code === SPACE) {
      this.#hasPath = true;
      this.#state = "protocol";
      return "more";
    }
    if (code === CR || code === LF) return this.#endWithoutVersion(code);
    const character = String.fromCharCode(code);
    if (this.#query !== null) this.#query += character;
    else if (character === "?") {
      this.#query = "";
      this.#hasPath = true;
    } else this.#path += character;
    return this.#lengthen();
  }

  /** Blanks, then `HTTP/`. */
  #readProtocol(code: number): HeadOutcome {
    const untouched = this.#protocolLeft.length === "HTTP/".length;
    if (untouched && code === SPACE) return "more";
    if (untouched && (code === CR || code === LF)) return this.#endWithoutVersion(code);
    if (code !== this.#protocolLeft.charCodeAt(0)) return "broken";
    this.#protocolLeft = this.#protocolLeft.slice(1);
    if (this.#protocolLeft === "") this.#state = "major";
    this.#word = "";
    return "more";
  }

  #endWithoutVersion(code: number): HeadOutcome {
    this.#minor = 9;
    this.#state = code === CR ? "end of request line" : "line";
    return "more";
  }

  /** Numbers of a byte each, as many digits as there are. */
  #readVersion(code: number): HeadOutcome {
    if (this.#state === "major" && isDigit(code) && (this.#word !== "" || code !== 0x30)) {
      this.#word = "seen";
      this.#major = (this.#major * 10 + code - 0x30) & 0xff;
      return "more";
    }
    if (this.#state === "major") {
      if (code !== 0x2e || this.#word === "") return "broken";
      this.#state = "minor";
      this.#word = "";
      return "more";
    }
    if (this.#state === "minor" && isDigit(code)) {
      this.#word = "seen";
      this.#minor = (this.#minor * 10 + code - 0x30) & 0xff;
      return "more";
    }
    if (this.#word === "") return "broken";
    if (code === CR) this.#state = "end of request line";
    else if (code === SPACE) this.#state = "after version";
    else if (code === LF && this.#state === "after version") this.#state = "line";
    else return "broken";
    return "more";
  }

  #readLine(code: number): HeadOutcome {
    switch (this.#state) {
      case "end of request line":
        if (code !== LF) return "broken";
        this.#state = "first line";
        return "more";
      case "first line":
        if (code === LF) return "wait";
        if (code === CR) {
          this.#state = "end of head";
          return "more";
        }
        return this.#startLine(code);
      case "line":
        return this.#startLine(code);
      case "name":
        if (code === COLON) return this.#endName();
        if (code === CR || code === LF) {
          this.#state = code === CR ? "end of line" : "next line";
          return "more";
        }
        return this.#append(code);
      case "before value":
        if (code === SPACE) return "more";
        if (code === LF) return "broken";
        this.#state = "value";
        if (code === CR) {
          this.#word = " ";
          return this.#endValueLine();
        }
        return this.#append(code);
      case "value":
        if (code === LF) return "broken";
        return code === CR ? this.#endValueLine() : this.#append(code);
      case "end of line":
        if (code !== LF) return "broken";
        this.#state = "next line";
        return "more";
      case "next line":
        return this.#afterLine(code);
      default:
        return code === LF ? this.#whole() : "broken";
    }
  }

  #startLine(code: number): HeadOutcome {
    this.#word = "";
    this.#state = code === CR ? "end of line" : code === LF ? "next line" : "name";
    return this.#state === "name" ? this.#append(code) : "more";
  }

  #endName(): HeadOutcome {
    this.#name = this.#word;
    this.#valueOf = this.#word.toLowerCase();
    this.#word = "";
    this.#state = "before value";
    return "more";
  }

  /** A line that follows with a tab goes on with the value, which is then looked at again. */
  #endValueLine(): HeadOutcome {
    const value = this.#word;
    this.#state = "end of line";
    switch (this.#valueOf) {
      case "content-length": {
        const length = readLength(value);
        if (length === null) return "broken";
        this.#contentLength = length;
        break;
      }
      case "transfer-encoding":
        this.#chunked ||= /^[Cc]hunked$/.test(value);
        break;
      case "connection":
        this.#asksForClose ||= isClose(value);
        this.#asksForKeepAlive ||= isKeepAlive(value);
        break;
    }
    return "more";
  }

  #afterLine(code: number): HeadOutcome {
    if (code === LF) return "broken";
    if (code === TAB) {
      this.#state = "value";
      return "more";
    }
    // A line without a colon is a value that no name is left for.
    if (this.#name === null) return "broken";
    const header = { name: this.#name, value: this.#word === " " ? "" : this.#word };
    this.#rawHeaders.push(header);
    const key = header.name.toLowerCase();
    if (!this.#headers.has(key)) this.#headers.set(key, header.value);
    this.#name = null;
    if (code === CR) {
      this.#state = "end of head";
      return "more";
    }
    this.#word = "";
    this.#state = "name";
    return this.#append(code);
  }

  #whole(): HeadOutcome {
    const modern = this.#major > 0 && this.#minor > 0;
    const nul = this.#path.indexOf("\0");
    const contentLength = this.#chunked ? null : this.#contentLength;
    const first = this.#headers.get("content-length");
    const stated = first === undefined ? contentLength : leadingNumber(first);
    return {
      method: this.#method,
      path: nul < 0 ? this.#path : this.#path.slice(0, nul),
      query: this.#query ?? "",
      version: `${digit(this.#major)}.${digit(this.#minor)}`,
      versionMinor: modern && this.#minor < 0x80 ? 1 : 0,
      headers: this.#headers,
      rawHeaders: this.#rawHeaders,
      contentLength,
      ...(stated === null || stated === contentLength ? {} : { statedLength: stated }),
      keepAlive: modern ? !this.#asksForClose : this.#asksForKeepAlive,
      expectsContinue: this.#headers.has("expect"),
      ...(this.#hasPath ? {} : { unanswered: true }),
    };
  }
}

const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
/** A number above 9 is written as what stands so far behind the digit 0. */
const digit = (number: number): string => String.fromCharCode((0x30 + number) & 0xff);

/** As `atoi` of glibc reads a length: up to 63 bits, of which it keeps 32. */
const leadingNumber = (text: string): number => {
  const value = BigInt(/^\s*(\d+)/.exec(text)?.[1] ?? 0);
  return Number(BigInt.asIntN(32, value < 2n ** 63n ? value : 2n ** 63n - 1n));
};

/** Null = not a length, or, mostly, more than 64 bits. */
const readLength = (text: string): number | null => {
  const digits = text.replace(/[ \t]+$/, "");
  if (!/^\d{0,20}$/.test(digits)) return null;
  let value = 0n;
  for (const character of digits) {
    const next = BigInt.asUintN(64, value * 10n + BigInt(character));
    if (value !== 0n && next <= value) return null;
    value = next;
  }
  return Number(value);
};
