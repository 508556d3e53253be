import type { ModelSequenceBatching, SequenceControl } from "../model-config/model-config.ts";
import { type DataType, dataTypeOfConfig, elementByteSize, isDataType } from "../tensor/data-type.ts";
import type { InferenceRequest, InputTensor } from "../tensor/inference-request.ts";

/** What the control tensors of one row say. */
interface ControlValues {
  readonly start: boolean;
  readonly ready: boolean;
  readonly end: boolean;
  readonly correlationId: number | bigint | string;
}

/** Makes the control tensors of a request: one element each, shape [1], or [1,1] for a batching model. */
export class SequenceControls {
  readonly #controls: readonly { readonly name: string; readonly control: SequenceControl }[];
  readonly #shape: readonly number[];

  constructor(config: ModelSequenceBatching, batching: boolean) {
    this.#controls = config.control_input.flatMap(({ name, control }) =>
      control.map((kind) => ({ name, control: kind })),
    );
    this.#shape = batching ? [1, 1] : [1];
  }

  /** @param given id of a sequence that begins and ends with the request; undefined = what the request says counts */
  tensorsOf(request: InferenceRequest, given?: number): InputTensor[] {
    if (given !== undefined)
      return this.#tensors({ start: true, ready: true, end: false, correlationId: given });
    return this.#tensors({
      start: request.sequenceStart,
      ready: true,
      end: request.sequenceEnd,
      correlationId: request.sequenceId,
    });
  }

  /** Those of a row that only keeps a slot's place in a batch. */
  paddingTensors(): InputTensor[] {
    return this.#tensors({ start: false, ready: false, end: false, correlationId: 0 });
  }

  #tensors(values: ControlValues): InputTensor[] {
    return this.#controls.map(({ name, control }) => {
      const [datatype, data] = controlData(control, values);
      return { name, datatype, shape: this.#shape, data };
    });
  }
}

const controlData = (control: SequenceControl, values: ControlValues): [DataType, Uint8Array] => {
  if (control.kind === "CONTROL_SEQUENCE_CORRID") {
    const type = dataTypeOfConfig(control.data_type);
    const datatype = isDataType(type) ? type : "UINT64";
    return [datatype, correlationData(datatype, values.correlationId)];
  }
  const flag = {
    CONTROL_SEQUENCE_START: values.start,
    CONTROL_SEQUENCE_READY: values.ready,
    CONTROL_SEQUENCE_END: values.end,
  }[control.kind];
  const index = flag ? 1 : 0;
  if (control.int32_false_true.length > 0) {
    return ["INT32", bytesOf(new Int32Array([control.int32_false_true[index]!]))];
  }
  if (control.fp32_false_true.length > 0) {
    return ["FP32", bytesOf(new Float32Array([control.fp32_false_true[index]!]))];
  }
  return ["BOOL", new Uint8Array([control.bool_false_true[index] === true ? 1 : 0])];
};

const bytesOf = (array: Int32Array | Float32Array): Uint8Array => new Uint8Array(array.buffer);

/** The longest id that a client may give. */
const MAX_ID_BYTES = 128;

/**
 * The id lies in a field that has room for the longest text, zeros behind it: a control of type STRING gets all of that, so
 * that only an id of full length is one string (2.51.0). A numeric control gets the first bytes, the length of a text
 * among them (seen on 2.51.0: `abc` is 27974191445704707).
 */
const correlationData = (datatype: DataType, id: number | bigint | string): Uint8Array => {
  const field = Buffer.alloc(4 + MAX_ID_BYTES);
  if (typeof id === "string") {
    field.writeUInt32LE(Buffer.byteLength(id), 0);
    field.write(id, 4);
  } else field.writeBigUInt64LE(BigInt.asUintN(64, BigInt(id)));
  return datatype === "BYTES" ? field : field.subarray(0, elementByteSize[datatype]);
};
