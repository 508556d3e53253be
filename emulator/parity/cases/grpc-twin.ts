import type { GrpcAnswer } from "../exchange/grpc-client.ts";
import type { Json, JsonObject } from "../exchange/json.ts";
import { type CompareContext, compareMessages, type Differences } from "./compare.ts";
import type { HttpRequest, HttpResponse } from "./conformance-case.ts";
import { packTensor } from "./tensor-bytes.ts";

/** The gRPC call that asks the same as an HTTP request, and how its answer follows from the recorded HTTP answer. */
export interface GrpcTwin {
  readonly rpc: string;
  readonly message: JsonObject;
  judge(expected: HttpResponse, actual: GrpcAnswer, context: CompareContext): Differences;
}

/** Null where HTTP says something that gRPC cannot (malformed JSON, wrong methods, compression, ...). */
export const twinOf = (request: HttpRequest): GrpcTwin | null => {
  if (request.port !== undefined || request.headers !== undefined || request.body_base64 !== undefined)
    return null;
  const body = request.body === undefined ? {} : objectBody(request.body);
  if (body === null || request.path === "/v2/models/stats") return null;
  for (const [method, pattern, make] of routes) {
    const found = method === request.method ? pattern.exec(request.path) : null;
    if (found !== null) return make(found.groups ?? {}, body);
  }
  return null;
};

type Groups = Readonly<Record<string, string | undefined>>;
type MakeTwin = (groups: Groups, body: JsonObject) => GrpcTwin | null;

const modelPath = "^/v2/models/(?<model>[^/]+)(?:/versions/(?<version>\\d{1,9}))?";
const repositoryPath = "^/v2/repository/models/(?<model>[^/]+)";

const routes: readonly (readonly [method: string, path: RegExp, make: MakeTwin])[] = [
  ["GET", /^\/v2\/health\/live$/, () => bool("ServerLive", {}, "live")],
  ["GET", /^\/v2\/health\/ready$/, () => bool("ServerReady", {}, "ready")],
  ["GET", /^\/v2$/, () => reply("ServerMetadata", {}, (body) => body)],
  [
    "GET",
    new RegExp(`${modelPath}$`),
    (groups) => reply("ModelMetadata", nameAndVersion(groups), (body) => body),
  ],
  ["GET", new RegExp(`${modelPath}/ready$`), (groups) => bool("ModelReady", nameAndVersion(groups), "ready")],
  [
    "GET",
    new RegExp(`${modelPath}/config$`),
    (groups) => reply("ModelConfig", nameAndVersion(groups), (config) => ({ config })),
  ],
  [
    "GET",
    new RegExp(`${modelPath}/stats$`),
    (groups) => reply("ModelStatistics", nameAndVersion(groups), (body) => body),
  ],
  ["POST", new RegExp(`${modelPath}/infer$`), (groups, body) => inferTwin(groups, body)],
  ["POST", /^\/v2\/repository\/index$/, (_, body) => indexTwin(body)],
  ["POST", new RegExp(`${repositoryPath}/load$`), (groups, body) => loadTwin(groups, body)],
  ["POST", new RegExp(`${repositoryPath}/unload$`), (groups, body) => unloadTwin(groups, body)],
  ["GET", /^\/v2\/trace\/setting$/, () => settings("TraceSetting", {}, traceReply)],
  [
    "GET",
    new RegExp(`${modelPath}/trace/setting$`),
    (groups) => settings("TraceSetting", { model_name: groups.model! }, traceReply),
  ],
  ["GET", /^\/v2\/logging$/, () => settings("LogSettings", {}, logReply)],
];

const nameAndVersion = (groups: Groups): JsonObject => ({
  name: groups.model!,
  ...(groups.version === undefined ? {} : { version: groups.version }),
});

const objectBody = (body: Json): JsonObject | null => {
  const value = typeof body === "string" ? parseOrNull(body) : body;
  return isObject(value) ? value : null;
};

const parseOrNull = (text: string): Json => {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return null;
  }
};

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Health: a status of 200 is `true`. */
const bool = (rpc: string, message: JsonObject, field: string): GrpcTwin => ({
  rpc,
  message,
  judge: (expected, actual) => {
    if (actual.code !== "OK") return [`gRPC ${rpc}: ${actual.code} ${actual.details}`];
    return compareMessages({ [field]: expected.status === 200 }, actual.replies[0]?.asSent ?? {}, rpc);
  },
});

