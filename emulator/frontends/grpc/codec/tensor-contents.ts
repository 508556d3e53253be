import type { ProtobufReader } from "../../../common/protobuf-wire.ts";
import { fail, ok, type Result } from "../../../common/status.ts";
import { type DataType, isDataType } from "../../../core/tensor/data-type.ts";

/** What one field of `InferTensorContents` holds: the type it is called by, and those it may be narrowed to. */
interface ContentsField {
  readonly type: DataType;
  readonly narrower: readonly DataType[];
}

/** In the order the real server looks at them, which is that of their numbers, 1 to 8. */
const fields: readonly ContentsField[] = [
  { type: "BOOL", narrower: [] },
  { type: "INT32", narrower: ["INT8", "INT16"] },
  { type: "INT64", narrower: [] },
  { type: "UINT32", narrower: ["UINT8", "UINT16"] },
  { type: "UINT64", narrower: [] },
  { type: "FP32", narrower: [] },
  { type: "FP64", narrower: [] },
  { type: "BYTES", narrower: [] },
];

/** An `InferTensorContents`. */
export class TensorContents {
  readonly #fields: (FieldValues | undefined)[] = new Array(fields.length + 1);

  /** Reads the message; one that comes in pieces is the sum of them. */
  merge(reader: ProtobufReader): void {
    while (reader.next()) {
      const { field, wireType } = reader;
      const elementWireType = elementWireTypes[field];
      if (elementWireType === undefined || (wireType !== elementWireType && wireType !== 2)) {
        reader.skip();
        continue;
      }
      const values = this.#fields[field] ?? new FieldValues();
      this.#fields[field] = values;
      if (wireType === elementWireType) values.read(reader, field);
      else {
        const packed = reader.message();
        while (packed.position < packed.end) values.read(packed, field);
      }
    }
  }

  /**
   * The v2 binary layout of `datatype`. Exactly one field may be filled, the one of the type; integers lose their high
   * bytes where the type is narrower. No field filled = no bytes. Errors: INVALID_ARG, as 2.51.0.
   */
  toBytes(datatype: string, input: string, model: string): Result<Uint8Array> {
    const expected = isDataType(datatype) ? datatype : "<invalid>";
    const subject = `unexpected explicit tensor data for input tensor '${input}' for model '${model}'`;
    let data: Uint8Array | null = null;
    for (const [index, { type, narrower }] of fields.entries()) {
      const values = this.#fields[index + 1];
      if (values === undefined || values.count === 0) continue;
      if (data !== null && data.length > 0) {
        return fail("INVALID_ARG", `${subject}, binary data was already supplied.`);
      }
      if (expected === "<invalid>" || (expected !== type && !narrower.includes(expected))) {
        return fail("INVALID_ARG", `${subject} of type '${type}', expected datatype '${expected}'`);
      }
      data = values.join(expected);
    }
    return ok(data ?? noBytes);
  }
}

const noBytes = new Uint8Array(0);

/** The elements of one field, packed or not, in their order. */
class FieldValues {
  count = 0;
  #byteSize = 0;
  readonly #numbers: number[] = [];
  readonly #bigs: bigint[] = [];
  readonly #byteStrings: Uint8Array[] = [];

  read(reader: ProtobufReader, field: number): void {
    if (field === 8) this.#add(this.#byteStrings, reader.bytesField());
    else if (field === 6) this.#add(this.#numbers, reader.float());
    else if (field === 7) this.#add(this.#numbers, reader.double());
    else if (field === 3 || field === 5) this.#add(this.#bigs, reader.bigVarint());
    else if (field === 1) this.#add(this.#numbers, reader.bigVarint() === 0n ? 0 : 1);
    else this.#add(this.#numbers, lowWord(reader));
  }

  #add<T>(list: T[], value: T): void {
    list.push(value);
    this.count++;
    if (value instanceof Uint8Array) this.#byteSize += 4 + value.length;
  }

  /** The bytes of a tensor of `type`. */
  join(type: DataType): Uint8Array {
    switch (type) {
      case "BOOL":
      case "INT8":
      case "UINT8":
        return Uint8Array.from(this.#numbers);
      case "INT16":
      case "UINT16":
        return bytesOf(Uint16Array.from(this.#numbers));
      case "INT32":
      case "UINT32":
        return bytesOf(Uint32Array.from(this.#numbers));
      case "INT64":
      case "UINT64":
        return bytesOf(BigUint64Array.from(this.#bigs));
      case "FP32":
        return bytesOf(Float32Array.from(this.#numbers));
      case "FP64":
        return bytesOf(Float64Array.from(this.#numbers));
      case "BYTES":
        return this.#joinByteStrings();
      default:
        throw new Error(`no field of InferTensorContents holds ${type}`);
    }
  }

  #joinByteStrings(): Uint8Array {
    const bytes = Buffer.allocUnsafe(this.#byteSize);
    let at = 0;
    for (const element of this.#byteStrings) {
      at = bytes.writeUInt32LE(element.length, at);
      bytes.set(element, at);
      at += element.length;
    }
    return bytes;
  }
}

/** Wire type of an element that is not packed, by field number. */
const elementWireTypes: readonly (number | undefined)[] = [undefined, 0, 0, 0, 0, 0, 5, 1, 2];

/** A 32-bit integer however many bytes its varint has; a negative one has ten. */
const lowWord = (reader: ProtobufReader): number => {
  const start = reader.position;
  const value = reader.varint();
  if (value <= Number.MAX_SAFE_INTEGER) return value;
  reader.position = start;
  return Number(BigInt.asUintN(32, reader.bigVarint()));
};

const bytesOf = (
  array: Uint16Array | Uint32Array | BigUint64Array | Float32Array | Float64Array,
): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
