import type { Json, JsonObject } from "../exchange/json.ts";
import type { WrittenObservation } from "./written-observation.ts";

/** What {repo} and {tmp} stand for. */
export interface Places {
  readonly repository: string;
  readonly scratch: string;
}

/**
 * An observation without what changes from run to run though it says the same: places, ports, durations, time stamps,
 * load of the machine, the order of protobuf maps and of samples of a metric. A duration above zero becomes 1, for zero is
 * told from it.
 */
export const steady = (written: WrittenObservation, places: Places): WrittenObservation => {
  const replaced: WrittenObservation = JSON.parse(JSON.stringify(written), (key: string, member: Json) => {
    if (isObject(member)) return key === "" ? member : sorted(member);
    if (typeof member !== "string") return member;
    if (key === "ns" || key === "last_inference") return member === "0" ? member : "1";
    const text = steadyText(member, places);
    return key === "log" || key === "output" ? steadyLog(text) : text;
  });
  return "http" in replaced && "text" in written && "text" in replaced && written.text !== replaced.text
    ? { ...replaced, http: replaced.http.map((line) => withLength(line, replaced.text)) }
    : replaced;
};

/** The server's usage and the tables that it logs at its start are long, the same each time and no case's matter. */
export const steadyLog = (text: string): string =>
  withoutServerFolders(text)
    .replace(/Usage: tritonserver [\s\S]*\n\t[^\n]*\n/, "{usage}\n")
    .replace(/(?:^[+|].*\n)+/gm, "{table}\n")
    .replace(/ at ([\d.]+):\d+"/g, ' at $1:{port}"');

const steadyText = (text: string, { repository, scratch }: Places): string =>
  withoutServerFolders(text.replaceAll(repository, "{repo}").replaceAll(scratch, "{tmp}"))
    .replace(/"(ns|last_inference)":[1-9]\d*/g, '"$1":1')
    .replace(/(_us\{[^}]*\}) [1-9]\d*$/gm, "$1 1")
    .replace(/^(nv_cpu_\w+) [\d.e+]+$/gm, "$1 1")
    .replace(/(?:^nv_\w+\{.*\n)+/gm, (samples) => `${samples.trimEnd().split("\n").sort().join("\n")}\n`);

const withoutServerFolders = (text: string): string =>
  text.replace(/(?:\/[\w.-]+)+\/(backends|caches)(?=[/"' ,;:)\\]|$)/gm, "{$1}");

const withLength = (line: string, body: string): string =>
  line.replace(/^(Content-Length: )\d+$/, `$1${Buffer.byteLength(body)}`);

/** Protobuf JSON has no order. */
const sorted = (message: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(message).sort(([a], [b]) => (a < b ? -1 : 1)));

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
