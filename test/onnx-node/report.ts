import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What became of one case; null = all outputs as expected, else why not. */
export interface CaseOutcome {
  readonly name: string;
  /** ONNX Runtime's CPU provider alone. */
  readonly runtime: string | null;
  readonly ours: string | null;
  /** Undefined where no real server took part. */
  readonly real: string | null | undefined;
}

/** What the real server refuses although its runtime could do it; so do we, with the same text. */
const REFUSALS: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: /dimension must be integer >= 1, or -1/,
    why: "An input or output has a dimension of size 0, which a model configuration cannot state",
  },
];

/** Cases that the runtime gets right and that fail when served, for another reason than a refusal of Triton's own. */
export function unexplained(outcomes: readonly CaseOutcome[]): readonly CaseOutcome[] {
  return failing(outcomes).filter(({ ours }) => refusalOf(ours) === undefined);
}

export function summaryOf(outcomes: readonly CaseOutcome[]): string {
  const supported = outcomes.filter(({ runtime }) => runtime === null);
  const lines = [
    `${outcomes.length} cases, ${supported.length} that ONNX Runtime's CPU provider gets right on its own`,
    `ours: ${supported.filter(({ ours }) => ours === null).length} of those right when served, ` +
      `${failing(outcomes).length} not, ${unexplained(outcomes).length} of these without a reason of Triton's own`,
  ];
  if (outcomes.some(({ real }) => real !== undefined)) {
    lines.push(
      `real server: ${supported.filter(({ real }) => real === null).length} of those right when served`,
      ...disagreements(outcomes).map(
        ({ name, ours, real }) => `  differs: ${name}: ours ${ours ?? "right"}; real ${real ?? "right"}`,
      ),
      ...otherTexts(outcomes).map(
        ({ name, ours, real }) => `  other text: ${name}\n    ours ${ours}\n    real ${real}`,
      ),
    );
  }
  return lines.join("\n");
}

export function writePage(path: string, onnxVersion: string, outcomes: readonly CaseOutcome[]): void {
  const supported = outcomes.filter(({ runtime }) => runtime === null);
  const served = supported.filter(({ ours }) => ours === null);
  const withReal = outcomes.some(({ real }) => real !== undefined);
  const lines = [
    "# ONNX single-node tests",
    "",
    "Written by `npm run onnx-node-tests -- --write-docs`; do not edit.",
    "",
    `The PyPI package onnx ${onnxVersion} carries ${outcomes.length} models of one operator each, with inputs and the outputs they must give.`,
    `The script serves every one without a config.pbtxt, loads it over the repository API, sends its inputs as binary tensors`,
    "over HTTP and compares the outputs with the tolerance of the test. A scalar is sent as shape [1], which is how Triton",
    `completes the configuration of one. Beside that it runs each on onnxruntime-node ${runtimeVersion()} (CPU) without a server.`,
    "",
    "| | cases |",
    "|---|---|",
    `| shipped with onnx ${onnxVersion} | ${outcomes.length} |`,
    `| right on ONNX Runtime's CPU provider alone | ${supported.length} |`,
    `| of those, right when served | ${served.length} |`,
    `| of those, not right when served | ${supported.length - served.length} |`,
    ...(withReal
      ? [
          `| of those, right when the real server (2.51.0) serves them | ${supported.filter(({ real }) => real === null).length} |`,
          `| where ours and the real server differ, of all | ${disagreements(outcomes).length} |`,
        ]
      : []),
    "",
    "## Right on the runtime, not right when served",
    "",
    ...grouped(failing(outcomes), ({ ours }) => refusalOf(ours)?.why ?? shortReason(ours)),
    "## Not right on the runtime itself",
    "",
    ...grouped(
      outcomes.filter(({ runtime }) => runtime !== null),
      ({ runtime }) => shortReason(runtime),
    ),
  ];
  writeFileSync(path, `${lines.join("\n").trimEnd()}\n`);
}

function failing(outcomes: readonly CaseOutcome[]): readonly CaseOutcome[] {
  return outcomes.filter(({ runtime, ours }) => runtime === null && ours !== null);
}

function disagreements(outcomes: readonly CaseOutcome[]): readonly CaseOutcome[] {
  return outcomes.filter(({ ours, real }) => real !== undefined && (ours === null) !== (real === null));
}

/** Cases that fail on both, and with another text. */
function otherTexts(outcomes: readonly CaseOutcome[]): readonly CaseOutcome[] {
  return outcomes.filter(({ ours, real }) => ours !== null && typeof real === "string" && ours !== real);
}

function refusalOf(reason: string | null): { readonly why: string } | undefined {
  return REFUSALS.find(({ pattern }) => pattern.test(reason ?? ""));
}

/** The reason without what differs from case to case: names, paths, source lines, values. */
function shortReason(reason: string | null): string {
  const text = (reason ?? "").split("\n")[0]?.trim() ?? "";
  if (/answers .* instead of/.test(text)) return "Other values, types or shapes than the test wants";
  if (/training domain|ai\.onnx\.preview\.training/.test(text)) {
    return "Operators for training, which ONNX Runtime does not have";
  }
  return text
    .replace(/^load failed for model '[^']*': version 1 is at UNAVAILABLE state: /, "")
    .replace(/ node with name ''.*$/, "")
    .replace(/\/\S*\/model\.onnx/g, "the model")
    .replace(/\S*\/(\w+\.(?:cc|h)):\d+ .*$/, "$1");
}

function grouped(outcomes: readonly CaseOutcome[], reasonOf: (outcome: CaseOutcome) => string): string[] {
  if (outcomes.length === 0) return ["None.", ""];
  const groups = new Map<string, string[]>();
  for (const outcome of outcomes) {
    const reason = reasonOf(outcome);
    groups.set(reason, [...(groups.get(reason) ?? []), outcome.name]);
  }
  const bySize = [...groups].sort(([, a], [, b]) => b.length - a.length);
  const rows = bySize.map(
    ([reason, names]) => `| ${escaped(reason)} | ${names.length} | ${names.join(", ")} |`,
  );
  return ["| Reason | cases | |", "|---|---|---|", ...rows, ""];
}

function escaped(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function runtimeVersion(): string {
  const file = join(import.meta.dirname, "..", "..", "node_modules", "onnxruntime-node", "package.json");
  return JSON.parse(readFileSync(file, "utf8")).version;
}
