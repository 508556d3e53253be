import type { Json, JsonObject } from "../exchange/json.ts";
import { type JsonText, memberOf, readJsonText, writeJsonText } from "../exchange/json-text.ts";
import type { ModelSketch } from "./model-sketch.ts";
import type { TrafficRequest } from "./request.ts";

/** A request of which the real server dies or hangs, so that nothing can be compared. */
export interface LeftOut {
  readonly name: string;
  readonly reason: string;
  readonly applies: (request: TrafficRequest, models: readonly ModelSketch[]) => boolean;
}

export const leftOut: readonly LeftOut[] = [
  {
    name: "absurd shapes",
    reason: "it takes the size of a tensor in JSON from its shape without a check for overflow",
    applies: (request) =>
      shapesOf(request).some(
        (shape) => shape.reduce((product, dim) => product * Math.max(1, Math.abs(dim)), 1) >= ABSURD,
      ),
  },
  {
    name: "a batch of 0 of nothing",
    reason: "it never answers",
    applies: (request) => [...shapesOf(request), ...shapesOfMessages(request)].some(isNothing),
  },
  {
    name: "classification of strings",
    reason: "it divides by the size of an element, which strings do not have",
    applies: (request, models) =>
      classifiedModels(request).some(
        (name) =>
          models.find((model) => model.name === name)?.outputs.some(({ datatype }) => datatype === "BYTES") ??
          false,
      ),
  },
  {
    name: "classification of nothing",
    reason: "over HTTP it divides by the number of elements of a row, which may be 0",
    applies: (request) =>
      request.kind === "http" &&
      classifiedModels(request).some(
        (name) => dataDependent.has(name) || shapesOf(request).some((shape) => shape.includes(0)),
      ),
  },
];

/** Models of ours whose output may be empty though no input is. */
const dataDependent = new Set(["g_filter", "g_nonzero"]);

/** The entry that keeps a request from being sent; null = it may go. */
export const isLeftOut = (request: TrafficRequest, models: readonly ModelSketch[]): LeftOut | null =>
  leftOut.find(({ applies }) => applies(request, models)) ?? null;

/** Elements of one tensor. */
const ABSURD = 2 ** 30;

const itemsOf = (value: JsonText | undefined): readonly JsonText[] =>
  value?.kind === "array" ? value.items : [];

const shapesOf = (request: TrafficRequest): number[][] => {
  if (request.kind !== "http" || request.body === null) return [];
  const { json: written, bytes } = request.body;
  // A mistake may have been made in the text of the JSON, which is then but a token.
  const text = written === null ? bytes.toString("latin1") : writeJsonText(written);
  const json = readJsonText(text.trim());
  if (json?.kind !== "object") return [];
  return itemsOf(memberOf(json, "inputs")).map((input) =>
    itemsOf(memberOf(input, "shape")).map((dim) => (dim.kind === "token" ? Number(dim.text) : Number.NaN)),
  );
};

const shapesOfMessages = (request: TrafficRequest): number[][] => {
  if (request.kind !== "grpc" && request.kind !== "stream") return [];
  const messages = request.kind === "grpc" ? [request.message] : request.messages;
  return messages.flatMap(({ inputs }) =>
    (Array.isArray(inputs) ? inputs : []).map((input: Json) => {
      const shape = typeof input === "object" && input !== null && "shape" in input ? input.shape : [];
      return Array.isArray(shape) ? shape.map(Number) : [];
    }),
  );
};

const isNothing = ([rows, ...rest]: readonly number[]): boolean => rows === 0 && rest.includes(0);

/** Models whose outputs are asked for as classes. */
const classifiedModels = (request: TrafficRequest): string[] => {
  switch (request.kind) {
    case "http": {
      if (request.body?.json == null || !JSON.stringify(request.body.json).includes("classification"))
        return [];
      const [, name] = /^\/v2\/models\/([^/]+)/.exec(request.path) ?? [];
      return name === undefined ? [] : [name];
    }
    case "grpc":
      return classifiedModel(request.message);
    case "stream":
      return request.messages.flatMap(classifiedModel);
    case "raw":
      return [];
  }
};

const classifiedModel = (message: JsonObject): string[] => {
  const name: Json | undefined = message.model_name;
  return typeof name === "string" && JSON.stringify(message.outputs ?? []).includes("classification")
    ? [name]
    : [];
};
