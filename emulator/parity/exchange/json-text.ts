/**
 * JSON as it is written: numbers and literals keep their text, members keep their order and may be there twice. What a JSON
 * parser would make of it is exactly what a comparison must not lose.
 */
export type JsonText =
  | { readonly kind: "object"; readonly members: readonly Member[] }
  | { readonly kind: "array"; readonly items: readonly JsonText[] }
  /** A number, `true`, `NaN`; or any text at all, which then stands where a value should. */
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "string"; readonly value: string };

export type Member = readonly [name: string, value: JsonText];

export const token = (text: string | number | boolean | bigint): JsonText => ({
  kind: "token",
  text: String(text),
});
export const string = (value: string): JsonText => ({ kind: "string", value });
export const array = (items: readonly JsonText[]): JsonText => ({ kind: "array", items });
export const object = (members: readonly Member[]): JsonText => ({ kind: "object", members });

/** The same as compact text. */
export const writeJsonText = (value: JsonText): string => {
  switch (value.kind) {
    case "token":
      return value.text;
    case "string":
      return JSON.stringify(value.value);
    case "array":
      return `[${value.items.map(writeJsonText).join()}]`;
    case "object":
      return `{${value.members.map(([name, member]) => `${JSON.stringify(name)}:${writeJsonText(member)}`).join()}}`;
  }
};

/** The first member of that name; undefined for anything else than an object that has one. */
export const memberOf = (value: JsonText | undefined, name: string): JsonText | undefined =>
  value?.kind === "object" ? value.members.find(([key]) => key === name)?.[1] : undefined;

/** Null where the text is not JSON; NaN and infinities, which the real server writes, are. */
export const readJsonText = (text: string): JsonText | null => {
  const reader = new Reader(text);
  const value = reader.value();
  return value !== null && reader.atEnd() ? value : null;
};

const tokenPattern = /(?:-?(?:\d[\d.eE+-]*|Infinity)|NaN|true|false|null)/y;
const stringPattern = /"(?:[^"\\]|\\[\s\S])*"/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    this.#blanks();
    return this.#at === this.#text.length;
  }

  value(): JsonText | null {
    this.#blanks();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object();
      case "[":
        return this.#array();
      case '"': {
        const value = this.#string();
        return value === null ? null : string(value);
      }
      default: {
        const text = this.#match(tokenPattern);
        return text === null ? null : token(text);
      }
    }
  }

  #object(): JsonText | null {
    const members: Member[] = [];
    this.#at++;
    if (this.#takes("}")) return object(members);
    for (;;) {
      this.#blanks();
      const name = this.#string();
      if (name === null || !this.#takes(":")) return null;
      const value = this.value();
      if (value === null) return null;
      members.push([name, value]);
      if (this.#takes("}")) return object(members);
      if (!this.#takes(",")) return null;
    }
  }

  #array(): JsonText | null {
    const items: JsonText[] = [];
    this.#at++;
    if (this.#takes("]")) return array(items);
    for (;;) {
      const value = this.value();
      if (value === null) return null;
      items.push(value);
      if (this.#takes("]")) return array(items);
      if (!this.#takes(",")) return null;
    }
  }

  #string(): string | null {
    const quoted = this.#match(stringPattern);
    if (quoted === null) return null;
    try {
      const value: string = JSON.parse(quoted);
      return value;
    } catch {
      // Control characters or escapes that JSON does not have: as they stand.
      return quoted.slice(1, -1);
    }
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }

  #takes(character: string): boolean {
    this.#blanks();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #blanks(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
}
