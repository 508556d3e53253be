import { upToNul } from "../../common/c-string.ts";

/**
 * Strings as the server's RapidJSON writes them: only `"`, `\` and what lies below a space is escaped, with upper-case
 * hexadecimal digits; everything else, `/` and bytes that are not UTF-8 included, goes out as it is (spec/triton-wire.md 4).
 */

/** A JSON string with its quotes. */
export const jsonString = (text: string): string => {
  for (let i = 0; i < text.length; i++)
    if (needsEscape(text.charCodeAt(i))) return `"${escapeText(text, i)}"`;
  return `"${text}"`;
};

/** `{"error":"<message>"}`, the body of every error: texts of errors are C strings. */
export const errorBody = (message: string): Buffer =>
  Buffer.from(`{"error":${jsonString(upToNul(message))}}`);

/** The most bytes that `writeJsonBytes` makes of one byte. */
export const maxEscapedByteSize = 6;

/** Writes bytes `start` to `end` as the inside of a JSON string into `out` at `at`; gives the end of what it wrote. */
export const writeJsonBytes = (
  out: Uint8Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): number => {
  let position = at;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (!needsEscape(byte)) {
      out[position++] = byte;
      continue;
    }
    const escaped = escapes[byte]!;
    for (let j = 0; j < escaped.length; j++) out[position++] = escaped.charCodeAt(j);
  }
  return position;
};

const needsEscape = (code: number): boolean => code < 0x20 || code === 0x22 || code === 0x5c;

/** By character code; absent = written as it is. */
const escapes: (string | undefined)[] = [];
for (let code = 0; code < 0x20; code++) {
  escapes[code] = `\\u00${code.toString(16).toUpperCase().padStart(2, "0")}`;
}
for (const [character, written] of [
  ["\b", "\\b"],
  ["\f", "\\f"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  ["\t", "\\t"],
  ['"', '\\"'],
  ["\\", "\\\\"],
] as const) {
  escapes[character.charCodeAt(0)] = written;
}

const escapeText = (text: string, from: number): string => {
  let escaped = text.slice(0, from);
  for (let i = from; i < text.length; i++) escaped += escapes[text.charCodeAt(i)] ?? text[i];
  return escaped;
};
