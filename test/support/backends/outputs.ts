import { TritonError } from "../../../emulator/common/status.ts";
import type {
  InferenceRequest,
  InferenceResponse,
  InputTensor,
  OutputTensor,
} from "../../../emulator/core/tensor/inference-request.ts";

/** One BYTES element, shape [1] or [1,1]. */
export const bytesOutput = (name: string, text: string, batched: boolean): OutputTensor => {
  const bytes = Buffer.from(text);
  const data = Buffer.alloc(4 + bytes.length);
  data.writeUInt32LE(bytes.length);
  bytes.copy(data, 4);
  return { name, datatype: "BYTES", shape: batched ? [1, 1] : [1], data };
};

export const int32Output = (
  name: string,
  values: readonly number[],
  shape: readonly number[],
): OutputTensor => {
  const data = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) data.writeInt32LE(value | 0, 4 * index);
  return { name, datatype: "INT32", shape, data };
};

export const inputOf = (request: InferenceRequest, name: string): InputTensor | undefined =>
  request.inputs.find((input) => input.name === name);

/** Elements of an INT32 tensor. */
export const int32Values = ({ data }: InputTensor): number[] => {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Array.from({ length: data.byteLength / 4 }, (_, index) => buffer.readInt32LE(4 * index));
};

/** The first element of a BYTES input; `echo:` where the input is absent, as the model file has it. */
export const textOf = (request: InferenceRequest, name: string): string | TritonError => {
  const input = inputOf(request, name);
  if (input === undefined) return "echo:";
  const buffer = Buffer.from(input.data.buffer, input.data.byteOffset, input.data.byteLength);
  const length = buffer.readUInt32LE(0);
  const available = buffer.length - 4;
  if (length > available)
    return new TritonError(
      "INVALID_ARG",
      `incomplete string data for inference input '${name}', expecting string of length ${length} but only ${available} bytes available`,
    );
  return buffer.toString("utf8", 4, 4 + length);
};

/** The outputs that were asked for, as the Python backend filters them. */
export const finalResponse = (
  outputs: readonly OutputTensor[],
  request: InferenceRequest,
): InferenceResponse => {
  const asked = request.requestedOutputs;
  const kept = asked.length === 0 ? outputs : outputs.filter(({ name }) => asked.includes(name));
  return { final: true, outputs: kept };
};
