import type { Chance } from "../chance.ts";
import type { Written, WrittenMessage } from "./written.ts";

/** Writes a message in protobuf's JSON. @param free false = as most people do; true = with every liberty it gives */
export const writeJson = (written: WrittenMessage, chance: Chance, free: boolean): string =>
  new JsonWriter(chance, free).message(written);

class JsonWriter {
  readonly #chance: Chance;
  readonly #free: boolean;

  constructor(chance: Chance, free: boolean) {
    this.#chance = chance;
    this.#free = free;
  }

  message({ fields }: WrittenMessage): string {
    const members = fields.map(([name, value]) => `${this.#key(name)}${this.#colon()}${this.#field(value)}`);
    if (this.#once(20))
      members.push(`${this.#key(this.#chance.pick(["platform", "dims", "name", "kind"]))}:null`);
    return `{${this.#joined(members)}}`;
  }

  /** Commas between, and perhaps one too many. */
  #joined(parts: readonly string[]): string {
    const comma = this.#once(8) ? " ,\n" : ",";
    return `${parts.join(comma)}${parts.length > 0 && this.#once(12) ? "," : ""}`;
  }

  #colon(): string {
    return this.#once(8) ? " :\t" : ":";
  }

  #key(name: string): string {
    const camel = name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    const key = this.#once(3) ? camel : name;
    return this.#once(10) ? key : this.#string(key);
  }

  /** A list of one may do without its brackets. */
  #field(value: Written): string {
    const [first, second] = value.kind === "list" ? value.items : [];
    if (first !== undefined && second === undefined && this.#once(8)) return this.#value(first);
    return this.#value(value);
  }

  #value(value: Written): string {
    switch (value.kind) {
      case "message":
        return this.message(value);
      case "list": {
        const items = value.items.map((item) => this.#value(item));
        if (this.#once(24)) items.push(this.#once(2) ? "null" : "[]");
        return `[${this.#joined(items)}]`;
      }
      case "map": {
        const members = value.entries.map(
          ([key, item]) => `${this.#string(plainText(key))}${this.#colon()}${this.#value(item)}`,
        );
        return `{${this.#joined(members)}}`;
      }
      case "string":
        return this.#string(value.value);
      case "bool":
        return this.#once(4) ? this.#string(this.#boolText(value.value)) : String(value.value);
      case "integer":
        return this.#integer(value.value);
      case "float":
        return this.#float(value.value);
      case "enum":
        return this.#enum(value.name, value.number);
      case "verbatim":
        return value.text;
    }
  }

  #boolText(value: boolean): string {
    return this.#chance.pick(
      value ? ["true", "t", "yes", "1", "TRUE", "on"] : ["false", "f", "No", "0", "False", "off"],
    );
  }

  #integer(value: bigint): string {
    if (this.#once(5)) return this.#string(String(value));
    if (this.#once(10)) return `${value}.0`;
    if (this.#once(16)) return `${value}e0`;
    if (this.#once(24))
      return this.#string(this.#chance.pick([`+${value}`, `${value}.0`, ` ${value}`, `0${value}`]));
    return String(value);
  }

  #float(value: number): string {
    if (Number.isNaN(value)) return '"NaN"';
    if (!Number.isFinite(value)) return value < 0 ? '"-Infinity"' : '"Infinity"';
    return this.#once(4) ? this.#string(String(value)) : String(value);
  }

  #enum(name: string, number: number): string {
    if (this.#once(5)) return String(number);
    if (this.#once(10)) return this.#string(String(number));
    if (this.#once(8))
      return this.#string(this.#chance.pick([name.toLowerCase(), name.replaceAll("_", "-")]));
    return this.#string(name);
  }

  #string(value: string): string {
    const written = JSON.stringify(value);
    if (!this.#once(16)) return written;
    if (this.#once(2)) return `'${written.slice(1, -1).replaceAll("'", "\\'").replaceAll('\\"', '"')}'`;
    return written.replace(/[a-z]/g, (letter) =>
      this.#once(4) ? `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}` : letter,
    );
  }

  /** Once in so many times, where liberties are taken at all. */
  #once(times: number): boolean {
    return this.#free && this.#chance.oneIn(times);
  }
}

const plainText = (key: Written): string => {
  switch (key.kind) {
    case "string":
    case "integer":
    case "float":
    case "bool":
      return String(key.value);
    case "enum":
      return key.name;
    case "verbatim":
      return key.text;
    default:
      return "";
  }
};
