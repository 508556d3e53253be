import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { differencesPage, withReport } from "../../../../emulator/parity/report/pages.ts";
import { readReport } from "../../../../emulator/parity/report/report-file.ts";

const page = (name: string): string =>
  readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), "utf8");

test("docs/differences.md: says what the lists say (npm run docs)", () => {
  expect(page("differences.md")).toBe(differencesPage());
});

test("docs/parity.md: shows the run that is kept (npm run docs)", () => {
  expect(page("parity.md")).toBe(withReport(page("parity.md"), readReport()));
});
