import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { differencesPage, withReports } from "../../../../emulator/parity/report/pages.ts";
import { readReports } from "../../../../emulator/parity/report/report-file.ts";

const page = (name: string): string =>
  readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), "utf8");

test("docs/differences.md: says what the lists say (npm run docs)", () => {
  expect(page("differences.md")).toBe(differencesPage());
});

test("docs/parity.md: shows the runs that are kept (npm run docs)", () => {
  expect(page("parity.md")).toBe(withReports(page("parity.md"), readReports()));
});