/** The reply holds what the HTTP body holds. */
const reply = (rpc: string, message: JsonObject, replyOf: (body: JsonObject) => JsonObject): GrpcTwin => ({
  rpc,
  message,
  judge: (expected, actual, context) =>
    judgeError(rpc, expected, actual, context) ??
    compareMessages(
      withoutEmptyMaps(replyOf(JSON.parse(expected.body ?? "{}"))),
      withoutEmptyMaps(actual.replies[0]?.complete ?? {}),
      rpc,
    ),
});

/** Several codes of Triton share one HTTP status. */
const codesOfStatus: Readonly<Record<number, readonly string[]>> = {
  400: ["INVALID_ARGUMENT", "UNKNOWN", "ALREADY_EXISTS", "CANCELLED"],
  404: ["NOT_FOUND"],
  500: ["INTERNAL"],
  501: ["UNIMPLEMENTED"],
  503: ["UNAVAILABLE"],
};

/** Null = both succeeded. */
const judgeError = (
  rpc: string,
  expected: HttpResponse,
  actual: GrpcAnswer,
  context: CompareContext,
): Differences | null => {
  if (expected.status === 200)
    return actual.code === "OK" ? null : [`gRPC ${rpc}: ${actual.code} ${actual.details} instead of OK`];
  const { error = "" }: { error?: string } = JSON.parse(
    expected.body === "" ? "{}" : (expected.body ?? "{}"),
  );
  const message = error.replaceAll("{repo}", context.repository).replace(/^HTTP end point/, "ModelInfer RPC");
  const differences: string[] = [];
  if (!(codesOfStatus[expected.status] ?? []).includes(actual.code))
    differences.push(`gRPC ${rpc}: code ${actual.code} (${actual.details}) for status ${expected.status}`);
  // Node's HTTP/2 may drop a header whose value ends in a blank, as grpc-message then does.
  const dropped = message.endsWith(" ") && actual.details === "";
  if (actual.details !== message && !dropped)
    differences.push(`gRPC ${rpc}: got      ${actual.details}\n    expected ${message}`);
  return differences;
};

const withoutEmptyMaps = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(withoutEmptyMaps);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, member]) => !(emptyWhenUnset.has(key) && isObject(member) && Object.keys(member).length === 0),
      )
      .map(([key, member]) => [key, withoutEmptyMaps(member)]),
  );
};

const emptyWhenUnset = new Set([
  "cc_model_filenames",
  "metric_tags",
  "parameters",
  "priority_queue_policy",
  "response_stats",
  "initial_state",
]);

const indexTwin = (body: JsonObject): GrpcTwin | null => {
  const { ready } = body;
  if (ready !== undefined && typeof ready !== "boolean") return null;
  return {
    rpc: "RepositoryIndex",
    message: ready === undefined ? {} : { ready },
    judge: (expected, actual, context) => {
      const failed = judgeError("RepositoryIndex", expected, actual, context);
      if (failed !== null) return failed;
      const rows = actual.replies[0]?.asSent.models;
      const models = (Array.isArray(rows) ? rows : []).filter(
        (row: Json) => isObject(row) && context.models.includes(String(row.name)),
      );
      const wanted: Json = JSON.parse((expected.body ?? "[]").replaceAll("{repo}", context.repository));
      return compareMessages(wanted, models, "index");
    },
  };
};

const loadTwin = (groups: Groups, body: JsonObject): GrpcTwin | null => {
  const { parameters = {} } = body;
  if (!isObject(parameters)) return null;
  // A protobuf map has no order, and the order of files decides which error is found.
  if (Object.keys(parameters).filter((name) => name.startsWith("file:")).length > 1) return null;
  const converted: Record<string, Json> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== "string") return null;
    if (name === "config") converted[name] = { string_param: value };
    else if (name.startsWith("file:")) converted[name] = { bytes_param: value };
    else return null;
  }
  return empty("RepositoryModelLoad", { model_name: groups.model!, parameters: converted });
};

const unloadTwin = (groups: Groups, body: JsonObject): GrpcTwin | null => {
  const { parameters = {} } = body;
  if (!isObject(parameters)) return null;
  const { unload_dependents: dependents } = parameters;
  if (dependents !== undefined && typeof dependents !== "boolean") return null;
  const converted: JsonObject =
    dependents === undefined ? {} : { unload_dependents: { bool_param: dependents } };
  return empty("RepositoryModelUnload", { model_name: groups.model!, parameters: converted });
};

const empty = (rpc: string, message: JsonObject): GrpcTwin => ({
  rpc,
  message,
  judge: (expected, actual, context) => judgeError(rpc, expected, actual, context) ?? [],
});

/** Settings travel as a map of typed values. */
const settings = (rpc: string, message: JsonObject, replyOf: (body: JsonObject) => JsonObject): GrpcTwin => ({
  rpc,
  message,
  judge: (expected, actual, context) =>
    judgeError(rpc, expected, actual, context) ??
    compareMessages(replyOf(JSON.parse(expected.body ?? "{}")), actual.replies[0]?.asSent ?? {}, rpc),
});

