import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { TritonError } from "../../../../emulator/common/status.ts";
import type { ServableVersion } from "../../../../emulator/core/inference-server.ts";
import { type DataType, isDataType } from "../../../../emulator/core/tensor/data-type.ts";
import type { InputTensor, OutputTensor } from "../../../../emulator/core/tensor/inference-request.ts";
import { httpStatus } from "../../../../emulator/frontends/kserve-json/http-status.ts";
import {
  type DecodedInferRequest,
  decodeInferRequest,
  inferenceHeaderLength,
} from "../../../../emulator/frontends/kserve-json/infer-request.ts";
import { encodeInferResponse } from "../../../../emulator/frontends/kserve-json/infer-response.ts";
import { errorBody } from "../../../../emulator/frontends/kserve-json/json-writer.ts";
import { caseBody, type InferCase, readCases } from "../../../../fixtures/http-codec/cases.ts";
import { minimalModelConfig } from "./minimal-model-config.ts";

const cases = readCases(
  readFileSync(new URL("../../../../fixtures/http-codec/infer.jsonl", import.meta.url), "utf8"),
);

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

const errorAnswer = (error: TritonError, type: string): Answer => ({
  status: httpStatus[error.code],
  headers: [type],
  body: errorBody(error.message),
});

/** What the codec makes of a case, the graph computed here. Null = decoded without fault, and the rest is the core's. */
const answerOf = (one: InferCase): Answer | null => {
  const body = caseBody(one);
  const headerLength = inferenceHeaderLength(one.headers?.["Inference-Header-Content-Length"], body.length);
  if (!headerLength.ok) return errorAnswer(headerLength.error, "text/plain");
  const decoded = decodeInferRequest(body, headerLength.value, one.model);
  if (!decoded.ok) return errorAnswer(decoded.error, "application/json");
  if (one.reply.status !== 200 && one.reply.headers[0] !== "text/plain") return null;
  const outputs = compute(one.model, decoded.value);
  const encoded = encodeInferResponse(decoded.value, version(one.model), { final: true, outputs });
  if (!encoded.ok) return errorAnswer(encoded.error, "text/plain");
  const headers = encoded.value.headers.filter((_, index) => index % 2 === 1);
  return { status: 200, headers, body: Buffer.concat(encoded.value.body) };
};

const compute = (model: string, request: DecodedInferRequest): OutputTensor[] => {
  const { inputs, requestedOutputs = [] } = request.fields;
  const outputs = model === "addsub" ? addSub(inputs) : inputs.map((input) => identity(model, input));
  return outputs
    .filter(({ name }) => requestedOutputs.length === 0 || requestedOutputs.includes(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
};

const addSub = ([a, b]: readonly InputTensor[]): OutputTensor[] => {
  const sum = Buffer.alloc(16);
  const difference = Buffer.alloc(16);
  for (let at = 0; at < 16; at += 4) {
    const left = Buffer.from(a!.data).readInt32LE(at);
    const right = Buffer.from(b!.data).readInt32LE(at);
    sum.writeInt32LE((left + right) | 0, at);
    difference.writeInt32LE((left - right) | 0, at);
  }
  return [
    { name: "OUTPUT0", datatype: "INT32", shape: [1, 4], data: sum },
    { name: "OUTPUT1", datatype: "INT32", shape: [1, 4], data: difference },
  ];
};

/** A raw request has one FP32 [1,4] input here; its type and shape are the core's to find. */
const identity = (model: string, input: InputTensor): OutputTensor => {
  if (model === "ident") return { name: "Y", datatype: "FP32", shape: [1, 4], data: input.data };
  const name = model === "idstr" ? "R" : input.name.replace("x_", "y_");
  return { name, datatype: dataType(input.datatype), shape: input.shape, data: input.data };
};

const dataType = (text: string): DataType => {
  if (!isDataType(text)) throw new Error(`${text} is no data type`);
  return text;
};

const version = (modelName: string): ServableVersion => ({
  modelName,
  version: 1,
  versionText: "1",
  config: minimalModelConfig(modelName === "lab0" ? 0 : 4),
  decoupled: false,
  labels: () => (modelName.startsWith("lab") ? ["zero", "", "two with space", 'three"q\r', "four"] : null),
});

const isOfCore = ({ reply }: InferCase): boolean =>
  reply.body !== undefined && /^{"error":"(\[request id|unexpected inference)/.test(reply.body);

for (const one of cases) {
  test(`infer codec: answers as 2.51.0, ${one.name}`, () => {
    const answer = answerOf(one);
    if (answer === null) {
      expect(isOfCore(one)).toBe(true);
      return;
    }
    expect({ ...answer, body: answer.body.toString("latin1") }).toEqual({
      status: one.reply.status,
      headers: one.reply.headers,
      body: caseBody(one.reply).toString("latin1"),
    });
  });
}
