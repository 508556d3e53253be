/** What is left of a text that passes through a C string: names and numbers end at a NUL in the real server (2.51.0). */
export const upToNul = (text: string): string => {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
};
