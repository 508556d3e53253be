/** What somebody wrote into a configuration, in the text format or in JSON: not yet a message, and it may be none. */
export type Written =
  | { readonly kind: "message"; readonly fields: readonly WrittenField[] }
  | { readonly kind: "list"; readonly items: readonly Written[] }
  | { readonly kind: "map"; readonly entries: readonly (readonly [key: Written, value: Written])[] }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "integer"; readonly value: bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "enum"; readonly name: string; readonly number: number }
  /** Stands there as it is. */
  | { readonly kind: "verbatim"; readonly text: string };

export type WrittenField = readonly [name: string, value: Written];
export type WrittenMessage = Extract<Written, { kind: "message" }>;

export const message = (...fields: WrittenField[]): WrittenMessage => ({ kind: "message", fields });
export const list = (items: readonly Written[]): Written => ({ kind: "list", items });
export const map = (entries: Readonly<Record<string, Written>>): Written => ({
  kind: "map",
  entries: Object.entries(entries).map(([key, value]) => [text(key), value]),
});
export const text = (value: string): Written => ({ kind: "string", value });
export const texts = (values: readonly string[]): Written => list(values.map(text));
export const bool = (value: boolean): Written => ({ kind: "bool", value });
export const integer = (value: number | bigint): Written => ({ kind: "integer", value: BigInt(value) });
export const integers = (values: readonly number[]): Written => list(values.map(integer));
export const float = (value: number): Written => ({ kind: "float", value });
/** @param number of the value; where nobody asks for enums by their numbers it may be left out */
export const word = (name: string, number = 0): Written => ({ kind: "enum", name, number });
