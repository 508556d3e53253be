import { copyFileSync, mkdirSync } from "node:fs";
import { type Agent, request } from "node:http";
import { join } from "node:path";
import { isTensor, type NodeCase, type NodeTensor } from "./cases.ts";
import { difference, type ReceivedTensor } from "./compare.ts";

/** A repository with each case as a model without config.pbtxt. */
export function writeRepository(folder: string, cases: readonly NodeCase[]): void {
  for (const { name, model } of cases) {
    const version = join(folder, name, "1");
    mkdirSync(version, { recursive: true });
    copyFileSync(model, join(version, "model.onnx"));
  }
}

/** Loads, asks and unloads one case over HTTP. Null when all outputs are as expected, else the reason. */
export async function servedReason(port: number, agent: Agent, nodeCase: NodeCase): Promise<string | null> {
  const load = await post(port, agent, `/v2/repository/models/${nodeCase.name}/load`, {}, Buffer.alloc(0));
  if (load.status !== 200) return errorOf(load.body);
  try {
    for (const { inputs, outputs } of nodeCase.sets) {
      const expected = outputs.filter(isTensor);
      const answer = await infer(port, agent, nodeCase.name, inputs.filter(isTensor), expected);
      if (typeof answer === "string") return answer;
      for (const tensor of expected) {
        const expectedTensor = { ...tensor, shape: servedShape(tensor.shape) };
        const differs = difference(answer.get(tensor.name), expectedTensor, nodeCase);
        if (differs !== null) return `answers ${differs}`;
      }
    }
    return null;
  } finally {
    await post(port, agent, `/v2/repository/models/${nodeCase.name}/unload`, {}, Buffer.alloc(0));
  }
}

/** Triton has no scalars: auto-complete declares them as [1]. */
function servedShape(shape: readonly number[]): readonly number[] {
  return shape.length === 0 ? [1] : shape;
}

/** The outputs by name, or the server's error. */
async function infer(
  port: number,
  agent: Agent,
  model: string,
  inputs: readonly NodeTensor[],
  outputs: readonly NodeTensor[],
): Promise<ReadonlyMap<string, ReceivedTensor> | string> {
  const header = Buffer.from(
    JSON.stringify({
      inputs: inputs.map(({ name, datatype, shape, data }) => ({
        name,
        datatype,
        shape: servedShape(shape),
        parameters: { binary_data_size: data.length },
      })),
      outputs: outputs.map(({ name }) => ({ name, parameters: { binary_data: true } })),
    }),
  );
  const { status, headerLength, body } = await post(
    port,
    agent,
    `/v2/models/${model}/infer`,
    { "Inference-Header-Content-Length": String(header.length) },
    Buffer.concat([header, ...inputs.map(({ data }) => data)]),
  );
  if (status !== 200) return errorOf(body);
  const answer: {
    outputs: { name: string; datatype: string; shape: number[]; parameters: { binary_data_size: number } }[];
  } = JSON.parse(body.toString("utf8", 0, headerLength ?? body.length));
  const received = new Map<string, ReceivedTensor>();
  let at = headerLength ?? body.length;
  for (const { name, datatype, shape, parameters } of answer.outputs) {
    received.set(name, { datatype, shape, data: body.subarray(at, at + parameters.binary_data_size) });
    at += parameters.binary_data_size;
  }
  return received;
}

function errorOf(body: Buffer): string {
  return JSON.parse(body.toString()).error;
}

interface Answer {
  readonly status: number;
  readonly headerLength: number | null;
  readonly body: Buffer;
}

function post(
  port: number,
  agent: Agent,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method: "POST", path, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        const length = response.headers["inference-header-content-length"];
        resolve({
          status: response.statusCode ?? 0,
          headerLength: length === undefined ? null : Number(length),
          body: Buffer.concat(chunks),
        });
      });
    });
    sent.once("error", reject);
    sent.end(body);
  });
}
