export type TokenKind = "start" | "end" | "identifier" | "integer" | "float" | "string" | "symbol";

export interface Token {
  readonly kind: TokenKind;
  /** As written; one character a byte. */
  readonly text: string;
  /** Both count from 0; the column counts bytes, and tabs move to the next multiple of 8. */
  readonly line: number;
  readonly column: number;
}

const code = (character: string): number => character.charCodeAt(0);
const tab = code("\t");
const newline = code("\n");
const backslash = code("\\");

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
const isOctal = (c: number): boolean => c >= 48 && c <= 55;
const isHex = (c: number): boolean => isDigit(c) || (c >= 97 && c <= 102) || (c >= 65 && c <= 70);
const isLetter = (c: number): boolean => (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === code("_");
const isAlphanumeric = (c: number): boolean => isLetter(c) || isDigit(c);
const isSpace = (c: number): boolean => c === code(" ") || (c >= tab && c <= 13);
/** A NUL and the end of the input are both 0, as for protobuf's own tokenizer. */
const isUnprintable = (c: number): boolean => c < 32;

/**
 * Splits protobuf text format into tokens. A fault is reported and read over, as protobuf does it: one file can give
 * several messages, and whoever parses has to fail in the end if there was any.
 */
export class TextTokenizer {
  #text: string;
  #position = 0;
  #line = 0;
  #column = 0;
  #report: (line: number, column: number, message: string) => void;
  current: Token = { kind: "start", text: "", line: 0, column: 0 };

  /** @param text one character a byte (latin1 of the file's bytes) */
  constructor(text: string, report: (line: number, column: number, message: string) => void) {
    this.#text = text;
    this.#report = report;
  }

  /** Moves to the next token; stays on `end`. */
  next(): void {
    for (;;) {
      this.#skipSpaceAndComments();
      if (this.#atEnd()) {
        this.current = { kind: "end", text: "", line: this.#line, column: this.#column };
        return;
      }
      if (!isUnprintable(this.#code())) break;
      this.#error("Invalid control characters encountered in text.");
      while (!this.#atEnd() && isUnprintable(this.#code()) && !isSpace(this.#code())) this.#advance();
    }
    const start = this.#position;
    const line = this.#line;
    const column = this.#column;
    const kind = this.#token();
    this.current = { kind, text: this.#text.slice(start, this.#position), line, column };
  }

  #token(): TokenKind {
    const first = this.#code();
    if (isLetter(first)) {
      this.#skip(isAlphanumeric);
      return "identifier";
    }
    if (isDigit(first)) return this.#number();
    if (first === code(".")) {
      const identifierJustBefore =
        this.current.kind === "identifier" &&
        this.current.line === this.#line &&
        this.current.column + this.current.text.length === this.#column;
      this.#advance();
      if (!isDigit(this.#code())) return "symbol";
      if (identifierJustBefore) this.#error("Need space between identifier and decimal point.");
      return this.#fraction();
    }
    if (first === code('"') || first === code("'")) {
      this.#string();
      return "string";
    }
    if (first >= 0x80) this.#error(`Interpreting non ascii codepoint ${first}.`);
    this.#advance();
    return "symbol";
  }

  #number(): TokenKind {
    const startsWithZero = this.#take("0");
    if (startsWithZero && (this.#take("x") || this.#take("X"))) {
      if (!isHex(this.#code())) this.#error('"0x" must be followed by hex digits.');
      this.#skip(isHex);
      return this.#endOfNumber("integer");
    }
    if (startsWithZero && isDigit(this.#code())) {
      this.#skip(isOctal);
      if (isDigit(this.#code())) {
        this.#error("Numbers starting with leading zero must be in octal.");
        this.#skip(isDigit);
      }
      return this.#endOfNumber("integer");
    }
    this.#skip(isDigit);
    if (this.#take(".")) return this.#fraction();
    return this.#exponent("integer");
  }

  /** What follows the decimal point. */
  #fraction(): TokenKind {
    this.#skip(isDigit);
    return this.#exponent("float");
  }

  #exponent(before: TokenKind): TokenKind {
    let kind = before;
    if (this.#take("e") || this.#take("E")) {
      kind = "float";
      if (!this.#take("-")) this.#take("+");
      if (!isDigit(this.#code())) this.#error('"e" must be followed by exponent.');
      this.#skip(isDigit);
    }
    if (this.#take("f") || this.#take("F")) kind = "float";
    return this.#endOfNumber(kind);
  }

  #endOfNumber(kind: TokenKind): TokenKind {
    if (isLetter(this.#code())) this.#error("Need space between number and identifier.");
    else if (this.#code() === code(".")) {
      this.#error(
        kind === "float"
          ? "Already saw decimal point or exponent; can't have another one."
          : "Hex and octal numbers must be integers.",
      );
    }
    return kind;
  }

  #string(): void {
    const delimiter = this.#code();
    this.#advance();
    for (;;) {
      const c = this.#code();
      if (c === 0) {
        this.#error("Unexpected end of string.");
        return;
      }
      if (c === newline) {
        this.#error("String literals cannot cross line boundaries.");
        return;
      }
      this.#advance();
      if (c === delimiter) return;
      if (c === backslash) this.#escape();
    }
  }

  #escape(): void {
    const c = this.#code();
    if (c !== 0 && "abfnrtv\\?'\"".includes(String.fromCharCode(c))) this.#advance();
    else if (isOctal(c)) this.#advance();
    else if (this.#take("x") || this.#take("X")) {
      if (isHex(this.#code())) this.#advance();
      else this.#error("Expected hex digits for escape sequence.");
    } else if (this.#take("u")) {
      if (!this.#takeHex(4)) this.#error("Expected four hex digits for \\u escape sequence.");
    } else if (this.#take("U")) {
      const inRange = this.#take("0") && this.#take("0") && (this.#take("0") || this.#take("1"));
      if (!inRange || !this.#takeHex(5)) {
        this.#error("Expected eight hex digits up to 10ffff for \\U escape sequence");
      }
    } else this.#error("Invalid escape sequence in string literal.");
  }

  #skipSpaceAndComments(): void {
    for (;;) {
      this.#skip(isSpace);
      if (this.#code() !== code("#")) return;
      while (!this.#atEnd() && this.#code() !== newline) this.#advance();
    }
  }

  #skip(accepts: (c: number) => boolean): void {
    while (accepts(this.#code())) this.#advance();
  }

  #take(character: string): boolean {
    if (this.#code() !== code(character)) return false;
    this.#advance();
    return true;
  }

  #takeHex(digits: number): boolean {
    for (let i = 0; i < digits; i++) {
      if (!isHex(this.#code())) return false;
      this.#advance();
    }
    return true;
  }

  #atEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  #code(): number {
    return this.#atEnd() ? 0 : this.#text.charCodeAt(this.#position);
  }

  #advance(): void {
    const c = this.#code();
    this.#position++;
    if (c === newline) {
      this.#line++;
      this.#column = 0;
    } else if (c === tab) this.#column += 8 - (this.#column % 8);
    else this.#column++;
  }

  #error(message: string): void {
    this.#report(this.#line, this.#column, message);
  }
}

const simpleEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  "?": 63,
  "'": 39,
  '"': 34,
};

/** The value of a string token. */
export const stringValue = (token: Token): string => {
  const raw = token.text;
  const end = raw.length > 1 && raw.endsWith(raw[0]!) ? raw.length - 1 : raw.length;
  const bytes: number[] = [];
  let surrogate = 0;
  for (let at = 1; at < end; ) {
    if (raw[at] !== "\\" || at + 1 >= end) {
      bytes.push(raw.charCodeAt(at++));
      continue;
    }
    const written =
      /^\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/s.exec(
        raw.slice(at, Math.min(end, at + 10)),
      )!;
    at += written[0].length;
    const [, octal, hex, short, long, simple] = written;
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8) & 0xff);
    else if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (simple !== undefined) bytes.push(simpleEscapes[simple] ?? simple.charCodeAt(0));
    else {
      const unit = Number.parseInt(short ?? long ?? "", 16);
      if (short !== undefined && unit >= 0xd800 && unit < 0xdc00 && raw.startsWith("\\u", at)) {
        surrogate = unit;
        continue;
      }
      const isPair = surrogate !== 0 && unit >= 0xdc00 && unit < 0xe000;
      const point = isPair ? 0x10000 + ((surrogate - 0xd800) << 10) + (unit - 0xdc00) : unit;
      surrogate = 0;
      bytes.push(...Buffer.from(String.fromCodePoint(point)));
    }
  }
  return Buffer.from(bytes).toString("utf8");
};
