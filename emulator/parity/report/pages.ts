import { readDifferences } from "../cases/conformance-case.ts";
import { readAcceptedDifferences } from "../difference/accepted-differences.ts";
import { allMasks } from "../difference/masks.ts";
import { leftOutOfContainer } from "../traffic/container-sequences/left-out.ts";
import { leftOut } from "../traffic/left-out.ts";
import { type ParityReport, tableOf } from "./parity-report.ts";

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;

const table = ([head = [], ...rows]: readonly (readonly string[])[]): string =>
  [row(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(row)].join("\n");

/** docs/differences.md, from the data that the comparison itself reads. */
export const differencesPage = (): string => `# Where the emulator answers otherwise

Made by \`npm run docs\` from \`fixtures/parity/accepted-differences.json\`, \`fixtures/conformance/differences.json\` and the
sources. What is not here is a mistake: [parity.md](parity.md) shows how to find it.

## In generated requests and sequences

${table([["Where", "Why"], ...readAcceptedDifferences().map(({ name, reason }) => [name, reason])])}

## In conformance cases

${table([["Cases", "Why"], ...conformanceRows()])}

## What is not compared

${table([["What", "Why"], ...allMasks.map(({ name, reason }) => [name, reason])])}

## What is not asked

Requests of which tritonserver 2.51.0 dies, or that it never answers. Ours answers an error and goes on.

${table([["Requests", "What happens"], ...[...leftOut, ...leftOutOfContainer].map(({ name, reason }) => [name, reason])])}

Beside these, 2.51.0 dies now and then of a stream with several requests, of a load that meets an unload of the same model,
and of a container's load whose body is no JSON; and it mostly never answers an inference of an ensemble of which one step is
refused while another one runs. A run counts such deaths and silences, starts it anew and goes on.
`;

const conformanceRows = (): string[][] => {
  const byReason = new Map<string, Set<string>>();
  for (const { case: id, reason } of readDifferences())
    byReason.set(reason, (byReason.get(reason) ?? new Set()).add(id));
  return [...byReason].map(([reason, cases]) => [[...cases].join(", "), reason]);
};

const START = "<!-- the last run kept -->";
const END = "<!-- end -->";

/** docs/parity.md with the tables of runs between its marks. */
export const withReports = (page: string, reports: readonly ParityReport[]): string => {
  const [before = "", rest = ""] = page.split(START);
  const [, after = ""] = rest.split(END);
  return [before + START, ...reports.map(reportText), END + after].join("\n\n");
};

const reportText = (report: ParityReport): string => {
  const { ours, theirs, onnxRuntime, seed, deaths, races } = report;
  return `${ours} with ONNX Runtime ${onnxRuntime.ours} beside ${theirs} with ${onnxRuntime.theirs}, seed ${seed}.
The real server died of ${deaths.length} requests, and ${races} times in a sequence.

${table(tableOf(report))}`;
};
