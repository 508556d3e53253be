import { gunzipSync, inflateSync } from "node:zlib";
import type { Answer } from "../exchange/answer.ts";
import type { GrpcAnswer } from "../exchange/grpc-client.ts";
import type { HttpAnswer, RawAnswer } from "../exchange/http-connection.ts";
import {
  array,
  type JsonText,
  type Member,
  memberOf,
  readJsonText,
  writeJsonText,
} from "../exchange/json-text.ts";
import { ABSENT, compareJson, type Divergence, type Excuse } from "./compare-json.ts";
import { compareMetrics } from "./compare-metrics.ts";
import { jsonMask, textMask } from "./masks.ts";

export interface CompareOptions {
  /** By how much two floating-point results may differ, relative to the larger; 0 = not at all. */
  readonly tolerance: number;
}

export interface Comparison {
  /** Empty = the answers agree. */
  readonly divergences: readonly Divergence[];
  /** Whether some results only agree within the tolerance. */
  readonly approximate: boolean;
}

/** Judges two answers to the same request. */
export const compareAnswers = (ours: Answer, theirs: Answer, options: CompareOptions): Comparison => {
  const comparer = new Comparer(options);
  comparer.answers(ours, theirs);
  return { divergences: comparer.found, approximate: comparer.approximate };
};

/** What a reader wants to see of an answer, shortened. */
export const describeAnswer = (answer: Answer): string => {
  switch (answer.kind) {
    case "connection":
      return answer.how;
    case "raw":
      return `${printable(answer.answer.received)}${answer.answer.ended === null ? "" : `\n(${answer.answer.ended})`}`;
    case "http": {
      const { statusLine, headers, body } = answer.answer;
      return [
        statusLine,
        ...headers.map(([name, value]) => `${name}: ${value}`),
        "",
        printable(unpacked(answer.answer) ?? body),
      ].join("\n");
    }
    case "grpc":
    case "stream": {
      const { code, details, replies } = answer.answer;
      return [`${code} ${details}`.trim(), ...replies.map(({ asSent }) => JSON.stringify(asSent))].join("\n");
    }
  }
};

/** Which of the two a closing looks like depends on what the kernel had read by then. */
const endOf = (how: string): string => (how === "reset" ? "closed" : how);

