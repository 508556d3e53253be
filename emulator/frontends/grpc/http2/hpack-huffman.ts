import { huffmanCodeLengths } from "./hpack-tables.ts";

const END_OF_STRING = 256;
const LONGEST = 30;

/** Symbols by length of their code, then by value: the order of a canonical code. */
const symbols = huffmanCodeLengths
  .map((_, symbol) => symbol)
  .sort((a, b) => huffmanCodeLengths[a]! - huffmanCodeLengths[b]! || a - b);

/** For every length: the first code of that length, the place of its symbol, and how many there are. */
const firstCode: number[] = [];
const firstSymbol: number[] = [];
const codeCount: number[] = [];
let nextCode = 0;
let nextSymbol = 0;
for (let length = 0; length <= LONGEST; length++) {
  const count = huffmanCodeLengths.filter((bits) => bits === length).length;
  firstCode.push(nextCode);
  firstSymbol.push(nextSymbol);
  codeCount.push(count);
  nextCode = (nextCode + count) * 2;
  nextSymbol += count;
}

/** The text of a Huffman-coded string, one character a byte; null when it is not well-formed (RFC 7541, 5.2). */
export const decodeHuffman = (bytes: Uint8Array): string | null => {
  let text = "";
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length++;
      const offset = code - firstCode[length]!;
      if (offset < codeCount[length]!) {
        const symbol = symbols[firstSymbol[length]! + offset]!;
        if (symbol === END_OF_STRING) return null;
        text += String.fromCharCode(symbol);
        code = 0;
        length = 0;
      } else if (length === LONGEST) return null;
    }
  }
  // What is left is padding: fewer than eight bits, all of them one.
  return length < 8 && code === 2 ** length - 1 ? text : null;
};
