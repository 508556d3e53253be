import type { Json, JsonObject } from "../../exchange/json.ts";
import type { JsonText } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { type Inference, soundInference } from "../inference.ts";
import type { Surface, World } from "../surface.ts";
import { datatypes, packedElements, type TensorValues } from "../tensor-values.ts";

export const grpcInfer: Surface = {
  name: "grpc-infer",
  title: "gRPC: ModelInfer",
  weight: 20,
  make: (chance, world) => ({
    kind: "grpc",
    rpc: "ModelInfer",
    message: inferMessage(chance, world),
    metadata: chance.oneIn(12) ? { own: "x" } : {},
  }),
};

/** A ModelInferRequest, sound or with one mistake. */
export const inferMessage = (chance: Chance, { models }: World): JsonObject => {
  const inference = soundInference(chance, models);
  const message = soundMessage(chance, inference);
  return chance.oneIn(3) ? message : mistaken(chance, message, inference);
};

export const soundMessage = (
  chance: Chance,
  { model, version, id, inputs, outputs, parameters }: Inference,
): JsonObject => {
  const typed = inputs.length > 0 && inputs.every(hasContents) && chance.oneIn(2);
  const parameterMap = Object.fromEntries(
    parameters
      .filter(([name]) => name !== "binary_data_output")
      .map(([name, value]) => [name, parameterOf(value)]),
  );
  return {
    model_name: model.name,
    ...(version === null ? {} : { model_version: version }),
    ...(id === null ? {} : { id }),
    ...(Object.keys(parameterMap).length === 0 ? {} : { parameters: parameterMap }),
    inputs: inputs.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(String),
      ...(typed ? { contents: contentsOf(tensor) } : {}),
    })),
    ...(outputs === null ? {} : { outputs: outputs.map((name) => outputOf(chance, name)) }),
    ...(typed
      ? {}
      : { raw_input_contents: inputs.map((tensor) => packedElements(tensor).toString("base64")) }),
  };
};

const outputOf = (chance: Chance, name: string): JsonObject => {
  if (!chance.oneIn(8)) return { name };
  const wanted = chance.pick<JsonObject>([
    { int64_param: "1" },
    { int64_param: "2" },
    { int64_param: "0" },
    { int64_param: "-1" },
    { string_param: "1" },
    { bool_param: true },
  ]);
  return { name, parameters: { [chance.pick(["classification", "classification", "own"])]: wanted } };
};

const parameterOf = (value: JsonText): JsonObject => {
  if (value.kind === "string") return { string_param: value.value };
  const text = value.kind === "token" ? value.text : "0";
  if (text === "true" || text === "false") return { bool_param: text === "true" };
  return /^-?\d+$/.test(text) ? { int64_param: text } : { double_param: Number(text) };
};

const fields: Readonly<Record<string, string>> = {
  BOOL: "bool_contents",
  INT8: "int_contents",
  INT16: "int_contents",
  INT32: "int_contents",
  INT64: "int64_contents",
  UINT8: "uint_contents",
  UINT16: "uint_contents",
  UINT32: "uint_contents",
  UINT64: "uint64_contents",
  FP32: "fp32_contents",
  FP64: "fp64_contents",
  BYTES: "bytes_contents",
};

/** Of JSON's numbers, not those that it cannot say. */
const hasContents = ({ datatype, elements }: TensorValues): boolean =>
  datatype in fields && elements.every((element) => !(element.kind === "token" && /[NI]/.test(element.text)));

const contentsOf = ({ datatype, elements }: TensorValues): JsonObject => ({
  [fields[datatype] ?? "bytes_contents"]: elements.map((element): Json => {
    if (element.kind === "string") return Buffer.from(element.value).toString("base64");
    const text = element.kind === "token" ? element.text : "0";
    if (datatype === "BOOL") return text === "true";
    return datatype.endsWith("64") && datatype !== "FP64" ? text : Number(text);
  }),
});

