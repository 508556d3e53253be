import type { Chance } from "../chance.ts";
import type { Written, WrittenMessage } from "./written.ts";

/** Writes a message in protobuf's text format. @param free false = as most people do; true = with every liberty it gives */
export const writeText = (written: WrittenMessage, chance: Chance, free: boolean): string =>
  new TextWriter(chance, free).fields(written, "");

class TextWriter {
  readonly #chance: Chance;
  readonly #free: boolean;

  constructor(chance: Chance, free: boolean) {
    this.#chance = chance;
    this.#free = free;
  }

  fields({ fields }: WrittenMessage, indent: string): string {
    return fields.map(([name, value]) => this.#field(name, value, indent)).join("");
  }

  #field(name: string, value: Written, indent: string): string {
    if (value.kind === "map") return value.entries.map((entry) => this.#entry(name, entry, indent)).join("");
    if (value.kind !== "list") return this.#one(name, value, indent);
    if (value.items.length === 0) return this.#once(4) ? this.#line(`${name}${this.#colon()}[]`, indent) : "";
    if (this.#once(4)) return value.items.map((item) => this.#one(name, item, indent)).join("");
    const items = value.items.map((item) => this.#value(item, indent)).join(`,${this.#blank(" ")}`);
    return this.#line(`${name}${this.#colon()}[${this.#blank(" ")}${items}${this.#blank(" ")}]`, indent);
  }

  #entry(name: string, [key, value]: readonly [Written, Written], indent: string): string {
    const members = [this.#one("key", key, " "), this.#one("value", value, " ")];
    if (this.#once(8)) members.reverse();
    if (this.#once(24)) members.splice(this.#chance.below(2), 1);
    return this.#line(`${name} ${this.#braces(members.join(""))}`, indent);
  }

  #one(name: string, value: Written, indent: string): string {
    const colon = value.kind === "message" && !this.#once(6) ? this.#blank(" ") : this.#colon();
    return this.#line(`${name}${colon}${this.#value(value, indent)}`, indent);
  }

  #line(line: string, indent: string): string {
    if (!this.#free) return `${indent}${line}\n`;
    const end = this.#chance.weighted([
      [6, "\n"],
      [2, ","],
      [2, ";"],
      [1, ' # , } > "\n'],
      [1, " "],
      [1, "\r\n"],
      [1, "\t\v\f"],
      [1, ";\n# ü\n"],
    ]);
    return `${indent}${line}${end}`;
  }

  #colon(): string {
    if (!this.#free) return ": ";
    return this.#chance.pick([": ", ": ", ":", " : ", ":#:\n", ":\n\n"]);
  }

  #blank(usual: string): string {
    return this.#free ? this.#chance.pick([usual, usual, "", "\n", " # x\n"]) : usual;
  }

  #braces(inner: string): string {
    return this.#once(4) ? `<${inner}>` : `{${this.#blank(" ")}${inner}}`;
  }

  #value(value: Written, indent: string): string {
    switch (value.kind) {
      case "message": {
        const inner = this.fields(value, `${indent}  `);
        return this.#braces(`\n${inner}${indent}`);
      }
      case "list":
        return `[ ${value.items.map((item) => this.#value(item, indent)).join(", ")} ]`;
      case "map":
        return `{ ${this.#field("key", value, "")} }`;
      case "string":
        return this.#string(value.value);
      case "bool":
        return this.#bool(value.value);
      case "integer":
        return this.#integer(value.value);
      case "float":
        return this.#float(value.value);
      case "enum":
        return this.#once(6) ? this.#integer(BigInt(value.number)) : value.name;
      case "verbatim":
        return value.text;
    }
  }

  #bool(value: boolean): string {
    if (!this.#free) return String(value);
    return this.#chance.pick(
      value ? ["true", "True", "t", "1", "0x1", "01"] : ["false", "False", "f", "0", "0x0", "00"],
    );
  }

  #integer(value: bigint): string {
    const digits = value < 0n ? -value : value;
    const sign = value < 0n ? (this.#once(4) ? "- " : "-") : "";
    if (this.#once(8)) return `${sign}0x${digits.toString(16)}`;
    if (this.#once(12)) return `${sign}0X${digits.toString(16).toUpperCase()}`;
    if (this.#once(8)) return `${sign}0${digits.toString(8)}`;
    return `${sign}${digits}`;
  }

  #float(value: number): string {
    if (Number.isNaN(value)) return this.#once(2) ? "NaN" : "nan";
    const sign = value < 0 || Object.is(value, -0) ? "-" : "";
    if (!Number.isFinite(value)) return `${sign}${this.#once(2) ? "Infinity" : "inf"}`;
    const plain = String(Math.abs(value));
    if (!this.#free) return `${sign}${plain}`;
    return `${sign}${this.#chance.pick([plain, `${plain}f`, `${plain}F`, Math.abs(value).toExponential(), plain.replace(/^0\./, ".")])}`;
  }

  #string(value: string): string {
    const quote = this.#once(4) ? "'" : '"';
    if (value.length > 1 && this.#once(8)) {
      const at = this.#chance.between(1, value.length - 1);
      return `${this.#string(value.slice(0, at))}${this.#blank(" ")}${this.#string(value.slice(at))}`;
    }
    const characters = [...value].map((character) => {
      if (character === quote || character === "\\") return `\\${character}`;
      if (character === "\n") return "\\n";
      const code = character.codePointAt(0) ?? 0;
      if (!this.#once(24) || code > 0x7f) return character;
      const hex = code.toString(16);
      const octal = code.toString(8);
      return this.#chance.pick([
        `\\${octal.padStart(3, "0")}`,
        `\\x${hex.padStart(2, "0")}`,
        `\\u${hex.padStart(4, "0")}`,
        `\\U${hex.padStart(8, "0")}`,
      ]);
    });
    return `${quote}${characters.join("")}${quote}`;
  }

  /** Once in so many times, where liberties are taken at all. */
  #once(times: number): boolean {
    return this.#free && this.#chance.oneIn(times);
  }
}
