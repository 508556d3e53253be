/**
 * BYTES elements and JavaScript strings. ONNX Runtime's JavaScript interface takes and gives strings as UTF-8 text and
 * would replace every byte that is not; the real server lets such bytes pass. So a byte that is no part of valid UTF-8
 * travels as one code point of a private-use range, and a text that holds code points of that range travels with their
 * bytes escaped the same way: what goes in comes out. The graph itself sees the stand-ins, and a string constant of the
 * graph that is not UTF-8 is lost: that cannot be had through this interface.
 */

/** U+10FF00 + byte, for bytes 0x80 to 0xFF; in UTF-16: U+DBFF, then U+DF80 to U+DFFF. */
const HIGH_SURROGATE = 0xdbff;
const LOW_SURROGATE = 0xdf00;
const escapedText = /\udbff[\udf80-\udfff]/;

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The elements of a BYTES tensor as text, each up to its first NUL byte, where the real server ends it too. */
export const readStringElements = (data: Uint8Array, count: number): string[] => {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const elements: string[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const length = buffer.readUInt32LE(at);
    const start = at + 4;
    at = start + length;
    const nul = buffer.indexOf(0, start);
    elements.push(readText(buffer, start, nul >= start && nul < at ? nul : at));
  }
  return elements;
};

const readText = (buffer: Buffer, start: number, end: number): string => {
  const found = buffer.subarray(start, end);
  if (isAscii(found)) return buffer.toString("latin1", start, end);
  // TextDecoder takes no memory that threads share.
  const bytes = new Uint8Array(found);
  try {
    const text = strictUtf8.decode(bytes);
    return escapedText.test(text) ? escapeText(text) : text;
  } catch {
    return escapeBytes(bytes);
  }
};

const isAscii = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i]! >= 0x80) return false;
  }
  return true;
};

const escapeByte = (byte: number): string => String.fromCharCode(HIGH_SURROGATE, LOW_SURROGATE + byte);

const escapeText = (text: string): string =>
  text.replace(new RegExp(escapedText, "g"), (found) => Array.from(Buffer.from(found), escapeByte).join(""));

/** Keeps every valid sequence as text and escapes the other bytes, one by one. */
const escapeBytes = (bytes: Uint8Array): string => {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceLength(bytes, at);
    if (length === 0) text += escapeByte(bytes[at++]!);
    else {
      const piece = Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString("utf8");
      text += escapedText.test(piece) ? escapeText(piece) : piece;
      at += length;
    }
  }
  return text;
};

/** Bytes of the UTF-8 sequence that begins here; 0 where none does. */
const sequenceLength = (bytes: Uint8Array, at: number): number => {
  const lead = bytes[at]!;
  const length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (length === 1) return 1;
  try {
    strictUtf8.decode(bytes.subarray(at, at + length));
    return at + length <= bytes.length ? length : 0;
  } catch {
    return 0;
  }
};

/** Text as BYTES elements: 4-byte little-endian length, then the bytes. */
export const writeStringElements = (elements: readonly string[]): Uint8Array => {
  let size = 0;
  const escaped: (Buffer | null)[] = [];
  for (const text of elements) {
    const bytes = escapedText.test(text) ? unescapeText(text) : null;
    escaped.push(bytes);
    size += 4 + (bytes?.length ?? Buffer.byteLength(text));
  }
  const buffer = Buffer.alloc(size);
  let at = 0;
  for (const [index, text] of elements.entries()) {
    const bytes = escaped[index];
    const length = bytes ? bytes.copy(buffer, at + 4) : buffer.write(text, at + 4);
    buffer.writeUInt32LE(length, at);
    at += 4 + length;
  }
  return buffer;
};

const unescapeText = (text: string): Buffer => {
  const parts: Buffer[] = [];
  let from = 0;
  for (const found of text.matchAll(new RegExp(escapedText, "g"))) {
    parts.push(
      Buffer.from(text.slice(from, found.index)),
      Buffer.from([text.charCodeAt(found.index + 1) - LOW_SURROGATE]),
    );
    from = found.index + 2;
  }
  parts.push(Buffer.from(text.slice(from)));
  return Buffer.concat(parts);
};