/** Metrics are no two times the same; a surface of their own compares them. */
const rawText = ({ received }: RawAnswer): string =>
  printable(received).replace(/(Content-Length: )\d+(\D(?:(?!Content-Length)[^#])*# HELP ).*/s, "$1*$2*");

const printable = (bytes: Buffer): string => {
  const text = bytes.toString("utf8");
  const clean = Buffer.from(text).equals(bytes) ? text : bytes.toString("latin1");
  const shown = [...clean]
    .map((character) => (isControl(character) ? escapeOf(character) : character))
    .join("");
  return shown.length > 1500 ? `${shown.slice(0, 1500)}...` : shown;
};

/** But line feeds and tabs. */
const isControl = (character: string): boolean => {
  const code = character.charCodeAt(0);
  return (code < 0x20 && code !== 0x0a && code !== 0x09) || (code >= 0x7f && code < 0xa0);
};

const escapeOf = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;

const unpacked = ({ headers, body }: HttpAnswer): Buffer | null => {
  const encoding = headers.find(([name]) => name.toLowerCase() === "content-encoding")?.[1];
  try {
    if (encoding === "gzip") return gunzipSync(body);
    return encoding === "deflate" ? inflateSync(body) : body;
  } catch {
    return null;
  }
};

const HEADER_LENGTH = "inference-header-content-length";

/** What is smaller may be left of larger terms, and is as inexact as they are. */
const SMALL = 1e-2;

class Comparer {
  readonly found: Divergence[] = [];
  approximate = false;
  readonly #options: CompareOptions;

  constructor(options: CompareOptions) {
    this.#options = options;
  }

  answers(ours: Answer, theirs: Answer): void {
    if (ours.kind === "http" && theirs.kind === "http") this.#http(ours.answer, theirs.answer);
    else if (ours.kind === "grpc" && theirs.kind === "grpc") this.#grpc(ours.answer, theirs.answer);
    else if (ours.kind === "stream" && theirs.kind === "stream") this.#grpc(ours.answer, theirs.answer);
    else if (ours.kind === "raw" && theirs.kind === "raw") {
      this.#texts("bytes", rawText(ours.answer), rawText(theirs.answer));
      this.#texts("connection", endOf(String(ours.answer.ended)), endOf(String(theirs.answer.ended)));
    } else this.#connections(ours, theirs);
  }

  /** One of them, or both, had no answer. */
  #connections(ours: Answer, theirs: Answer): void {
    const how = (answer: Answer): string => {
      if (answer.kind !== "connection") return `an answer: ${firstLine(describeAnswer(answer))}`;
      return endOf(answer.how);
    };
    this.#texts("connection", how(ours), how(theirs));
  }

  #texts(where: string, ours: string, theirs: string): void {
    if (ours !== theirs) this.found.push({ where, ours, theirs });
  }

  #http(ours: HttpAnswer, theirs: HttpAnswer): void {
    this.#texts("status", ours.statusLine, theirs.statusLine);
    this.#headers(ours, theirs);
    const [a, b] = [unpacked(ours), unpacked(theirs)];
    if (a === null || b === null) {
      this.#texts(
        "packing",
        a === null ? "cannot be unpacked" : "sound",
        b === null ? "cannot be unpacked" : "sound",
      );
      return;
    }
    if (a.equals(b)) return;
    const length = (answer: HttpAnswer): number | null => {
      const value = headerOf(answer, HEADER_LENGTH);
      return value === undefined ? null : Number(value);
    };
    const [x, y] = [length(ours), length(theirs)];
    if (x !== null && y !== null) this.#binary(a, x, b, y);
    else if (b.toString("latin1", 0, 7) === "# HELP ")
      this.found.push(...compareMetrics(a.toString(), b.toString()));
    else this.#text(a, b);
  }

  #headers(ours: HttpAnswer, theirs: HttpAnswer): void {
    const names = ({ headers }: HttpAnswer): string => headers.map(([name]) => name).join(", ");
    this.#texts("headers", names(ours), names(theirs));
    for (const [name, value] of theirs.headers) {
      const own = headerOf(ours, name.toLowerCase());
      const follows = name === "Content-Length" || name.toLowerCase() === HEADER_LENGTH;
      if (own !== undefined && !follows) this.#texts(`header ${name}`, own, value);
    }
  }

  /** JSON where both are; latin1 keeps every byte. */
  #text(ours: Buffer, theirs: Buffer): void {
    const [a, b] = [readJsonText(ours.toString("latin1")), readJsonText(theirs.toString("latin1"))];
    const before = this.found.length;
    if (a !== null && b !== null) {
      this.#json(inOrder(a), inOrder(b));
      if (this.found.length > before) return;
      // The values are the same; without an excused one only the writing can differ.
      if (writeJsonText(inOrder(a)) !== writeJsonText(inOrder(b)) || a !== inOrder(a)) return;
    }
    this.#texts("body", printable(ours), printable(theirs));
  }

  #json(ours: JsonText, theirs: JsonText): void {
    const floating = floatingOutputs(theirs);
    const excuse: Excuse = (pointer, a, b) => {
      const mask = jsonMask(pointer, a, b) ?? textMask(pointer, a, b);
      if (mask !== null) return mask.name;
      const output = /^\/outputs\/(\d+)\/data\/\d+$/.exec(pointer)?.[1];
      const datatype = output === undefined ? undefined : floating.get(Number(output));
      if (datatype === undefined || a?.kind !== "token" || b?.kind !== "token") return null;
      return this.#close(Number(a.text), Number(b.text), datatype) ? "tolerance" : null;
    };
    for (const { where, ours: a, theirs: b } of compareJson(ours, theirs, { unordered: isMap, excuse }))
      this.found.push({ where, ours: utf8(a), theirs: utf8(b) });
  }

  /** Another text for the very same value is never excused. */
  #close(a: number, b: number, datatype: string): boolean {
    const same = datatype === "FP32" ? Math.fround(a) === Math.fround(b) : a === b;
    if (same || Number.isNaN(a) || Number.isNaN(b)) return false;
    const within = Math.abs(a - b) <= this.#options.tolerance * Math.max(Math.abs(a), Math.abs(b), SMALL);
    if (within) this.approximate = true;
    return within;
  }

  #binary(ours: Buffer, ourLength: number, theirs: Buffer, theirLength: number): void {
    const [a, b] = [ours.subarray(0, ourLength), theirs.subarray(0, theirLength)];
    if (!a.equals(b)) this.#text(a, b);
    const document = readJsonText(b.toString("utf8"));
    let [x, y] = [ourLength, theirLength];
    for (const output of itemsOf(memberOf(document ?? undefined, "outputs"))) {
      const size = Number(textOf(memberOf(memberOf(output, "parameters"), "binary_data_size")));
      if (Number.isNaN(size)) continue;
      this.#tensor(
        textOf(memberOf(output, "name")),
        textOf(memberOf(output, "datatype")),
        ours.subarray(x, x + size),
        theirs.subarray(y, y + size),
      );
      x += size;
      y += size;
    }
    this.#texts("bytes after the tensors", printable(ours.subarray(x)), printable(theirs.subarray(y)));
  }

  #tensor(name: string, datatype: string, ours: Buffer, theirs: Buffer): void {
    if (ours.equals(theirs)) return;
    const width = datatype === "FP32" ? 4 : datatype === "FP64" ? 8 : 0;
    if (width > 0 && ours.length === theirs.length) {
      const valueAt = (bytes: Buffer, at: number): number =>
        width === 4 ? bytes.readFloatLE(at) : bytes.readDoubleLE(at);
      let close = true;
      for (let at = 0; at < ours.length && close; at += width) {
        const same = ours.subarray(at, at + width).equals(theirs.subarray(at, at + width));
        close = same || this.#close(valueAt(ours, at), valueAt(theirs, at), datatype);
      }
      if (close) return;
    }
    const at = ours.findIndex((byte, index) => byte !== theirs[index]);
    const from = Math.max(0, at - (at % 8));
    const near = (bytes: Buffer): string =>
      `${bytes.length} bytes, at ${from}: ${bytes.subarray(from, from + 16).toString("hex")}`;
    this.found.push({ where: `tensor ${name}`, ours: near(ours), theirs: near(theirs) });
  }

  #grpc(ours: GrpcAnswer, theirs: GrpcAnswer): void {
    this.#texts("code", ours.code, theirs.code);
    if (!lostBlank(ours.details, theirs.details)) this.#texts("message", ours.details, theirs.details);
    const replies = ({ replies: all }: GrpcAnswer): JsonText =>
      array(all.map(({ asSent }) => readJsonText(JSON.stringify(asSent)) ?? array([])));
    const excuse: Excuse = (pointer, a, b) => {
      const mask = jsonMask(pointer, a, b) ?? textMask(pointer, a, b);
      if (mask !== null) return mask.name;
      return this.#rawContents(pointer, theirs, a, b) ? "tolerance" : null;
    };
    this.found.push(...compareJson(replies(ours), replies(theirs), { unordered: () => true, excuse }));
  }

  /** Tensors as they stand in raw_output_contents. */
  #rawContents(
    pointer: string,
    answer: GrpcAnswer,
    ours: JsonText | undefined,
    theirs: JsonText | undefined,
  ): boolean {
    const place = /^\/(\d+)(\/infer_response)?\/raw_output_contents\/(\d+)$/.exec(pointer);
    if (place === null || ours?.kind !== "string" || theirs?.kind !== "string") return false;
    const sent = readJsonText(JSON.stringify(answer.replies[Number(place[1])]?.asSent ?? {})) ?? undefined;
    const reply = place[2] === undefined ? sent : memberOf(sent, "infer_response");
    const output = itemsOf(memberOf(reply, "outputs"))[Number(place[3])];
    const bytes = (value: JsonText & { kind: "string" }): Buffer => Buffer.from(value.value, "base64");
    this.#tensor(
      textOf(memberOf(output, "name")),
      textOf(memberOf(output, "datatype")),
      bytes(ours),
      bytes(theirs),
    );
    // The tensor itself has told where, with the bytes around it.
    return true;
  }
}

