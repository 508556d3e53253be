import type { Json, JsonObject } from "../exchange/json.ts";
import {
  array,
  type JsonText,
  type Member,
  object,
  readJsonText,
  string,
  token,
  writeJsonText,
} from "../exchange/json-text.ts";
import type { HttpBody, TrafficRequest } from "../traffic/request.ts";
import { smallest } from "./smallest.ts";

/**
 * The smallest request that `stillDiffers` in the same way: parts are taken away and values made simple, as long as the
 * difference stays.
 * @param limit requests to try at the most
 */
export const shrink = (
  request: TrafficRequest,
  stillDiffers: (candidate: TrafficRequest) => Promise<boolean>,
  limit: number,
): Promise<TrafficRequest> => smallest(request, smallerRequests, stillDiffers, limit);

/** Everything that is a step simpler, the boldest steps first. */
export const smallerRequests = function* (request: TrafficRequest): Generator<TrafficRequest> {
  switch (request.kind) {
    case "http":
      for (const [index] of request.headers.entries())
        yield { ...request, headers: request.headers.filter((_, at) => at !== index) };
      if (request.body !== null) {
        yield { ...request, body: null };
        for (const body of smallerBodies(request.body)) yield { ...request, body };
      }
      return;
    case "raw":
      // Bytes taken out of a request make another one that is wrong for another reason.
      return;
    case "grpc":
      if (Object.keys(request.metadata).length > 0) yield { ...request, metadata: {} };
      for (const message of smallerMessages(request.message)) yield { ...request, message };
      return;
    case "stream": {
      if (Object.keys(request.metadata).length > 0) yield { ...request, metadata: {} };
      const { messages } = request;
      if (messages.length > 1)
        for (const [index] of messages.entries())
          yield { ...request, messages: messages.filter((_, at) => at !== index) };
      for (const [index, message] of messages.entries())
        for (const candidate of smallerMessages(message))
          yield { ...request, messages: messages.map((one, at) => (at === index ? candidate : one)) };
      return;
    }
  }
};

const smallerBodies = function* (body: HttpBody): Generator<HttpBody> {
  if (body.packing !== null) yield { ...body, packing: null };
  if (body.headerLength !== null) yield { ...body, headerLength: null };
  for (const bytes of smallerBytes(body.bytes)) yield { ...body, bytes };
  if (body.json !== null) for (const json of smallerJson(body.json)) yield { ...body, json };
};

const smallerBytes = function* (bytes: Buffer): Generator<Buffer> {
  for (let size = bytes.length; size >= 1; size = size > 16 ? Math.floor(size / 4) : Math.floor(size / 2))
    for (let at = 0; at < bytes.length; at += size)
      yield Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + size)]);
};

const smallerJson = function* (value: JsonText): Generator<JsonText> {
  switch (value.kind) {
    case "object": {
      const { members } = value;
      yield* smallerTensors(members);
      for (const [index] of members.entries()) yield object(members.filter((_, at) => at !== index));
      for (const [index, [name, member]] of members.entries())
        for (const candidate of smallerJson(member))
          yield object(members.map((one, at) => (at === index ? [name, candidate] : one)));
      return;
    }
    case "array": {
      const { items } = value;
      if (items.length === 1 && items[0]?.kind === "array") yield items[0];
      for (let size = items.length; size >= 1; size = Math.floor(size / 2))
        for (let at = 0; at < items.length; at += size)
          yield array([...items.slice(0, at), ...items.slice(at + size)]);
      // Elements of tensors are many; the first ones stand for all.
      for (const [index, item] of items.slice(0, 20).entries())
        for (const candidate of smallerJson(item))
          yield array(items.map((one, at) => (at === index ? candidate : one)));
      return;
    }
    case "string":
      if (value.value.length > 1) yield string(value.value.slice(0, 1));
      if (value.value !== "") yield string("");
      return;
    case "token": {
      if (value.text === "1" || value.text === "0") return;
      const parsed = readJsonText(value.text);
      // It was JSON after all.
      if (parsed !== null && parsed.kind !== "token") yield parsed;
      if (parsed?.kind === "token") {
        yield token(0);
        if (/^-?\d/.test(value.text)) yield token(1);
        return;
      }
      // Text that is no JSON: characters are taken out of it.
      for (const bytes of smallerBytes(Buffer.from(value.text))) {
        const text = bytes.toString("utf8");
        if (Buffer.from(text).equals(bytes)) yield token(text);
      }
    }
  }
};

/** A tensor of one element in the place of a larger one: its shape and its data fit together only when both change. */
const smallerTensors = function* (members: readonly Member[]): Generator<JsonText> {
  const of = (name: string): JsonText | undefined => members.find(([key]) => key === name)?.[1];
  const [shape, data] = [of("shape"), of("data")];
  if (shape?.kind !== "array" || data?.kind !== "array" || flat(data).length < 2) return;
  const ones = array(shape.items.map(() => token(1)));
  const changed: Readonly<Record<string, (element: JsonText) => JsonText>> = {
    shape: () => ones,
    data: (element) => array([element]),
  };
  for (const element of flat(data).slice(0, 20))
    yield object(members.map(([name, value]): Member => [name, changed[name]?.(element) ?? value]));
};

const flat = (value: JsonText): readonly JsonText[] =>
  value.kind === "array" ? value.items.flatMap(flat) : [value];

/** Members of a protobuf's JSON; what only JSON could hold is not sent. */
const smallerMessages = function* (message: JsonObject): Generator<JsonObject> {
  const tree = readJsonText(JSON.stringify(message));
  if (tree === null) return;
  for (const candidate of smallerJson(tree)) {
    const parsed: Json = JSON.parse(writeJsonText(candidate));
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      const whole: JsonObject = Object.fromEntries(Object.entries(parsed));
      yield whole;
    }
  }
};
