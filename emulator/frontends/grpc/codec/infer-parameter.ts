import type { ProtobufReader, ProtobufWriter } from "../../../common/protobuf-wire.ts";
import type { Parameter } from "../../../core/tensor/inference-request.ts";
import { lengthTag, varintTag } from "./fields.ts";

/** An `InferParameter` as it arrived; `unset` when no member of its choice is there. 64-bit integers beyond 2^53 are bigint. */
export type InferParameter =
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "int64"; readonly value: number | bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "double"; readonly value: number }
  | { readonly kind: "uint64"; readonly value: number | bigint }
  | { readonly kind: "unset" };

export type InferParameters = ReadonlyMap<string, InferParameter>;

export const noParameters: InferParameters = new Map();

const unset = ((): InferParameter => ({ kind: "unset" }))();

/** Reads an entry of `map<string, InferParameter>` into `target`; of two with the same key the last one counts. */
export const readParameterEntry = (entry: ProtobufReader, target: Map<string, InferParameter>): void => {
  let key = "";
  let value = unset;
  while (entry.next()) {
    const tag = entry.field * 8 + entry.wireType;
    if (tag === lengthTag(1)) key = entry.utf8String();
    else if (tag === lengthTag(2)) value = readParameter(entry.message());
    else entry.skip();
  }
  target.set(key, value);
};

const readParameter = (reader: ProtobufReader): InferParameter => {
  let value = unset;
  while (reader.next()) {
    const tag = reader.field * 8 + reader.wireType;
    if (tag === varintTag(1)) value = { kind: "bool", value: reader.bigVarint() !== 0n };
    else if (tag === varintTag(2))
      value = { kind: "int64", value: narrow(BigInt.asIntN(64, reader.bigVarint())) };
    else if (tag === lengthTag(3)) value = { kind: "string", value: reader.utf8String() };
    else if (tag === DOUBLE_TAG) value = { kind: "double", value: reader.double() };
    else if (tag === varintTag(5)) value = { kind: "uint64", value: narrow(reader.bigVarint()) };
    else reader.skip();
  }
  return value;
};

/** `double_param`, field 4, 64 bits. */
const DOUBLE_TAG = 4 * 8 + 1;

const narrow = (value: bigint): number | bigint => {
  const short = Number(value);
  return Number.isSafeInteger(short) ? short : value;
};

/** Writes an entry of `map<string, InferParameter>`. */
export const writeParameterEntry = (
  writer: ProtobufWriter,
  field: number,
  { name, value }: Parameter,
): void => {
  writer.message(field, (entry) => {
    entry.string(1, name);
    entry.message(2, (parameter) => {
      switch (value.kind) {
        case "bool":
          parameter.bool(1, value.value);
          break;
        case "int":
          if (typeof value.value === "bigint") parameter.bigVarint(2, value.value);
          else parameter.int(2, value.value);
          break;
        case "string":
          parameter.string(3, value.value);
          break;
        case "double":
          parameter.double(4, value.value);
          break;
      }
    });
  });
};
