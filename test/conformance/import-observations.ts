/**
 * Makes the case files of the observed areas from recordings (one JSON object a line and probe):
 *   node test/conformance/import-observations.ts <folder with <area>.jsonl>
 * Texts such as `touch config.pbtxt of m` become the structured steps of test/support/cases.ts; nothing else changes.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Act, ConformanceCase, Seen } from "../../emulator/parity/cases/conformance-case.ts";
import { conformanceFolder } from "../../emulator/parity/shipped-files.ts";
import { adjustments, leftOut } from "./observation-notes.ts";

const areas = [
  "command-line",
  "control-mode",
  "ensemble",
  "implicit-state",
  "lifecycle",
  "logging",
  "metrics",
  "onnxruntime",
  "response-cache",
  "sagemaker",
  "scheduler",
  "sequence",
  "shutdown",
  "statistics",
  "trace",
  "warmup",
];

interface RecordedStep {
  request?: Record<string, unknown>;
  response?: Record<string, unknown>;
  act?: string;
  seen?: string;
  [other: string]: unknown;
}
type Recorded = Omit<ConformanceCase, "steps"> & { area: string; steps: RecordedStep[] };

const act = (text: string, models: readonly string[]): Act => {
  const model = models[0] ?? "";
  const match = (pattern: RegExp): RegExpExecArray | null => pattern.exec(text);
  let found = match(/^touch (\S+) of (\S+)$/);
  if (found) return { touch: `${found[2]}/${found[1]}` };
  found = match(/^remove the folder (\S+)$/);
  if (found) return { remove: found[1]! };
  found = match(/^set instance count of (\S+) to (\d+)$/);
  if (found) return { replace: `${found[1]}/config.pbtxt`, pattern: "count: \\d+", by: `count: ${found[2]}` };
  found = match(
    /^append a comment to (?:1\/)?model.py, (restore its mtime|then set its mtime to the year 2001)$/,
  );
  if (found)
    return {
      append: `${model}/1/model.py`,
      text: "# changed\n",
      mtime: found[1] === "restore its mtime" ? "kept" : "2001",
    };
  found = match(/^config.pbtxt: tag (\S+) -> (\S+)$/);
  if (found) return { replace: `${model}/config.pbtxt`, pattern: `"${found[1]}"`, by: `"${found[2]}"` };
  found = match(/^append to config.pbtxt of (\S+): (.*)$/);
  if (found) return { append: `${found[1]}/config.pbtxt`, text: `${found[2]}\n` };
  found = match(/^create an empty file (\S+) in (\S+)$/);
  if (found) return { create: `${found[2]}/${found[1]}` };
  found = match(/^write (\S+) over (1\/model.onnx)/);
  if (found) return { write: `${model}/${found[2]}`, from: `onnx/${found[1]}` };
  found = match(/^(SIGINT|SIGTERM) to the server$/);
  if (found) return { signal: found[1] === "SIGINT" ? "SIGINT" : "SIGTERM" };
  found = match(/^replace the model under (\S+) by one that loads$/);
  if (found) {
    const file = `/opt/ml/models/${found[1]}/model/m/config.pbtxt`;
    return { replace: file, pattern: "parameters .*\\n", by: "" };
  }
  found = match(/^gRPC ModelInfer of (\S+) with (\S+), cancelled by the client after ([\d.]+) s$/);
  if (found) return { cancel: { model: found[1]!, cmd: found[2]!, after: Number(found[3]) } };
  throw new Error(`unknown act: ${text}`);
};

const seen = (text: string, models: readonly string[]): Seen => {
  let found = /^(?:server log has|log): (.*)$/s.exec(text);
  if (found) return { log: found[1]!.split("\n") };
  found = /^exit code (None|-?\d+); output(?: ends)?: (.*)$/s.exec(text);
  if (found) return { exit: found[1] === "None" ? null : Number(found[1]), output: found[2]!.trim() };
  found = /^exit code (-?\d+)(?:, ([\d.]+) s after the signal)?$/.exec(text);
  if (found)
    return { exit: Number(found[1]), ...(found[2] === undefined ? {} : { seconds: Number(found[2]) }) };
  if (text === "server still runs") return { exit: null };
  found = /^pids: (\d+)(?: different)?, old one(?: among them)?: (True|False)$/.exec(text);
  if (found) {
    const distinct = Number(found[1]);
    const requests = distinct === 1 ? 6 : 10;
    return { instances: { model: models[0] ?? "", requests, distinct } };
  }
  if (text === "files while running: []") return { files: [] };
  found = /^file (\S+): (\[.*)$/s.exec(text);
  if (found) return { file: found[1]!, trace: JSON.parse(found[2]!) };
  throw new Error(`unknown observation: ${text}`);
};

/** JSON.parse loses `1.0`; a body that has such numbers is kept as the text that was sent. */
const bodyTexts = (line: string): Map<number, string> => {
  const texts = new Map<number, string>();
  const marked: { steps: RecordedStep[] } = JSON.parse(
    line,
    (_key, value, ...context: { source?: string }[]) => {
      const source = context[0]?.source;
      return typeof value === "number" && source !== undefined && String(value) !== source
        ? `${MARK}${source}`
        : value;
    },
  );
  marked.steps.forEach((step, index) => {
    const body = step.request?.body;
    if (body === undefined || typeof body === "string") return;
    const text = pythonJson(body);
    if (text.includes(MARK)) texts.set(index, text.replaceAll(new RegExp(`"${MARK}([^"]*)"`, "g"), "$1"));
  });
  return texts;
};

