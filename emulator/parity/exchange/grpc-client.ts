import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Client, Metadata, ServiceError } from "@grpc/grpc-js";
import type { MethodDefinition, Options } from "@grpc/proto-loader";
import { protosFolder } from "../shipped-files.ts";
import type { Json, JsonObject } from "./json.ts";

/** Loaded when a call is made: their user installs them, and much can be compared without. */
const require = createRequire(import.meta.url);
const grpcJs = (): typeof import("@grpc/grpc-js") => require("@grpc/grpc-js");
const protoLoader = (): typeof import("@grpc/proto-loader") => require("@grpc/proto-loader");

/** Whether both packages are installed. */
export const hasGrpc = (): boolean => {
  try {
    return grpcJs() !== null && protoLoader() !== null;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND") return false;
    throw error;
  }
};

const folder = fileURLToPath(protosFolder);
const common: Options = {
  keepCase: true,
  longs: String,
  enums: String,
  bytes: String,
  includeDirs: [folder],
};

type Methods = Record<string, MethodDefinition<object, object>>;

const SERVICE = "inference.GRPCInferenceService";

const methodsOf = (options: Options): Methods => {
  const methods: Methods = {};
  const protoFiles = readdirSync(folder).filter((name) => name.endsWith(".proto"));
  const definitions = protoLoader().loadSync(protoFiles, { ...common, ...options });
  for (const [name, definition] of Object.entries(definitions)) {
    const isService = name === SERVICE || name === "grpc.health.v1.Health";
    if (isService) Object.assign(methods, definition);
  }
  return methods;
};

/** Two readings of each reply: as it came, and with every field that was left at its default. */
let readings: { readonly asSent: Methods; readonly complete: Methods } | null = null;

const bothReadings = (): { readonly asSent: Methods; readonly complete: Methods } => {
  readings ??= { asSent: methodsOf({}), complete: methodsOf({ defaults: true }) };
  return readings;
};

export interface GrpcAnswer {
  /** Code name, `OK` included. */
  readonly code: string;
  readonly details: string;
  readonly replies: readonly { readonly asSent: JsonObject; readonly complete: JsonObject }[];
}

export class GrpcClient {
  readonly #port: number;
  #opened: Client | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  get #client(): Client {
    const { Client, credentials } = grpcJs();
    this.#opened ??= new Client(`127.0.0.1:${this.#port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
    });
    return this.#opened;
  }

  close(): void {
    this.#opened?.close();
  }

  /** @param message protobuf JSON: int64 as strings, bytes as base64 */
  unary(
    rpc: string,
    message: JsonObject,
    metadata: Readonly<Record<string, string>>,
    cancelAfterMs?: number,
  ): Promise<GrpcAnswer> {
    const method = methodOf(rpc);
    return new Promise((resolve) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        (value: JsonObject) => method.requestSerialize(value),
        (bytes: Buffer) => bytes,
        message,
        metadataOf(metadata),
        (error: ServiceError | null, bytes?: Buffer) => {
          if (error !== null) resolve({ code: codeName(error.code), details: error.details, replies: [] });
          else resolve({ code: "OK", details: "", replies: bytes === undefined ? [] : [decode(rpc, bytes)] });
        },
      );
      if (cancelAfterMs !== undefined) setTimeout(() => call.cancel(), cancelAfterMs);
    });
  }

  /** Sends all messages, closes the sending side and gathers what comes. */
  stream(
    rpc: string,
    messages: readonly JsonObject[],
    metadata: Readonly<Record<string, string>>,
  ): Promise<GrpcAnswer> {
    const method = methodOf(rpc);
    return new Promise((resolve) => {
      const replies: GrpcAnswer["replies"][number][] = [];
      const call = this.#client.makeBidiStreamRequest(
        method.path,
        (value: JsonObject) => method.requestSerialize(value),
        (bytes: Buffer) => bytes,
        metadataOf(metadata),
      );
      call.on("data", (bytes: Buffer) => replies.push(decode(rpc, bytes)));
      call.on("error", () => {});
      call.on("status", (end) => resolve({ code: codeName(end.code), details: end.details, replies }));
      for (const message of messages) call.write(message);
      call.end();
    });
  }
}

const methodOf = (rpc: string): MethodDefinition<object, object> => {
  const method = bothReadings().asSent[rpc];
  if (method === undefined) throw new Error(`no such RPC: ${rpc}`);
  return method;
};

const decode = (rpc: string, bytes: Buffer): { asSent: JsonObject; complete: JsonObject } => ({
  asSent: plain(methodOf(rpc).responseDeserialize(bytes)),
  complete: plain((bothReadings().complete[rpc] ?? methodOf(rpc)).responseDeserialize(bytes)),
});

/** A reply as it was sent, maps in the order of their keys; undefined where it is none of that RPC. */
export const decodeReply = (rpc: string, bytes: Uint8Array): Json | undefined => {
  const method = bothReadings().asSent[rpc];
  try {
    return method === undefined ? undefined : inOrder(plain(method.responseDeserialize(Buffer.from(bytes))));
  } catch {
    return undefined;
  }
};

const inOrder = (value: Json): Json => {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, inOrder(member)]));
};

/** A reply with every field that was left at its default. */
export const completed = (rpc: string, reply: JsonObject): JsonObject =>
  decode(rpc, methodOf(rpc).responseSerialize(reply)).complete;

const plain = (message: object): JsonObject => JSON.parse(JSON.stringify(message));

const metadataOf = (entries: Readonly<Record<string, string>>): Metadata => {
  const metadata = new (grpcJs().Metadata)();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
};

const codeName = (code: number): string =>
  Object.entries(grpcJs().status).find(([, value]) => value === code)?.[0] ?? String(code);
