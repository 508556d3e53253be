import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { estimates } from "../../../../../emulator/aws/placement/eviction/estimates.ts";
import { evictionPresets } from "../../../../../emulator/aws/placement/eviction/presets.ts";
import { triggers } from "../../../../../emulator/aws/placement/eviction/triggers.ts";
import { victimCounts } from "../../../../../emulator/aws/placement/eviction/victim-counts.ts";
import { victimPolicies } from "../../../../../emulator/aws/placement/eviction/victim-policies.ts";

const page = readFileSync(new URL("../../../../../docs/eviction.md", import.meta.url), "utf8");

/** The rows of the table that follows `heading`, without its two head rows, as cells. */
const rowsAfter = (heading: string): string[][] => {
  const table = (page.split(heading)[1] ?? "").split("\n\n").find((part) => part.startsWith("|")) ?? "";
  return table
    .split("\n")
    .slice(2)
    .map((row) => row.split("|").map((cell) => cell.trim()));
};

const codeIn = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");

describe("docs/eviction.md", () => {
  test("the preset's table has every setting with its value, each known or assumed", () => {
    const rows = rowsAfter("## The preset `sagemaker`");
    const written = rows.map(([, setting, value]) => {
      const names = codeIn(value);
      return [codeIn(setting)[0], names.length === 0 ? value : names.join(",")];
    });
    const actual = Object.entries(evictionPresets.sagemaker).map(([name, value]) => [name, String(value)]);
    expect(written.sort()).toEqual(actual.sort());
    for (const row of rows) expect(row[3]).toMatch(/^(known|assumed)$/);
  });

  test.each([
    ["**Triggers.**", triggers],
    ["**Victims.**", victimPolicies],
    ["**How many.**", victimCounts],
    ["**Estimate of the newcomer.**", estimates],
  ])("the table of %s has every name and no other", (heading, table) => {
    const named = rowsAfter(heading).flatMap(([, name]) => codeIn(name));
    expect(named).toEqual(Object.keys(table));
  });
});
