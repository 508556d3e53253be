import { OutputMap } from "../output-map.ts";
import { Timestamp } from "../timestamp.ts";

/** Names and values as elements, one after the other: lists have `<member>`s, what is undefined or null is left out. */
export const xmlElements = (value: object): string =>
  Object.entries(value)
    .map(([name, one]) => (one === undefined || one === null ? "" : xmlElement(name, one)))
    .join("");

export const xmlElement = (name: string, value: unknown): string => `<${name}>${content(value)}</${name}>`;

/** Characters that XML cannot carry at all become U+FFFD. */
export const xmlText = (text: string): string =>
  text.replace(
    /[&<>"\p{Cc}\ufffe\uffff]/gu,
    (char) => escapes[char] ?? (char >= "\x7f" && char <= "\x9f" ? char : "\ufffd"),
  );

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\r": "&#xD;",
  "\n": "\n",
  "\t": "\t",
};

const content = (value: unknown): string => {
  if (value instanceof Timestamp) return value.iso;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map((one) => xmlElement("member", one)).join("");
  if (value instanceof OutputMap) {
    return Object.entries(value)
      .map(([key, one]) => xmlElement("entry", { key, value: one }))
      .join("");
  }
  return typeof value === "object" && value !== null ? xmlElements(value) : xmlText(String(value));
};