const traceReply = (body: JsonObject): JsonObject => ({
  settings: Object.fromEntries(
    Object.entries(body).map(([name, value]) => [name, { value: Array.isArray(value) ? value : [value] }]),
  ),
});

const logReply = (body: JsonObject): JsonObject => ({
  settings: Object.fromEntries(
    Object.entries(body).map(([name, value]) => [
      name,
      typeof value === "string"
        ? { string_param: value }
        : typeof value === "boolean"
          ? { bool_param: value }
          : { uint32_param: value },
    ]),
  ),
});

/** Only requests whose tensors are sound JSON data; the parameters keep their kinds. */
const inferTwin = (groups: Groups, body: JsonObject): GrpcTwin | null => {
  const { inputs, outputs = [], id, parameters, ...others } = body;
  if (!Array.isArray(inputs) || !Array.isArray(outputs) || Object.keys(others).length > 0) return null;
  if (id !== undefined && typeof id !== "string") return null;
  const raw: string[] = [];
  const converted: Json[] = [];
  for (const input of inputs as readonly Json[]) {
    if (!isObject(input)) return null;
    const { name, datatype, shape, data, parameters: inputParameters } = input;
    if (typeof name !== "string" || typeof datatype !== "string" || !Array.isArray(shape)) return null;
    if (inputParameters !== undefined || !shape.every((dim) => typeof dim === "number" && dim >= 0))
      return null;
    const bytes = Array.isArray(data) ? packTensor(datatype, data, shape as number[]) : null;
    if (bytes === null) return null;
    converted.push({ name, datatype, shape: shape.map(String) });
    raw.push(bytes.toString("base64"));
  }
  const asked: Json[] = [];
  for (const output of outputs as readonly Json[]) {
    if (!isObject(output) || typeof output.name !== "string") return null;
    const outputParameters = parameterMap(output.parameters ?? {});
    if (outputParameters === null || "binary_data" in outputParameters) return null;
    // 0 turns classification off in JSON and is refused here.
    if ("parameters" in output && isObject(output.parameters) && output.parameters.classification === 0)
      return null;
    asked.push({ name: output.name, parameters: outputParameters });
  }
  const requestParameters = parameterMap(parameters ?? {});
  if (requestParameters === null || "binary_data_output" in requestParameters) return null;
  const message: JsonObject = {
    model_name: groups.model!,
    ...(groups.version === undefined ? {} : { model_version: groups.version }),
    ...(id === undefined ? {} : { id }),
    parameters: requestParameters,
    inputs: converted,
    outputs: asked,
    raw_input_contents: raw,
  };
  return {
    rpc: "ModelInfer",
    message,
    judge: (expected, actual, context) =>
      judgeError("ModelInfer", expected, actual, context) ??
      compareMessages(inferReply(expected), actual.replies[0]?.asSent ?? {}, "ModelInfer"),
  };
};

const parameterMap = (parameters: Json): Record<string, Json> | null => {
  if (!isObject(parameters)) return null;
  const converted: Record<string, Json> = {};
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value === "string") converted[name] = { string_param: value };
    else if (typeof value === "boolean") converted[name] = { bool_param: value };
    else if (typeof value === "number" && Number.isSafeInteger(value))
      converted[name] = { int64_param: String(value) };
    else return null;
  }
  return converted;
};

/** The bytes of any number, and of a NaN (JSON does not tell its sign), are not known. */
const inferReply = (expected: HttpResponse): JsonObject => {
  const {
    outputs = [],
    parameters,
    ...head
  }: { outputs?: JsonObject[]; parameters?: Json } = JSON.parse(withQuotedSpecials(expected.body ?? "{}"));
  return {
    ...head,
    ...(parameters === undefined ? {} : { parameters: parameterMap(parameters) }),
    outputs: outputs.map(({ name, datatype, shape }) => ({
      name: name!,
      datatype: datatype!,
      shape: shape!,
    })),
    raw_output_contents: outputs.map(({ datatype, data, shape }) =>
      Array.isArray(data) && (data.includes("?") || data.includes("NaN"))
        ? "?"
        : (packTensor(String(datatype), data as Json[], shape as number[]) ?? Buffer.alloc(0)).toString(
            "base64",
          ),
    ),
  };
};

/** NaN and Infinity are not JSON; packTensor takes their names. */
const withQuotedSpecials = (text: string): string =>
  text.replace(/(?<=[[,])(-?(?:NaN|Infinity))(?=[\],])/g, '"$1"');
