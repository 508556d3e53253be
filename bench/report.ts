import { writeFileSync } from "node:fs";
import { BARE_HTTP, PLAIN_EXPRESS } from "./context.ts";
import type { Machine } from "./machine.ts";
import { OURS, REAL, type Row, type Target, verdictOf } from "./row.ts";

export interface BenchReport {
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  /** Null where there was none. */
  readonly realServer: { readonly command: string; readonly onnxRuntime: string } | null;
  readonly rows: readonly Row[];
  readonly failures: readonly string[];
}

const SUBJECTS = [REAL, OURS, BARE_HTTP, PLAIN_EXPRESS];

/** One Markdown table a section. */
export function tableOf(report: BenchReport): string {
  const lines: string[] = [];
  for (const section of new Set(report.rows.map((row) => row.section))) {
    const rows = report.rows.filter((row) => row.section === section);
    const subjects = SUBJECTS.filter((subject) => rows.some((row) => row.values[subject] !== undefined));
    const header = ["", "unit", ...subjects, "ratio (low to high)", "target", ""];
    const cells = rows.map((row) => [
      row.what,
      row.unit,
      ...subjects.map((subject) => figure(row.values[subject])),
      ratioText(row),
      targetText(row.target),
      verdictOf(row),
    ]);
    lines.push("", `### ${section}`, "", ...alignedTable([header, ...cells]));
  }
  return lines.join("\n");
}

/**
 * The page is made from figures alone, so that none in it can be an old one.
 * @param beside other runs on the same machine, of some scenarios again; all stand on the page
 */
export function writePerformancePage(
  path: string,
  report: BenchReport,
  beside: readonly BenchReport[],
): void {
  const { machine } = report;
  const again = beside.length === 0 ? "" : runsAgain(report, beside);
  const page = `# Performance

Written by \`npm run bench -- --write-docs\`; do not edit. Measured on ${report.date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores,
${machine.memoryGiB} GiB, ${machine.system}, load ${machine.loadBefore.toFixed(1)} before the start; Node ${machine.node}, ONNX Runtime ${machine.onnxRuntime}. ${
    report.realServer === null
      ? "No real server was there to compare with."
      : `The real server is tritonserver 2.51.0 with its ONNX Runtime backend on ONNX Runtime ${report.realServer.onnxRuntime}, beside ours on the same machine; its telemetry is off in both.`
  }
${report.rounds} interleaved rounds of ${report.seconds} s (A B, then B A); each figure is the median of the rounds, each ratio the median of the ratios
within one round, with the lowest and the highest. Differences below 10 % are noise. CPU time is user and system time of
the whole process tree over the requests answered. Load comes from wrk (HTTP) and h2load (gRPC) on the same cores; every
run checks that the answers are right and that the client saw no error.
${again}${tableOf(report)}
`;
  writeFileSync(path, page);
}

const timeOf = ({ date }: BenchReport): string => date.slice(11, 16);

const runsAgain = (report: BenchReport, beside: readonly BenchReport[]): string => {
  const tables = beside.map((again) => {
    const { rounds, seconds, machine, rows } = again;
    const told = `alone: ${rounds} rounds of ${seconds} s at ${timeOf(again)}, load ${machine.loadBefore.toFixed(1)} before`;
    const isAgain = (section: string): boolean => report.rows.some((row) => row.section === section);
    const sectionOf = ({ section }: Row): string => `${section}, ${isAgain(section) ? "again, " : ""}${told}`;
    return tableOf({ ...again, rows: rows.map((row) => ({ ...row, section: sectionOf(row) })) });
  });
  return `${tables.join("\n")}

## The run of all scenarios, at ${timeOf(report)}
`;
};

function figure(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return "";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function ratioText(row: Row): string {
  if (row.ratio === null) return "";
  const { median, low, high, to } = row.ratio;
  const other = to === REAL ? "" : ` to ${to}`;
  const spread = low === high ? "" : ` (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return `${median.toFixed(2)}${spread}${other}`;
}

function targetText(target: Target | null): string {
  if (target === null) return "";
  const limit = target.atMost === undefined ? `at least ${target.atLeast}` : `at most ${target.atMost}`;
  return target.aim === undefined ? limit : `${limit}, aim ${target.aim}`;
}

function alignedTable(rows: readonly (readonly string[])[]): readonly string[] {
  const [header = []] = rows;
  const widths = header.map((_, column) => Math.max(3, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(header), line(widths.map((width) => "-".repeat(width))), ...rows.slice(1).map(line)];
}
