import { readdirSync, readFileSync } from "node:fs";
import { parse } from "yaml";

const folder = new URL("../emulator/memory-profiles/", import.meta.url);

const rows = (name: string, path: string, value: unknown): string[] => {
  if (typeof value !== "object" || value === null) return [];
  if ("value" in value && "source" in value) {
    const text = String(value.value);
    // Texts of failures are long and have no place in a table.
    return path === "device_failure" ? [] : [`| ${name} | ${path} | ${text} | ${String(value.source)} |`];
  }
  return Object.entries(value).flatMap(([key, part]) =>
    rows(name, path === "" ? key : `${path}.${key}`, part),
  );
};

/** Every number of the shipped profiles, for docs/memory.md. */
export const profileTable = (): string => {
  const lines = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .sort()
    .flatMap((name) => {
      const document: unknown = parse(readFileSync(new URL(name, folder), "utf8"));
      return rows(name.replace(".yaml", ""), "", document);
    });
  return ["| Profile | Number | Value | Source |", "|---|---|---|---|", ...lines].join("\n");
};

const START = "<!-- profiles: npm run docs -->";
const END = "<!-- end of profiles -->";

/** The page with the table as it must be now. */
export const withProfileTable = (page: string): string => {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start < 0 || end < start) throw new Error(`the page has no ${START} and ${END}`);
  return `${page.slice(0, start + START.length)}\n\n${profileTable()}\n\n${page.slice(end)}`;
};
