import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { shippedScenarios } from "../../emulator/scenario/files.ts";

/** Cells of each line of a table, by line. */
const table = (markdown: string): readonly (readonly string[])[] =>
  markdown
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

/** A cell that begins with a name lists files; any other is prose. */
const filesIn = (cell: string): readonly string[] =>
  !cell.startsWith("`") ? [] : [...cell.matchAll(/`([a-z0-9-]+)`/g)].map((match) => match[1] ?? "");

const numbered = (word: string, last: number): readonly string[] =>
  Array.from({ length: last }, (_, index) => `${word} ${index + 1}`);

describe("table of scenarios", () => {
  const lines = table(readFileSync(new URL("../../fixtures/scenarios/README.md", import.meta.url), "utf8"));
  const rows = lines.filter(([row = ""]) => /^(core|complaint) \d+$/.test(row));

  test("every row of both lists stands in it once, in order", () => {
    expect(rows.map(([row]) => row)).toEqual([...numbered("core", 34), ...numbered("complaint", 24)]);
  });

  test("every row names files or says why there is none", () => {
    expect(rows.filter(([, what = "", shown = ""]) => what === "" || shown === "")).toEqual([]);
  });

  test("every scenario stands in it, and every file that it names is there", () => {
    const named = new Set(lines.flatMap((cells) => cells.flatMap(filesIn)));
    const shipped = new Set(shippedScenarios());
    expect({
      notInTheTable: [...shipped].filter((name) => !named.has(name)),
      noSuchFile: [...named].filter((name) => !shipped.has(name)),
    }).toEqual({ notInTheTable: [], noSuchFile: [] });
  });
});