const MARK = "number ";

const pythonJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(pythonJson).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}: ${pythonJson(member)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
};

const importCase = (line: string): ConformanceCase => {
  const { area: _, ...recorded }: Recorded = JSON.parse(line);
  const texts = bodyTexts(line);
  const models = Object.keys(recorded.models ?? {});
  // The step after it shows the same.
  const told = recorded.steps.filter((step) => step.seen !== "server process: alive");
  const steps = told.map((step, index) => {
    if (step.act !== undefined) return { act: act(step.act, models) };
    if (step.seen !== undefined) return { seen: seen(step.seen, models) };
    // The recorder waited this long for the processes of unloaded Python models.
    if (step.sleep === 2.5) return { ...step, shortly: true };
    const text = texts.get(index);
    return text === undefined ? step : { ...step, request: { ...step.request, body: text } };
  });
  // A tenth of a second is the resolution of the recording: 0 says nothing.
  const known = (key: string, value: unknown): unknown =>
    key === "seconds" && value === 0 ? undefined : value;
  return JSON.parse(JSON.stringify({ ...recorded, models: recorded.models ?? {}, steps }, known));
};

/**
 * The container API was asked about models below `/opt/ml/models`, where a test may not write. Where a body is announced as
 * binary its length is in the answer, so it stays the text that was sent.
 */
const inTemporaryFolder = (recorded: ConformanceCase): ConformanceCase => {
  const placed: ConformanceCase = JSON.parse(JSON.stringify(recorded).replaceAll("/opt/ml/models", "{tmp}"));
  const steps = placed.steps.map((step) => {
    if (!("request" in step && "path" in step.request)) return step;
    const { body, headers } = step.request;
    if (typeof body !== "object" || headers?.["Content-Type"] === undefined) return step;
    return { ...step, request: { ...step.request, body: pythonJson(body) } };
  });
  const flags = [...placed.server.flags, "--allow-sagemaker=true"];
  return { ...placed, server: { ...placed.server, flags }, steps };
};

const folder = process.argv[2];
if (folder === undefined) throw new Error("usage: import-observations.ts <folder with <area>.jsonl>");
for (const area of areas) {
  const lines = readFileSync(`${folder}/${area}.jsonl`, "utf8").trim().split("\n");
  const cases = lines
    .filter((line) => !leftOut.has(JSON.parse(line).id))
    .map((line) => importCase(line))
    .map((recorded) => (area === "sagemaker" ? inTemporaryFolder(recorded) : recorded))
    .map((recorded) => adjustments.get(recorded.id)?.(recorded) ?? recorded);
  writeFileSync(new URL(`${area}.json`, conformanceFolder), `${JSON.stringify(cases, null, 1)}\n`);
}
const biome = fileURLToPath(new URL("../../node_modules/.bin/biome", import.meta.url));
execFileSync(biome, ["format", "--write", fileURLToPath(conformanceFolder)], { stdio: "inherit" });
