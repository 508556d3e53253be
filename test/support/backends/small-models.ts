import { TritonError } from "../../../emulator/common/status.ts";
import type { ModelConfig } from "../../../emulator/core/model-config/model-config.ts";
import type {
  InferenceRequest,
  InferenceResponse,
  InputTensor,
} from "../../../emulator/core/tensor/inference-request.ts";
import { bytesOutput, finalResponse, inputOf, int32Output, int32Values } from "./outputs.ts";
import type { ModelObject, ModelObjectContext } from "./python-stand-in.ts";

/** A model that answers each request at once. */
abstract class SimpleModel implements ModelObject {
  initialize(done: (raised: string | null) => void): void {
    done(null);
  }

  execute(
    requests: readonly InferenceRequest[],
    respond: (index: number, response: InferenceResponse) => void,
    done: (raised: string | null) => void,
  ): void {
    for (const [index, request] of requests.entries()) respond(index, this.answer(request, requests.length));
    done(null);
  }

  protected abstract answer(request: InferenceRequest, together: number): InferenceResponse;
}

/** A file override of the cases: OUT is one fixed text. */
export class ConstantModel extends SimpleModel {
  readonly #text: string;

  constructor(text: string) {
    super();
    this.#text = text;
  }

  protected override answer(request: InferenceRequest): InferenceResponse {
    return finalResponse([bytesOutput("OUT", this.#text, false)], request);
  }
}

/** fixtures/conformance/models/two_outputs.py: Y = X, Z = 2 X. */
export class TwoOutputsModel extends SimpleModel {
  protected override answer(request: InferenceRequest): InferenceResponse {
    const x = inputOf(request, "X");
    if (x === undefined) return { final: true, outputs: [] };
    const doubled = Buffer.alloc(x.data.byteLength);
    const floats = new DataView(x.data.buffer, x.data.byteOffset, x.data.byteLength);
    for (let at = 0; at < doubled.length; at += 4) doubled.writeFloatLE(2 * floats.getFloat32(at, true), at);
    return finalResponse(
      [
        { name: "Y", datatype: "FP32", shape: x.shape, data: x.data },
        { name: "Z", datatype: "FP32", shape: x.shape, data: doubled },
      ],
      request,
    );
  }
}

/**
 * fixtures/conformance/models/implicit_state.py: OUT = old state + IN. The real Python backend never writes the state that
 * the model returns beside it, so each request sees the initial one.
 */
export class ImplicitStateModel extends SimpleModel {
  protected override answer(request: InferenceRequest): InferenceResponse {
    const input = inputOf(request, "IN");
    const state = inputOf(request, "STATE_IN");
    if (input === undefined || state === undefined) return { final: true, outputs: [] };
    const added = int32Values(input);
    const sums = int32Values(state).map((value, index) => value + (added[index] ?? 0));
    return { final: true, outputs: [int32Output("OUT", sums, input.shape)] };
  }
}

/** fixtures/conformance/models/sequence.py: OUT = running sum of IN per correlation id, INFO = the controls. */
export class SequenceModel extends SimpleModel {
  readonly #batched: boolean;
  readonly #sums = new Map<string, number>();

  constructor({ config }: ModelObjectContext) {
    super();
    this.#batched = isBatched(config);
  }

  protected override answer(request: InferenceRequest, together: number): InferenceResponse {
    const text = request.inputs.find(({ datatype }) => datatype === "BYTES");
    // A STRING control is never one string (2.51.0).
    if (text !== undefined) {
      const message = `unexpected number of string elements 2 for inference input '${text.name}', expecting 1`;
      return { final: true, error: new TritonError("INVALID_ARG", message), outputs: [] };
    }
    const id = String(request.sequenceId);
    const flags = (request.sequenceStart ? 1 : 0) + (request.sequenceEnd ? 2 : 0);
    const start = inputOf(request, "START");
    const starts = (flags & 1) === 1 || (start !== undefined && (int32Values(start)[0] ?? 0) !== 0);
    if (starts) this.#sums.set(id, 0);
    const input = inputOf(request, "IN");
    const sum = (this.#sums.get(id) ?? -1000) + (input === undefined ? 0 : (int32Values(input)[0] ?? 0));
    this.#sums.set(id, sum);
    const controls = request.inputs
      .filter(({ name }) => name !== "IN")
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((control) => `${JSON.stringify(control.name)}: ${describeControl(control)}`);
    const corr = typeof request.sequenceId === "string" ? JSON.stringify(request.sequenceId) : id;
    const info = `{"controls": {${controls.join(", ")}}, "corr": ${corr}, "flags": ${flags}, "n": ${together}}`;
    const shape = this.#batched ? [1, 1] : [1];
    return finalResponse(
      [int32Output("OUT", [sum], shape), bytesOutput("INFO", info, this.#batched)],
      request,
    );
  }
}

const isBatched = (config: ModelConfig): boolean => config.max_batch_size > 0;

/** `[values, shape, "dtype"]` as Python's json prints it. */
const describeControl = ({ datatype, shape, data }: InputTensor): string => {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [dtype, text] = controlValue(datatype, view);
  const nested = `${"[".repeat(shape.length)}${text}${"]".repeat(shape.length)}`;
  return `[${nested}, [${shape.join(", ")}], "${dtype}"]`;
};

const controlValue = (datatype: string, view: DataView): readonly [dtype: string, text: string] => {
  switch (datatype) {
    case "INT32":
      return ["int32", String(view.getInt32(0, true))];
    case "UINT32":
      return ["uint32", String(view.getUint32(0, true))];
    case "INT64":
      return ["int64", String(view.getBigInt64(0, true))];
    case "UINT64":
      return ["uint64", String(view.getBigUint64(0, true))];
    case "BOOL":
      return ["bool", view.getUint8(0) === 0 ? "false" : "true"];
    default: {
      const value = view.getFloat32(0, true);
      return ["float32", Number.isInteger(value) ? `${value}.0` : String(value)];
    }
  }
};
