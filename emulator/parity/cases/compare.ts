import { gunzipSync, inflateSync } from "node:zlib";
import type { GrpcAnswer } from "../exchange/grpc-client.ts";
import type { HttpAnswer, RawAnswer } from "../exchange/http-connection.ts";
import type { Json, JsonObject } from "../exchange/json.ts";
import type { GrpcResponse, GrpcStreamResponse, HttpResponse, RawResponse } from "./conformance-case.ts";

/** What a comparison needs to know beside the two answers. */
export interface CompareContext {
  readonly repository: string;
  /** Names of the case's models: an index and metrics are cut down to them. */
  readonly models: readonly string[];
  readonly path: string;
}

/** Each difference in words; empty = the answers agree. */
export type Differences = readonly string[];

export const compareHttp = (
  expected: HttpResponse,
  actual: HttpAnswer,
  context: CompareContext,
  seconds: number,
): Differences => {
  const differences: string[] = [];
  const body = actual.body.toString("utf8");
  if (actual.status !== expected.status)
    differences.push(`status ${actual.status} instead of ${expected.status}; body: ${body.slice(0, 600)}`);
  for (const [name, value] of Object.entries(expected.headers ?? {})) {
    const found = actual.headers.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
    if (found !== value) differences.push(`header ${name}: ${found} instead of ${value}`);
  }
  if (expected.body_base64 !== undefined) {
    const wanted = unpacked(
      Buffer.from(expected.body_base64, "base64"),
      expected.headers?.["Content-Encoding"],
    );
    const found = unpacked(actual.body, expected.headers?.["Content-Encoding"]);
    if (!wanted.equals(found)) differences.push(`body ${escaped(found)} instead of ${escaped(wanted)}`);
  } else if (expected.body !== undefined) {
    differences.push(...compareBody(expected.body, body, context));
  }
  differences.push(...compareSeconds(expected.seconds, seconds, context.path));
  return differences;
};

/** Two zlibs need not compress alike, so compressed bodies are compared by their content. */
const unpacked = (body: Buffer, encoding: string | undefined): Buffer => {
  if (encoding === "gzip") return gunzipSync(body);
  return encoding === "deflate" ? inflateSync(body) : body;
};

const escaped = (bytes: Buffer): string => JSON.stringify(bytes.toString("latin1"));

/**
 * Only what visibly took time is compared, and only that it was not answered much sooner: a busy machine is slow. The
 * 1.3 s that a Python model takes to load, and as many for giving up, are not owed; of a container's unload, the 1.4 s.
 */
const compareSeconds = (expected: number | undefined, actual: number, path: string): Differences => {
  const leeway =
    path.endsWith("/load") || path === "/models" ? 2.7 : /^\/models\/[^/]+$/.test(path) ? 2 : 0.7;
  return expected !== undefined && actual < expected - leeway
    ? [`answered after ${actual.toFixed(1)} s instead of ${expected} s`]
    : [];
};

const compareBody = (expected: string, actual: string, context: CompareContext): Differences => {
  if (context.path.endsWith("/index") && expected.startsWith("[")) {
    const ours = (JSON.parse(actual) as { name: string }[]).filter(({ name }) =>
      context.models.includes(name),
    );
    return compareText(JSON.stringify(JSON.parse(expected)), JSON.stringify(ours), context);
  }
  if (context.path === "/v2/models/stats" && expected.startsWith('["')) {
    const rows: { name: string; version: string }[] = JSON.parse(actual).model_stats;
    const wanted = (JSON.parse(expected) as string[]).filter((row) =>
      context.models.includes(row.split(":")[0]!),
    );
    const ours = rows.map(({ name, version }) => `${name}:${version}`);
    return compareText(JSON.stringify(wanted), JSON.stringify(ours), context);
  }
  if (context.path.startsWith("/metrics"))
    return compareMetrics(expected.replaceAll("{repo}", context.repository), actual);
  if (context.path.endsWith("/config"))
    return compareText(sortMaps(JSON.parse(expected)), sortMaps(parseOrNull(actual)), context);
  return compareText(expected, actual, context);
};

const compareText = (expected: string, actual: string, context: CompareContext): Differences =>
  patternOf(expected, context.repository).test(actual)
    ? []
    : [`got      ${actual}\n    expected ${expected}`];

/** `"*"` stands for a number above zero (a duration, a time stamp), `"?"` for any number or text. */
const patternOf = (text: string, repository: string): RegExp => {
  const escaped = text.replaceAll("{repo}", repository).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(
    `^${escaped.replaceAll('"\\*"', "[1-9]\\d*").replaceAll('"\\?"', '(?:-?\\d+|"[^"]*")')}$`,
  );
};

const parseOrNull = (text: string): Json => {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return null;
  }
};

