import type { ConfigFailure } from "./load.ts";
import { optionGroups } from "./option.ts";
import { defaultTextOf, type OptionEntry, optionEntries } from "./schema.ts";

const WIDTH = 100;

const wrap = (text: string): string => {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > WIDTH - 8) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line].map((each) => `\t${each}`).join("\n");
};

const describe = (entry: OptionEntry): string => {
  const { flag, meta } = entry;
  const head = meta.argument === null ? `  --${flag}` : `  --${flag} ${meta.argument}`;
  const unit = meta.unit === undefined ? "" : ` In ${meta.unit}.`;
  const repeated = meta.repeated ? " May be repeated." : "";
  const value = defaultTextOf(entry);
  const standard = value === null || meta.argument === null ? "" : ` Default: ${value}.`;
  const effect = meta.withoutEffect === undefined ? "" : ` Accepted without effect: ${meta.withoutEffect}.`;
  const text = `${meta.description}${unit}${repeated}${standard}${effect}`;
  return `${head}\n${wrap(text.replaceAll("`", ""))}`;
};

/** What `--help` and every wrong command line print, without a line feed at the end. */
export const usageText = (): string => {
  const groups = optionGroups.map((group) => {
    const options = optionEntries.filter(({ meta }) => meta.group === group).map(describe);
    return [`${group}:`, ...options].join("\n");
  });
  const head = [
    "Usage: triton-local [serve] [options]",
    "       triton-local scenario --help",
    "       triton-local explain --help",
    "       triton-local exec --help",
    "  --help\n\tPrint usage",
  ];
  return [head.join("\n"), ...groups].join("\n\n");
};

/** All that goes to stderr for a command line that cannot be used. */
export const failureText = ({ preamble, usage, message }: ConfigFailure): string => {
  const head = preamble.map((line) => `${line}\n`).join("");
  return usage ? `${head}${usageText()}\n\n${message}\n` : `${head}${message}\n`;
};
