import { type Agent, request } from "node:http";
import { connect } from "node:http2";
import { ProtobufWriter } from "../../emulator/common/protobuf-wire.ts";

/** An inference over HTTP, ready to send. */
export interface HttpInference {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface BinaryTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: Buffer;
}

export const MODEL_INFER = "/inference.GRPCInferenceService/ModelInfer";

/** KServe v2 with the binary tensor data extension both ways. */
export function binaryInference(
  model: string,
  inputs: readonly BinaryTensor[],
  outputs: readonly string[],
): HttpInference {
  const header = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ name, datatype, shape, data }) => ({
        name,
        datatype,
        shape,
        parameters: { binary_data_size: data.length },
      })),
      outputs: outputs.map((name) => ({ name, parameters: { binary_data: true } })),
    }),
  );
  return {
    path: `/v2/models/${model}/infer`,
    headers: {
      "Content-Type": "application/octet-stream",
      "Inference-Header-Content-Length": String(header.length),
    },
    body: Buffer.concat([header, ...inputs.map(({ data }) => data)]),
  };
}

/** KServe v2 with the data in JSON, which also asks for JSON. */
export function jsonInference(
  model: string,
  inputs: readonly { name: string; datatype: string; shape: readonly number[]; data: readonly unknown[] }[],
): HttpInference {
  return {
    path: `/v2/models/${model}/infer`,
    headers: { "Content-Type": "application/json" },
    body: Buffer.from(JSON.stringify({ inputs })),
  };
}

/** A ModelInferRequest with raw_input_contents. */
export function grpcInference(
  model: string,
  inputs: readonly BinaryTensor[],
  outputs: readonly string[],
): Buffer {
  const message = new ProtobufWriter();
  message.string(1, model);
  for (const { name, datatype, shape } of inputs) {
    message.message(5, (input) => input.string(1, name).string(2, datatype).packedInts(3, shape));
  }
  for (const name of outputs) message.message(6, (output) => output.string(1, name));
  for (const { data } of inputs) message.bytes(7, data);
  return message.finish();
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** @param agent to keep a connection for several requests; else each has its own */
export function sendHttp(
  port: number,
  method: "GET" | "POST",
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body: Buffer | string = "",
  agent: Agent | false = false,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }));
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

/** One unary call. The framed answer, five bytes of frame included, and its grpc-status. */
export async function sendGrpc(
  port: number,
  method: string,
  message: Buffer,
): Promise<{ readonly status: string; readonly body: Buffer }> {
  const session = connect(`http://127.0.0.1:${port}`);
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  try {
    return await new Promise((resolve, reject) => {
      session.once("error", reject);
      const stream = session.request({
        ":method": "POST",
        ":path": method,
        "content-type": "application/grpc",
        te: "trailers",
      });
      const chunks: Buffer[] = [];
      let status = "";
      const readStatus = (headers: Record<string, unknown>) => {
        if (headers["grpc-status"] !== undefined) status = String(headers["grpc-status"]);
      };
      stream.on("response", readStatus);
      stream.on("trailers", readStatus);
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.once("error", reject);
      stream.once("end", () => resolve({ status, body: Buffer.concat(chunks) }));
      stream.end(Buffer.concat([frame, message]));
    });
  } finally {
    session.close();
  }
}