const listOf = (message: JsonObject, name: string): readonly Json[] => {
  const value = message[name];
  return Array.isArray(value) ? value : [];
};

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const mistaken = (chance: Chance, message: JsonObject, inference: Inference): JsonObject => {
  const inputs = listOf(message, "inputs");
  const raw = listOf(message, "raw_input_contents");
  const at = chance.below(Math.max(1, inputs.length));
  const changedInput = (change: (input: JsonObject) => JsonObject): JsonObject => ({
    ...message,
    inputs: inputs.map((input, index) => (index === at && isObject(input) ? change(input) : input)),
  });
  const shapeOf = (input: JsonObject): readonly Json[] => listOf(input, "shape");
  switch (chance.below(17)) {
    case 0:
      return { ...message, model_name: chance.pick(["none", "", "a b", `${inference.model.name}x`]) };
    case 1:
      return {
        ...message,
        model_version: chance.pick(["0", "1", "2", "99", "x", "-1", "1x", " 1", "+1", "9".repeat(30)]),
      };
    case 2:
      return changedInput((input) => ({ ...input, name: chance.pick(["", "none", "ä"]) }));
    case 3:
      return changedInput((input) => ({
        ...input,
        datatype: chance.pick([...datatypes, "", "int32", "INT4"]),
      }));
    case 4:
      return changedInput((input) => ({ ...input, shape: [...shapeOf(input), "1"] }));
    case 5:
      return changedInput((input) => ({ ...input, shape: shapeOf(input).slice(1) }));
    case 6:
      return changedInput((input) => ({
        ...input,
        shape: shapeOf(input).map((dim, index) =>
          index === 0 ? chance.pick(["0", "-1", "2", "9", "100"]) : dim,
        ),
      }));
    case 7:
      return { ...message, inputs: inputs.filter((_, index) => index !== at) };
    case 8:
      return { ...message, inputs: [...inputs, inputs[at] ?? { name: "extra" }] };
    case 9:
      return { ...message, raw_input_contents: raw.slice(1) };
    case 10:
      return { ...message, raw_input_contents: [...raw, "AAAA"] };
    case 11:
      return { ...message, raw_input_contents: raw.map((bytes) => resized(chance, String(bytes))) };
    case 12:
      return changedInput((input) => ({
        ...input,
        contents: chance.pick<JsonObject>([
          {},
          { int_contents: [1] },
          { fp32_contents: [1] },
          { bytes_contents: ["AA=="] },
          { int64_contents: ["1"], uint_contents: [1] },
          { bool_contents: [true] },
        ]),
      }));
    case 13:
      return { ...message, outputs: [{ name: chance.pick(["none", ""]) }, ...listOf(message, "outputs")] };
    case 14: {
      const [first = { name: "none" }] = listOf(message, "outputs");
      return { ...message, outputs: [first, first] };
    }
    case 15:
      return { ...message, parameters: { [chance.pick(parameterNames)]: chance.pick(parameterValues) } };
    default:
      return changedInput((input) => ({
        ...input,
        parameters: { [chance.pick(memoryNames)]: chance.pick(parameterValues) },
      }));
  }
};

const memoryNames = [
  "shared_memory_region",
  "shared_memory_offset",
  "shared_memory_byte_size",
  "binary_data_size",
  "own",
];

const parameterNames = [
  "sequence_id",
  "sequence_start",
  "sequence_end",
  "priority",
  "timeout",
  "triton_enable_empty_final_response",
  "triton_x",
  "own",
  "",
];

const parameterValues: readonly JsonObject[] = [
  {},
  { bool_param: true },
  { bool_param: false },
  { int64_param: "0" },
  { int64_param: "3" },
  { int64_param: "-1" },
  { uint64_param: "5" },
  { double_param: 0.5 },
  { string_param: "" },
  { string_param: "x" },
  { string_param: "x".repeat(129) },
];

const resized = (chance: Chance, base64: string): string => {
  const bytes = Buffer.from(base64, "base64");
  const shorter = bytes.subarray(0, chance.below(bytes.length + 1));
  return (chance.oneIn(2) ? shorter : Buffer.concat([bytes, chance.bytes(4)])).toString("base64");
};
