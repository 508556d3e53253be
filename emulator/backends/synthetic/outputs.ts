import { Random } from "../../common/random.ts";
import { fail, ok, type Result } from "../../common/status.ts";
import type { ModelConfig } from "../../core/model-config/model-config.ts";
import { type DataType, dataTypeOfConfig, elementByteSize } from "../../core/tensor/data-type.ts";
import type { InferenceRequest, InputTensor, OutputTensor } from "../../core/tensor/inference-request.ts";
import { elementCount } from "../../core/tensor/shape.ts";
import type { Declaration } from "./declaration.ts";

/** Larger outputs are refused rather than allocated. */
const LARGEST_OUTPUT_BYTES = 2 ** 31;

interface PlannedOutput {
  readonly name: string;
  readonly datatype: DataType;
  /** Without the batch dimension. */
  readonly dims: readonly number[];
  readonly shapeOf: string | null;
}

/**
 * Makes the outputs of a model. With `hash`, a row of an output follows from the same row of all inputs and from the
 * output's name, and from nothing else: neither what else is in the batch nor the instance changes it.
 */
export class OutputMaker {
  readonly #outputs: readonly PlannedOutput[];
  readonly #batching: boolean;
  readonly #content: Declaration["content"];

  constructor(config: ModelConfig, { content, shapeOf }: Declaration) {
    this.#batching = config.max_batch_size > 0;
    this.#content = content;
    this.#outputs = config.output.map(({ name, data_type, dims }) => {
      const datatype = dataTypeOfConfig(data_type);
      // The core refuses such a configuration before any request.
      if (datatype === "<invalid>") throw new Error(`output ${name} has no data type`);
      return { name, datatype, dims, shapeOf: shapeOf.get(name) ?? null };
    });
  }

  /** The outputs a request asks for. Error: INTERNAL for an output too large to make. */
  make(request: InferenceRequest): Result<readonly OutputTensor[]> {
    const rows = this.#batching ? Math.max(1, request.batchSize) : 1;
    const asked = request.requestedOutputs;
    const hashes = this.#content === "hash" ? rowHashes(request.inputs, this.#batching, rows) : null;
    const made: OutputTensor[] = [];
    for (const output of this.#outputs) {
      if (asked.length > 0 && !asked.includes(output.name)) continue;
      const dims = this.#dimsOf(output, request.inputs);
      const perRow = elementCount(dims);
      const size = elementByteSize[output.datatype] || (hashes === null ? 4 : 4 + HASH_TEXT_BYTES);
      if (rows * perRow * size > LARGEST_OUTPUT_BYTES) {
        return fail(
          "INTERNAL",
          `${request.logPrefix}output '${output.name}' would have ${rows * perRow * size} bytes, the synthetic backend makes at most ${LARGEST_OUTPUT_BYTES}`,
        );
      }
      const data = new Uint8Array(rows * perRow * size);
      if (hashes !== null) {
        const view = new DataView(data.buffer);
        const write = writers[output.datatype];
        for (const [row, hash] of hashes.entries()) {
          const random = new Random(hashText(hash, output.name));
          for (let i = 0; i < perRow; i++) {
            write(view, (row * perRow + i) * size, random.nextUint32());
          }
        }
      }
      made.push({
        name: output.name,
        datatype: output.datatype,
        shape: this.#batching ? [rows, ...dims] : dims,
        data,
      });
    }
    return ok(made);
  }

  #dimsOf({ dims, shapeOf }: PlannedOutput, inputs: readonly InputTensor[]): readonly number[] {
    if (shapeOf === null) return dims;
    const shape = inputs.find(({ name }) => name === shapeOf)?.shape ?? [];
    const source = this.#batching ? shape.slice(1) : shape;
    return dims.map((dim, axis) => (dim === -1 ? (source[axis] ?? 1) : dim));
  }
}

const HASH_TEXT_BYTES = 8;

type ElementWriter = (view: DataView, at: number, bits: number) => void;

const write8: ElementWriter = (view, at, bits) => view.setUint8(at, bits & 0xff);
const write16: ElementWriter = (view, at, bits) => view.setUint16(at, bits & 0xffff, true);
const write32: ElementWriter = (view, at, bits) => view.setUint32(at, bits, true);

/** An element from 32 bits: integers take the low ones, floats lie from 0 to 1, strings are hexadecimal. */
const writers: Record<DataType, ElementWriter> = {
  BOOL: (view, at, bits) => view.setUint8(at, bits & 1),
  UINT8: write8,
  INT8: write8,
  UINT16: write16,
  INT16: write16,
  UINT32: write32,
  INT32: write32,
  UINT64: write32,
  INT64: write32,
  // The exponent of the numbers from 0.5 to 1; the bits are fraction.
  FP16: (view, at, bits) => view.setUint16(at, 0x3800 | (bits & 0x3ff), true),
  BF16: (view, at, bits) => view.setUint16(at, 0x3f00 | (bits & 0x7f), true),
  FP32: (view, at, bits) => view.setFloat32(at, bits / 2 ** 32, true),
  FP64: (view, at, bits) => view.setFloat64(at, bits / 2 ** 32, true),
  BYTES: (view, at, bits) => {
    view.setUint32(at, HASH_TEXT_BYTES, true);
    const text = bits.toString(16).padStart(HASH_TEXT_BYTES, "0");
    for (let i = 0; i < HASH_TEXT_BYTES; i++) view.setUint8(at + 4 + i, text.charCodeAt(i));
  },
};

/** FNV-1a, 32 bits. */
const HASH_START = 0x811c9dc5;
const HASH_PRIME = 0x01000193;

const hashBytes = (start: number, bytes: Uint8Array): number => {
  let hash = start;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, HASH_PRIME);
  return hash >>> 0;
};

const hashText = (start: number, text: string): number => hashBytes(start, Buffer.from(`${text}\0`));

/** A hash for each row, over all inputs by name, their types and shapes without the batch dimension included. */
const rowHashes = (inputs: readonly InputTensor[], batching: boolean, rows: number): number[] => {
  const hashes = new Array<number>(rows).fill(HASH_START);
  for (const input of [...inputs].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const dims = batching ? input.shape.slice(1) : input.shape;
    const head = `${input.name}\0${input.datatype}\0${dims.join(",")}`;
    const bounds = rowBounds(input, elementCount(dims), rows);
    for (let row = 0; row < rows; row++) {
      hashes[row] = hashBytes(
        hashText(hashes[row]!, head),
        input.data.subarray(bounds[row]!, bounds[row + 1]!),
      );
    }
  }
  return hashes;
};

/** Where each row begins, and where the last one ends. */
const rowBounds = ({ data, datatype }: InputTensor, perRow: number, rows: number): number[] => {
  if (datatype !== "BYTES") {
    return Array.from({ length: rows + 1 }, (_, row) => (data.byteLength / rows) * row);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const bounds = [0];
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < perRow && at + 4 <= data.byteLength; i++) {
      at = Math.min(data.byteLength, at + 4 + view.getUint32(at, true));
    }
    bounds.push(at);
  }
  return bounds;
};
