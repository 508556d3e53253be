import { upToNul } from "../../common/c-string.ts";
import { fail, ok, type Result, type TritonError } from "../../common/status.ts";
import type { InferenceServer, ServableVersion } from "../../core/inference-server.ts";
import { bytesOfClasses, classify } from "../../core/tensor/classification.ts";
import {
  InferenceRequest,
  type InferenceResponse,
  type InputTensor,
  type OutputTensor,
  type Parameter,
  type ResponseSink,
} from "../../core/tensor/inference-request.ts";

import type { InferInputTensor, InferRequestMessage } from "./codec/infer-request.ts";
import type { InferResponseMessage } from "./codec/infer-response.ts";
import { readRequestParameters } from "./codec/request-parameters.ts";
import { readClassification, readSharedMemory } from "./codec/tensor-parameters.ts";
import { parseModelVersion } from "./model-version.ts";

/** One ModelInferRequest on its way: what unary and streamed inference share. */
export interface InferCall {
  readonly version: ServableVersion;
  readonly request: InferenceRequest;
  /** `triton_enable_empty_final_response`, which only streams look at. */
  readonly enableEmptyFinalResponse: boolean;
  /** How many classes an output is asked for, by name. */
  readonly classifications: ReadonlyMap<string, number>;
}

/** The version a message asks for. */
export const findVersion = (
  server: InferenceServer,
  message: InferRequestMessage,
): Result<ServableVersion> => {
  const version = parseModelVersion(message.modelVersion);
  return version.ok ? server.findVersion(upToNul(message.modelName), version.value) : version;
};

/**
 * Turns a message into a request, checking in the real server's order: parameters, duplicate inputs, tensor data,
 * then what is asked of the outputs (2.51.0).
 * @param forwarded headers that go on as parameters
 */
export const createInferCall = (
  version: ServableVersion,
  message: InferRequestMessage,
  forwarded: readonly Parameter[],
  respond: ResponseSink,
): Result<InferCall> => {
  const parameters = readRequestParameters(message.parameters);
  if (!parameters.ok) return parameters;
  const duplicate = findDuplicate(message.inputs);
  if (duplicate !== null) {
    const id = message.id === "" ? "<id_unknown>" : message.id;
    return fail("INVALID_ARG", `[request id: ${id}] input '${duplicate}' already exists in request`);
  }
  const inputs = readInputs(message);
  if (!inputs.ok) return inputs;
  const outputs = readOutputs(message);
  if (!outputs.ok) return outputs;
  const { sequenceId, sequenceStart, sequenceEnd, priority, timeoutUs, custom } = parameters.value;
  return ok({
    version,
    request: new InferenceRequest({
      id: message.id,
      inputs: inputs.value,
      requestedOutputs: outputs.value.names,
      parameters: forwarded.length === 0 ? custom : [...custom, ...forwarded],
      sequenceId,
      sequenceStart,
      sequenceEnd,
      priority,
      timeoutUs,
      respond,
    }),
    enableEmptyFinalResponse: parameters.value.enableEmptyFinalResponse,
    classifications: outputs.value.classifications,
  });
};

/** A response as the wire says it. Errors: those of classification. */
export const createResponseMessage = (
  call: InferCall,
  response: InferenceResponse,
  extraParameters: readonly Parameter[],
): Result<InferResponseMessage> => {
  let outputs = response.outputs;
  if (call.classifications.size > 0) {
    const classified: OutputTensor[] = [];
    for (const output of outputs) {
      const count = call.classifications.get(output.name);
      if (count === undefined) {
        classified.push(output);
        continue;
      }
      const { datatype, shape, data } = output;
      const batched = call.version.config.max_batch_size > 0;
      const result = classify(datatype, shape, data, batched, count, call.version.labels(output.name));
      if (!result.ok) return result;
      classified.push({
        name: output.name,
        datatype: "BYTES",
        shape: result.value.shape,
        data: bytesOfClasses(result.value.classes),
      });
    }
    outputs = classified;
  }
  return ok({
    modelName: call.version.modelName,
    modelVersion: call.version.versionText,
    id: call.request.id,
    parameters: [...(response.parameters ?? []), ...extraParameters],
    outputs,
  });
};

const findDuplicate = (inputs: readonly InferInputTensor[]): string | null => {
  for (let i = 1; i < inputs.length; i++) {
    for (let j = 0; j < i; j++) if (inputs[i]!.name === inputs[j]!.name) return inputs[i]!.name;
  }
  return null;
};

const readInputs = (message: InferRequestMessage): Result<InputTensor[]> => {
  const { modelName, rawInputContents } = message;
  const tensors: InputTensor[] = [];
  let nextRaw = 0;
  for (const input of message.inputs) {
    const { name, datatype, shape, contents } = input;
    const sharedMemory = readSharedMemory(name, input.parameters);
    if (!sharedMemory.ok) return sharedMemory;
    if (sharedMemory.value !== null) {
      if (contents !== null) {
        return fail(
          "INVALID_ARG",
          `unexpected 'content' provided when using shared memory for input tensor '${name}' for model '${modelName}'`,
        );
      }
      return unknownRegion(sharedMemory.value.region);
    }
    if (contents !== null) {
      if (rawInputContents.length > 0) {
        return fail(
          "INVALID_ARG",
          `contents field must not be specified when using raw_input_contents for '${name}' for model '${modelName}'`,
        );
      }
      const data = contents.toBytes(datatype, name, modelName);
      if (!data.ok) return data;
      tensors.push({ name, datatype, shape, data: data.value });
      continue;
    }
    const data = rawInputContents[nextRaw++];
    if (data === undefined) {
      return fail(
        "INVALID_ARG",
        `unable to find data for input tensor '${name}' for model '${modelName}' in request.`,
      );
    }
    tensors.push({ name, datatype, shape, data });
  }
  return ok(tensors);
};

const noClassifications: ReadonlyMap<string, number> = new Map();
const allOutputs = ok({ names: [] as readonly string[], classifications: noClassifications });

const readOutputs = (
  message: InferRequestMessage,
): Result<{ readonly names: readonly string[]; readonly classifications: ReadonlyMap<string, number> }> => {
  if (message.outputs.length === 0) return allOutputs;
  const names = new Set<string>();
  const classifications = new Map<string, number>();
  for (const { name, parameters } of message.outputs) {
    const first = !names.has(name);
    names.add(name);
    const sharedMemory = readSharedMemory(name, parameters);
    if (!sharedMemory.ok) return sharedMemory;
    const classification = readClassification(parameters);
    if (!classification.ok) return classification;
    if (sharedMemory.value !== null) {
      if (classification.value !== null) {
        return fail("INVALID_ARG", "output can't set both 'shared_memory_region' and 'classification'");
      }
      return unknownRegion(sharedMemory.value.region);
    }
    if (first && classification.value !== null) classifications.set(name, classification.value);
  }
  return ok({ names: [...names], classifications });
};

/** No region can be registered yet, so none is ever found. */
const unknownRegion = (region: string): { readonly ok: false; readonly error: TritonError } =>
  fail("NOT_FOUND", `Unable to find shared memory region: '${region}'`);
