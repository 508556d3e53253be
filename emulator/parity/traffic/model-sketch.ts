import { type JsonText, memberOf, object, readJsonText } from "../exchange/json-text.ts";
import { get, plainBody, post } from "./request.ts";
import { type Side, send } from "./send.ts";

/** What a generator has to know of a model to ask it something; read from the server itself. */
export interface ModelSketch {
  readonly name: string;
  readonly versions: readonly string[];
  /** 0 = shapes are complete in the configuration. */
  readonly maxBatchSize: number;
  readonly inputs: readonly TensorSketch[];
  readonly outputs: readonly TensorSketch[];
  readonly decoupled: boolean;
  readonly ensemble: boolean;
  /** Requests must carry a correlation id. */
  readonly sequence: boolean;
}

export interface TensorSketch {
  readonly name: string;
  /** As in requests: `INT32`, `BYTES`. */
  readonly datatype: string;
  /** As in metadata, the batch dimension included; -1 = any. */
  readonly shape: readonly number[];
  readonly optional: boolean;
}

/** The models that are ready on a server, in the order of its index. */
export const sketchModels = async (side: Side): Promise<readonly ModelSketch[]> => {
  const index = await jsonOf(side, "/v2/repository/index", "POST");
  const names = itemsOf(index)
    .filter((row) => textOf(memberOf(row, "state")) === "READY")
    .map((row) => textOf(memberOf(row, "name")));
  const sketches: ModelSketch[] = [];
  for (const name of new Set(names)) sketches.push(await sketchOf(side, name));
  return sketches;
};

const sketchOf = async (side: Side, name: string): Promise<ModelSketch> => {
  const metadata = await jsonOf(side, `/v2/models/${name}`, "GET");
  const config = await jsonOf(side, `/v2/models/${name}/config`, "GET");
  const declared = itemsOf(memberOf(config, "input"));
  const optional = (tensor: string): boolean =>
    declared.some(
      (input) => textOf(memberOf(input, "name")) === tensor && textOf(memberOf(input, "optional")) === "true",
    );
  const tensors = (list: string): TensorSketch[] =>
    itemsOf(memberOf(metadata, list)).map((tensor) => ({
      name: textOf(memberOf(tensor, "name")),
      datatype: textOf(memberOf(tensor, "datatype")),
      shape: itemsOf(memberOf(tensor, "shape")).map((dim) => Number(textOf(dim))),
      optional: optional(textOf(memberOf(tensor, "name"))),
    }));
  return {
    name,
    versions: itemsOf(memberOf(metadata, "versions")).map(textOf),
    maxBatchSize: Number(textOf(memberOf(config, "max_batch_size"))),
    inputs: tensors("inputs"),
    outputs: tensors("outputs"),
    decoupled: textOf(memberOf(memberOf(config, "model_transaction_policy"), "decoupled")) === "true",
    ensemble: memberOf(config, "ensemble_scheduling") !== undefined,
    sequence: memberOf(config, "sequence_batching") !== undefined,
  };
};

const jsonOf = async (side: Side, path: string, method: "GET" | "POST"): Promise<JsonText> => {
  const answer = await send(side, method === "GET" ? get(path) : post(path, plainBody(object([]))));
  const value = answer.kind === "http" ? readJsonText(answer.answer.body.toString("utf8")) : null;
  if (answer.kind !== "http" || answer.answer.status !== 200 || value === null)
    throw new Error(`${side.name}: no sound answer to ${method} ${path}: ${JSON.stringify(answer)}`);
  return value;
};

const itemsOf = (value: JsonText | undefined): readonly JsonText[] =>
  value?.kind === "array" ? value.items : [];

const textOf = (value: JsonText | undefined): string => {
  if (value?.kind === "string") return value.value;
  return value?.kind === "token" ? value.text : "";
};
