import { writeFileSync } from "node:fs";
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
