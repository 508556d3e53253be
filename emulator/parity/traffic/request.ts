import { deflateSync, gzipSync } from "node:zlib";
import { requestBytes } from "../exchange/http-connection.ts";
import type { Json, JsonObject } from "../exchange/json.ts";
import { type JsonText, writeJsonText } from "../exchange/json-text.ts";

/** One request in parts that a shrinker can take away one by one. */
export type TrafficRequest = HttpTraffic | RawTraffic | GrpcTraffic | StreamTraffic;

export type HttpPort = "http" | "metrics" | "sagemaker";

export interface HttpTraffic {
  readonly kind: "http";
  readonly port: HttpPort;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: HttpBody | null;
}

export interface HttpBody {
  /** The JSON part, written compactly; null = there is none. */
  readonly json: JsonText | null;
  /** What follows it: binary tensors, or everything. */
  readonly bytes: Buffer;
  /** Inference-Header-Content-Length: by how much it differs from the length of the JSON part; null = no such header. */
  readonly headerLength: number | null;
  readonly packing: "gzip" | "deflate" | null;
}

/** Bytes on a connection of their own; everything that comes back is compared. */
export interface RawTraffic {
  readonly kind: "raw";
  /** Absent = the HTTP port. To the port of gRPC go all the frames of our side. */
  readonly port?: HttpPort | "grpc";
  readonly bytes: Buffer;
  /** RPCs of the streams 1, 3, 5, ... on the port of gRPC. */
  readonly calls?: readonly string[];
  /** Sent when nothing more comes after `bytes`. */
  readonly later?: Buffer;
  /** Our side is closed with the last byte. */
  readonly ends?: true;
}

/** Messages are protobuf JSON: int64 as strings, bytes as base64. */
export interface GrpcTraffic {
  readonly kind: "grpc";
  readonly rpc: string;
  readonly message: JsonObject;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface StreamTraffic {
  readonly kind: "stream";
  readonly rpc: string;
  readonly messages: readonly JsonObject[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Folders whose paths are not the same for the two servers: `{archives}` in a request stands for the one of its server. */
export type Places = Readonly<Record<string, string>>;

export const HEADER_LENGTH = "Inference-Header-Content-Length";

export const plainBody = (json: JsonText): HttpBody => ({
  json,
  bytes: Buffer.alloc(0),
  headerLength: null,
  packing: null,
});

export const get = (path: string, port: HttpPort = "http"): HttpTraffic => ({
  kind: "http",
  port,
  method: "GET",
  path,
  headers: [],
  body: null,
});

export const post = (path: string, body: HttpBody | null, port: HttpPort = "http"): HttpTraffic => ({
  kind: "http",
  port,
  method: "POST",
  path,
  headers: [],
  body,
});

/** Headers as they are sent, beside Host and Content-Length. */
export const headersOf = ({ headers, body }: HttpTraffic, places: Places): Record<string, string> => {
  const all: Record<string, string> = {};
  if (body?.packing != null) all["Content-Encoding"] = body.packing;
  if (body?.headerLength != null)
    all[HEADER_LENGTH] = String(jsonBytes(body, places).length + body.headerLength);
  for (const [name, value] of headers) all[name] = value;
  return all;
};

export const bodyBytes = (body: HttpBody, places: Places = {}): Buffer => {
  const plain = Buffer.concat([jsonBytes(body, places), body.bytes]);
  if (body.packing === "gzip") return gzipSync(plain);
  return body.packing === "deflate" ? deflateSync(plain) : plain;
};

const jsonBytes = ({ json }: HttpBody, places: Places): Buffer => {
  let text = json === null ? "" : writeJsonText(json);
  for (const [name, path] of Object.entries(places)) text = text.replaceAll(`{${name}}`, path);
  return Buffer.from(text);
};

export const bytesOf = (request: HttpTraffic, places: Places): Buffer =>
  requestBytes({
    method: request.method,
    path: request.path,
    headers: headersOf(request, places),
    body: request.body === null ? null : bodyBytes(request.body, places),
  });

/** Whether the gRPC client is needed, to send it or to read what bytes answer. */
export const needsGrpc = (request: TrafficRequest): boolean =>
  request.kind === "grpc" || request.kind === "stream" || (request.kind === "raw" && request.port === "grpc");

/** The models that a request asks for inference, by their names. */
export const modelsOf = (request: TrafficRequest): readonly string[] => {
  switch (request.kind) {
    case "http":
      return /^\/v2\/models\/([^/]+)/.exec(request.path)?.slice(1) ?? [];
    case "grpc":
      return [String(request.message.model_name)];
    case "stream":
      return request.messages.map(({ model_name }) => String(model_name));
    case "raw":
      return [];
  }
};

/** A command line that sends the same to `host:port`s in variables of the shell: HTTP, METRICS, SAGEMAKER, GRPC. */
export const shellCommand = (request: TrafficRequest): string => {
  switch (request.kind) {
    case "http":
      return curl(request);
    case "raw": {
      const { port = "http", bytes, later, ends } = request;
      const printed = `printf ${quoted(printfText(bytes))}`;
      const all =
        later === undefined ? printed : `(${printed}; sleep 1; printf ${quoted(printfText(later))})`;
      return `${all} | nc ${ends === undefined ? "" : "-N "}$${port.toUpperCase()}`;
    }
    case "grpc":
      return grpcurl(request.rpc, [request.message], request.metadata);
    case "stream":
      return grpcurl(request.rpc, request.messages, request.metadata);
  }
};

const curl = (request: HttpTraffic): string => {
  const words = ["curl", "-i", "--path-as-is"];
  if (request.method !== "GET" || request.body !== null) words.push("-X", request.method);
  for (const [name, value] of Object.entries(headersOf(request, {})))
    words.push("-H", quoted(value === "" ? `${name};` : `${name}: ${value}`));
  words.push(
    quoted(`http://$${request.port.toUpperCase()}${request.path}`).replace(
      /^'http:\/\/(\$[A-Z]+)/,
      "http://$1'",
    ),
  );
  if (request.body === null) return words.join(" ");
  const bytes = bodyBytes(request.body);
  const text = bytes.toString("utf8");
  const readable =
    Buffer.from(text).equals(bytes) &&
    ![...text].some((character) => character < " ") &&
    !text.startsWith("@");
  if (readable) return [...words, "--data-binary", quoted(text)].join(" ");
  return `printf ${quoted(printfText(bytes))} | ${[...words, "--data-binary", "@-"].join(" ")}`;
};

const grpcurl = (
  rpc: string,
  messages: readonly JsonObject[],
  metadata: Readonly<Record<string, string>>,
): string => {
  const headers = Object.entries(metadata).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)} `);
  const service = rpc === "Check" ? "grpc.health.v1.Health" : "inference.GRPCInferenceService";
  const data = messages.map((message: Json) => JSON.stringify(message)).join("");
  return `grpcurl -plaintext ${headers.join("")}-import-path protos -proto service.proto -d ${quoted(data)} $GRPC ${service}/${rpc}`;
};

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

const printfText = (bytes: Buffer): string =>
  [...bytes]
    .map((byte) => {
      if (byte === 0x25) return "%%";
      if (byte === 0x5c) return "\\\\";
      return byte >= 0x20 && byte < 0x7f
        ? String.fromCharCode(byte)
        : `\\${byte.toString(8).padStart(3, "0")}`;
    })
    .join("");