/** A config as text in which the entries of protobuf maps, whose order is not fixed, are sorted. */
const sortMaps = (config: Json): string =>
  JSON.stringify(config, (key: string, value: Json) =>
    mapFields.has(key) && isObject(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );

const mapFields = new Set([
  "parameters",
  "metric_tags",
  "cc_model_filenames",
  "priority_queue_policy",
  "inputs",
]);

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Every line must be there; where a whole family is listed (with its HELP line), nothing else may be in it, and families
 * keep their order. The order of samples in a family is not fixed.
 */
const compareMetrics = (expected: string, actual: string): Differences => {
  const differences: string[] = [];
  const actualLines = actual.split("\n");
  const sampleMatches = (line: string, pattern: string): boolean =>
    pattern.endsWith(" ?")
      ? line.startsWith(pattern.slice(0, -1))
      : pattern.endsWith(" *")
        ? line.startsWith(pattern.slice(0, -1)) && !line.endsWith(" 0")
        : line === pattern;
  const expectedLines = expected.split("\n").filter((line) => line !== "");
  for (const line of expectedLines)
    if (!actualLines.some((found) => sampleMatches(found, line))) {
      const name = line.replace(/ \S+$/, "");
      differences.push(
        `no line "${line}", but ${actualLines.find((found) => found.startsWith(name)) ?? "none like it"}`,
      );
    }
  const expectedFamilies = familiesOf(expectedLines);
  const actualFamilies = familiesOf(actualLines);
  const order = [...actualFamilies.keys()].filter((name) => expectedFamilies.has(name));
  if (order.join() !== [...expectedFamilies.keys()].join())
    differences.push(`order of families: ${order.join()}`);
  for (const [name, lines] of expectedFamilies)
    for (const found of actualFamilies.get(name) ?? [])
      if (!lines.some((line) => sampleMatches(found, line))) differences.push(`unexpected line "${found}"`);
  return differences;
};

const familiesOf = (lines: readonly string[]): Map<string, string[]> => {
  const families = new Map<string, string[]>();
  let current: string[] | null = null;
  for (const line of lines) {
    if (line === "") continue;
    if (line.startsWith("# HELP ")) {
      current = [];
      families.set(line.split(" ")[2]!, current);
    }
    current?.push(line);
  }
  return families;
};

export const compareRaw = (expected: RawResponse, actual: RawAnswer): Differences => {
  const differences: string[] = [];
  const text = actual.received.toString("latin1");
  if (text !== expected.raw)
    differences.push(`got      ${JSON.stringify(text)}\n    expected ${JSON.stringify(expected.raw)}`);
  const closed = actual.ended !== null;
  if (closed !== expected.closed) differences.push(`connection ${closed ? "closed" : "left open"}`);
  return differences;
};

export const compareGrpc = (expected: GrpcResponse, actual: GrpcAnswer, repository: string): Differences => {
  const differences: string[] = [];
  const code = expected.grpc ?? "OK";
  if (actual.code !== code) differences.push(`code ${actual.code} (${actual.details}) instead of ${code}`);
  else if (expected.message !== undefined && !patternOf(expected.message, repository).test(actual.details))
    differences.push(`got      ${actual.details}\n    expected ${expected.message}`);
  if (expected.reply !== undefined && actual.code === "OK")
    differences.push(...compareMessages(expected.reply, actual.replies[0]?.asSent ?? {}, ""));
  return differences;
};

export const compareGrpcStream = (expected: GrpcStreamResponse, actual: GrpcAnswer): Differences => {
  const replies = actual.replies.map(({ asSent }) => asSent);
  const differences = [...compareMessages([...expected.stream], replies, "")];
  const code = expected.grpc ?? "OK";
  if (actual.code !== code)
    differences.push(`stream ended with ${actual.code} (${actual.details}) instead of ${code}`);
  return differences;
};

/** Compares protobuf JSON, fields in any order; a field at its default is the same as an absent one. */
export const compareMessages = (expected: Json, actual: Json, at: string): Differences => {
  if (expected === "?") return [];
  if (expected === "*")
    return Number(actual) > 0 ? [] : [`${at}: ${JSON.stringify(actual)} instead of a number above 0`];
  if (Array.isArray(expected) && Array.isArray(actual)) {
    if (expected.length !== actual.length)
      return [`${at}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`];
    return expected.flatMap((item: Json, index) =>
      compareMessages(item, actual[index] ?? null, `${at}[${index}]`),
    );
  }
  if (isObject(expected) && isObject(actual)) {
    const [a, b] = [withoutDefaults(expected), withoutDefaults(actual)];
    return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => {
      const place = at === "" ? key : `${at}.${key}`;
      if (a[key] === undefined) return [`${place}: ${JSON.stringify(b[key])} too much`];
      return b[key] === undefined
        ? [`${place}: missing, expected ${JSON.stringify(a[key])}`]
        : compareMessages(a[key], b[key], place);
    });
  }
  return String(expected) === String(actual)
    ? []
    : [`${at}: got      ${JSON.stringify(actual)}\n    expected ${JSON.stringify(expected)}`];
};

/** Members of a oneof (`bool_param: false`) have presence and stay. */
const withoutDefaults = (message: JsonObject): Record<string, Json> =>
  Object.fromEntries(
    Object.entries(message).filter(([key, value]) => key.endsWith("_param") || !isDefault(value)),
  );

const isDefault = (value: Json): boolean =>
  value === null ||
  value === "" ||
  value === 0 ||
  value === "0" ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === "string" && enumZeros.has(value));

const enumZeros = new Set(["FORMAT_NONE", "KIND_AUTO", "PRIORITY_DEFAULT", "TYPE_INVALID", "REJECT"]);
