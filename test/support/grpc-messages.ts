import { fileURLToPath } from "node:url";
import { loadSync, type MethodDefinition } from "@grpc/proto-loader";

/** The service as proto-loader reads it from protos/: an independent codec of every message. */
const definitions = loadSync("service.proto", {
  keepCase: true,
  longs: String,
  enums: String,
  oneofs: true,
  includeDirs: [fileURLToPath(new URL("../../protos/", import.meta.url))],
});

const method = (rpc: string): MethodDefinition<object, object> => {
  const service = definitions["inference.GRPCInferenceService"];
  const found = service !== undefined && !("format" in service) ? service[rpc] : undefined;
  if (found === undefined) throw new Error(`no such RPC: ${rpc}`);
  return found;
};

export const encodeRequest = (rpc: string, message: object): Buffer => method(rpc).requestSerialize(message);

export const decodeResponse = (rpc: string, pieces: readonly Uint8Array[]): object =>
  plain(method(rpc).responseDeserialize(Buffer.concat(pieces)));

/** Without the classes of the other library. */
const plain = (value: object): object => structuredClone(JSON.parse(JSON.stringify(value)));