/** The container API lists models in the order of a hash table; rows of statistics have the name of their model as their place. */
const inOrder = (document: JsonText): JsonText => {
  const statistics = memberOf(document, "model_stats");
  if (statistics?.kind === "array") {
    const rows = statistics.items.map((row): Member => {
      return [`${textOf(memberOf(row, "name"))}:${textOf(memberOf(row, "version"))}`, row];
    });
    return { kind: "object", members: [["model_stats", { kind: "object", members: rows }]] };
  }
  const models = memberOf(document, "models");
  if (models?.kind !== "array") return document;
  const items = [...models.items].sort((a, b) => (writeJsonText(a) < writeJsonText(b) ? -1 : 1));
  return { kind: "object", members: [["models", array(items)]] };
};

/** Node's HTTP/2 drops a header whose value ends in a blank. */
const lostBlank = (ours: string, theirs: string): boolean =>
  (theirs === "" && ours.endsWith(" ")) || (ours === "" && theirs.endsWith(" "));

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";

const headerOf = ({ headers }: HttpAnswer, lowerCaseName: string): string | undefined =>
  headers.find(([name]) => name.toLowerCase() === lowerCaseName)?.[1];

const itemsOf = (value: JsonText | undefined): readonly JsonText[] =>
  value?.kind === "array" ? value.items : [];

const textOf = (value: JsonText | undefined): string => {
  if (value?.kind === "string") return value.value;
  return value?.kind === "token" ? value.text : "";
};

const utf8 = (latin1: string): string =>
  latin1 === ABSENT ? latin1 : Buffer.from(latin1, "latin1").toString("utf8");

const floatingOutputs = (document: JsonText): ReadonlyMap<number, string> =>
  new Map(
    itemsOf(memberOf(document, "outputs")).flatMap((output, index): [number, string][] => {
      const datatype = textOf(memberOf(output, "datatype"));
      return datatype === "FP32" || datatype === "FP64" ? [[index, datatype]] : [];
    }),
  );

/** Objects of a configuration that are maps of the protobuf. */
const isMap = (pointer: string): boolean =>
  /\/(parameters|metric_tags|cc_model_filenames|priority_queue_policy|inputs|input_map|output_map)$/.test(
    pointer,
  );
