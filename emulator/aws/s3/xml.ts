import { xmlText } from "../wire/protocols/xml.ts";
import { s3Error } from "./s3-error.ts";

const NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

type Value = string | number | boolean | null | undefined | Elements | readonly Elements[];

/** Lists are elements that repeat; what is null or undefined is left out. */
export interface Elements {
  readonly [name: string]: Value | readonly Value[];
}

/** The body of an answer. */
export const document = (root: string, content: Elements | string): Buffer =>
  Buffer.from(
    `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${NAMESPACE}">${
      typeof content === "string" ? xmlText(content) : elements(content)
    }</${root}>`,
  );

const elements = (content: Elements): string =>
  Object.entries(content)
    .map(([name, value]) => {
      const all: readonly unknown[] = Array.isArray(value) ? value : [value];
      return all.map((one) => element(name, one)).join("");
    })
    .join("");

const element = (name: string, value: unknown): string => {
  if (value === null || value === undefined) return "";
  return `<${name}>${isElements(value) ? elements(value) : xmlText(String(value))}</${name}>`;
};

const isElements = (value: unknown): value is Elements => typeof value === "object" && value !== null;

/** An element of a request. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** Of an element without children. */
  readonly text: string;
}

const DEEPEST = 16;
const token =
  /<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)(?:[\w.-]+:)?([\w.-]+)(?:\s[^<>]*?)?(\/?)>|([^<]+)/y;

/**
 * The root of a body.
 * @throws AwsError `MalformedXML`, also for another root than `name`
 */
export const readXml = (body: Buffer, name: string): XmlElement => {
  const text = body
    .toString("utf8")
    .replace(/^\ufeff/, "")
    .trim();
  const top: Open = { name: "", children: [], text: "" };
  const open: Open[] = [top];
  token.lastIndex = 0;
  for (let at = 0; at < text.length; at = token.lastIndex) {
    const found = token.exec(text);
    const inner = open.at(-1);
    if (found === null || inner === undefined) throw s3Error.malformedXml();
    const [, data, closing, tag, empty, plain] = found;
    if (data !== undefined) inner.text += data;
    else if (plain !== undefined) inner.text += unescaped(plain);
    else if (tag !== undefined && closing === "/") {
      if (inner.name !== tag || open.length === 1) throw s3Error.malformedXml();
      open.pop();
    } else if (tag !== undefined) {
      const begun: Open = { name: tag, children: [], text: "" };
      inner.children.push(begun);
      if (empty !== "/") open.push(begun);
      if (open.length > DEEPEST) throw s3Error.malformedXml();
    }
  }
  const [root] = top.children;
  if (open.length !== 1 || top.children.length !== 1 || root?.name !== name) throw s3Error.malformedXml();
  return root;
};

interface Open {
  readonly name: string;
  readonly children: Open[];
  text: string;
}

/** The text of the child of that name; null = there is none. */
export const childText = ({ children }: XmlElement, name: string): string | null =>
  children.find((child) => child.name === name)?.text ?? null;

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

const unescaped = (text: string): string =>
  text.replace(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(\w+));|&/g, (_, decimal, hex, name) => {
    const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : -1;
    const character = code >= 0 && code <= 0x10ffff ? String.fromCodePoint(code) : named[name ?? ""];
    if (character === undefined) throw s3Error.malformedXml();
    return character;
  });
