/** A configuration with a field or an element less, the largest first; in the text format or in JSON, sound or not. */
export const smallerTexts = function* (text: string): Generator<string> {
  const plain = text.replace(/#.*$/gm, "");
  if (plain !== text) yield plain;
  const tokens = [...text.matchAll(/"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|#.*|[\w.+-]+|\S/g)].filter(
    ([token]) => !token.startsWith("#"),
  );
  const spans = tokens
    .map((_, index) => spanFrom(tokens, index, text.length))
    .filter((span) => span !== null);
  spans.sort(([a, b], [c, d]) => d - c - (b - a));
  for (const [start, end] of spans) yield text.slice(0, start) + text.slice(end);
};

type Span = readonly [start: number, end: number];

const opening = "{[<";
const closing = "}]>";

/** What begins with a token, to the separator behind it; null where nothing begins there. */
const spanFrom = (tokens: readonly RegExpExecArray[], index: number, length: number): Span | null => {
  const at = (place: number): string => tokens[place]?.[0] ?? "";
  if (",;:".includes(at(index)) || closing.includes(at(index)) || at(index - 1) === ":") return null;
  let next = index;
  if (!opening.includes(at(index))) {
    next++;
    if (at(next) === ":") next++;
    else if (!opening.includes(at(next)) || at(next) === "") next = index;
  }
  // Strings side by side are one.
  if (opening.includes(at(next))) next = behindGroup(at, next, tokens.length);
  else
    do next++;
    while (/^["']/.test(at(next - 1)) && /^["']/.test(at(next)));
  if (at(next) !== "" && ",;".includes(at(next))) next++;
  return [tokens[index]?.index ?? 0, tokens[next]?.index ?? length];
};

const behindGroup = (at: (place: number) => string, from: number, count: number): number => {
  let depth = 0;
  for (let place = from; place < count; place++) {
    if (opening.includes(at(place))) depth++;
    else if (closing.includes(at(place)) && --depth === 0) return place + 1;
  }
  return count;
};
