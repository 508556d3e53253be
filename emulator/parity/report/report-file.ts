import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parityFolder } from "../shipped-files.ts";
import type { ParityReport } from "./parity-report.ts";

/** All that runs found, as a JSON list. Answers are cut to what a person wants to read. */
export const writeReports = (file: string | URL, reports: readonly ParityReport[]): void =>
  writeFileSync(file, `${JSON.stringify(reports.map(shortened), null, 1)}\n`);

const shortened = (report: ParityReport): ParityReport => ({
  ...report,
  findings: report.findings.map((finding) => ({
    ...finding,
    ours: finding.ours.slice(0, LONGEST),
    theirs: finding.theirs.slice(0, LONGEST),
    divergences: finding.divergences.slice(0, MOST),
  })),
});

const LONGEST = 1000;
const MOST = 5;

/** The runs that are kept for a release, one for each kind of real server. */
export const keptReports = new URL("2.51.0.json", parityFolder);

export const readReports = (file: URL = keptReports): readonly ParityReport[] => {
  const reports: readonly ParityReport[] = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
  return reports;
};

/** In the place of the last run with that kind of real server. */
export const keepReport = (report: ParityReport, file: URL = keptReports): void =>
  writeReports(
    file,
    [...readReports(file).filter(({ kind }) => kind !== report.kind), report].sort((a, b) =>
      a.kind < b.kind ? -1 : 1,
    ),
  );
