import type { Finding } from "../difference/finding.ts";
import type { CasesResult } from "../play-cases.ts";
import type { RequestsResult } from "../play-requests.ts";
import { type PlaysName, playKinds } from "../plays/kinds.ts";
import type { PlaysResult } from "../plays/run-plays.ts";
import type { TargetKind } from "../targets/choose.ts";

/** What a run of `triton-local parity` found; fixtures/parity/<release>.json is one of them. */
export interface ParityReport {
  readonly kind: TargetKind | "endpoint";
  readonly ours: string;
  readonly theirs: string;
  /** Version of ONNX Runtime in each. */
  readonly onnxRuntime: { readonly ours: string; readonly theirs: string };
  readonly seed: number;
  readonly rows: readonly ReportRow[];
  readonly findings: readonly Finding[];
  /** Cases on which somebody does not answer what they say. */
  readonly cases: readonly string[];
  /** Requests of which the real server died, with its exit code. */
  readonly deaths: readonly string[];
  /** How often the real server died of a race of its own in a sequence, which was then played again. */
  readonly races: number;
  /** Requests that were made otherwise because the real server does not survive them: name -> how often. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** Names of accepted differences that did not show. */
  readonly unused: readonly string[];
}

export interface ReportRow {
  readonly what: "requests" | PlaysName | "cases";
  readonly title: string;
  readonly agree: number;
  /** Of these, within the tolerance or in another order of what ran side by side. */
  readonly nearly: number;
  readonly differ: number;
  /** Of these, listed with a reason. */
  readonly listed: number;
  readonly notComparable: number;
}

export const requestRows = ({ surfaces }: RequestsResult): ReportRow[] =>
  surfaces
    .filter((row) => row.agree + row.differ + row.notComparable > 0)
    .map(({ surface, agree, approximate, differ, accepted, notComparable }) => ({
      what: "requests",
      title: surface.title,
      agree,
      nearly: approximate,
      differ,
      listed: accepted,
      notComparable,
    }));

export const playsRow = (
  what: PlaysName,
  { agree, otherOrder, differ, accepted, notComparable }: PlaysResult,
): ReportRow => ({
  what,
  title: playKinds.find(({ name }) => name === what)?.title ?? what,
  agree,
  nearly: otherOrder,
  differ,
  listed: accepted,
  notComparable,
});

export const caseRow = ({ areas }: CasesResult): ReportRow => {
  const sum = (field: "agree" | "differ" | "accepted" | "notComparable"): number =>
    areas.reduce((total, row) => total + row[field], 0);
  return {
    what: "cases",
    title: "conformance cases",
    agree: sum("agree"),
    nearly: 0,
    differ: sum("differ"),
    listed: sum("accepted"),
    notComparable: sum("notComparable"),
  };
};

/** Differences that nobody has explained. */
export const unexplained = ({ rows }: Pick<ParityReport, "rows">): number =>
  rows.reduce((total, { differ, listed }) => total + differ - listed, 0);

/** The table of a report, its first row the head. */
export const tableOf = ({ rows }: Pick<ParityReport, "rows">): readonly (readonly string[])[] => {
  const total = (what: ReportRow["what"]): number =>
    rows
      .filter((row) => row.what === what)
      .reduce((sum, row) => sum + row.agree + row.differ + row.notComparable, 0);
  const cells = ({ title, agree, nearly, differ, listed, notComparable }: ReportRow): readonly string[] => [
    title,
    nearly === 0 ? String(agree) : `${agree} (${nearly} nearly)`,
    differ === 0 ? "0" : `${differ} (${listed} listed)`,
    String(notComparable),
  ];
  const head = ["", "agree", "differ", "not comparable"];
  const requests = total("requests");
  const sum = (field: "agree" | "nearly" | "differ" | "listed" | "notComparable"): number =>
    rows.filter(({ what }) => what === "requests").reduce((all, row) => all + row[field], 0);
  const all: ReportRow = {
    what: "requests",
    title: `all ${requests} requests`,
    agree: sum("agree"),
    nearly: sum("nearly"),
    differ: sum("differ"),
    listed: sum("listed"),
    notComparable: sum("notComparable"),
  };
  const [own, others] = [
    rows.filter(({ what }) => what === "requests"),
    rows.filter(({ what }) => what !== "requests"),
  ];
  return [head, ...own.map(cells), ...(own.length > 1 ? [cells(all)] : []), ...others.map(cells)];
};

/** A difference as a person wants to read it: how to ask, and both answers. */
export const findingText = (
  finding: Finding,
  { kind, seed }: Pick<ParityReport, "kind" | "seed">,
): string => {
  const { first, count, command, ours, theirs, divergences, again, accepted } = finding;
  const indented = (text: string): string =>
    text
      .split("\n")
      .slice(0, 30)
      .map((line) => `    ${line.slice(0, 500)}`)
      .join("\n");
  const listed = accepted === null ? "not listed" : `listed as "${accepted}"`;
  const times = count === 1 ? "once" : `${count} times`;
  const where = divergences
    .slice(0, 5)
    .map(
      (one) =>
        `    ${one.where}: ours ${one.ours.slice(0, 300)}\n${" ".repeat(6 + one.where.length)}theirs ${one.theirs.slice(0, 300)}`,
    );
  return [
    `${first}${kind === "endpoint" ? ` (--seed=${seed} --only=${first})` : ` (--real=${kind === "recordings" ? "native" : kind} --seed=${seed} --only=${first})`}, ${times}, ${listed}${again ? "" : "; it did not show again when asked again"}`,
    indented(command),
    "  where:",
    ...where,
    "  ours:",
    indented(ours),
    "  theirs:",
    indented(theirs),
  ].join("\n");
};
