import { readFileSync, writeFileSync } from "node:fs";
import { parityFolder } from "../shipped-files.ts";
import type { ParityReport } from "./parity-report.ts";

/** All that a run found, as JSON. Answers are cut to what a person wants to read. */
export const writeReport = (file: string | URL, report: ParityReport): void => {
  const findings = report.findings.map((finding) => ({
    ...finding,
    ours: finding.ours.slice(0, LONGEST),
    theirs: finding.theirs.slice(0, LONGEST),
    divergences: finding.divergences.slice(0, MOST),
  }));
  writeFileSync(file, `${JSON.stringify({ ...report, findings }, null, 1)}\n`);
};

const LONGEST = 1000;
const MOST = 5;

/** The run that is kept for a release. */
export const keptReport = new URL("2.51.0.json", parityFolder);

export const readReport = (): ParityReport => {
  const report: ParityReport = JSON.parse(readFileSync(keptReport, "utf8"));
  return report;
};
