/**
 * The same text with bytes of its own. A part of a text keeps the whole, and one that was put together keeps its parts: what
 * stays for long is not to keep a whole request.
 * @param text latin1
 */
export const onePiece = (text: string): string => Buffer.from(text, "latin1").toString("latin1");
