import { readFileSync, writeFileSync } from "node:fs";
import { referencePage } from "../emulator/config/reference.ts";
import { differencesPage, withReports } from "../emulator/parity/report/pages.ts";
import { readReports } from "../emulator/parity/report/report-file.ts";
import { errorsPage } from "../test/aws-errors/page.ts";
import { withProfileTable } from "./profile-table.ts";
import { moveNumbers, withSizingTable } from "./sizing-table.ts";

/** `npm run docs`: the pages, and the part of one, that are made from the sources. */
writeFileSync(new URL("configuration.md", import.meta.url), referencePage());
writeFileSync(new URL("aws-errors.md", import.meta.url), errorsPage());

const memoryPage = new URL("memory.md", import.meta.url);
writeFileSync(memoryPage, withProfileTable(readFileSync(memoryPage, "utf8")));

const sizingPage = new URL("sizing.md", import.meta.url);
writeFileSync(sizingPage, withSizingTable(readFileSync(sizingPage, "utf8"), moveNumbers()));

writeFileSync(new URL("differences.md", import.meta.url), differencesPage());

const parityPage = new URL("parity.md", import.meta.url);
writeFileSync(parityPage, withReports(readFileSync(parityPage, "utf8"), readReports()));
