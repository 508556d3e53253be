import type { Json, JsonObject } from "../../exchange/json.ts";
import { array, type JsonText, type Member, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { type Inference, inferPath, requestJson } from "../inference.ts";
import type { ModelSketch, TensorSketch } from "../model-sketch.ts";
import { plainBody, post, type TrafficRequest } from "../request.ts";
import { soundMessage } from "../surfaces/grpc-infer.ts";
import { binaryBody } from "../surfaces/infer-binary.ts";
import { randomElements } from "../tensor-values.ts";

export interface Asked {
  /** Of a model that batches. */
  readonly rows?: number;
  /** Size of a dimension that may be any. */
  readonly free?: number;
  readonly parameters?: readonly Member[];
  /** Elements of an input; null = any. */
  readonly values?: (input: TensorSketch, count: number) => readonly JsonText[] | null;
  readonly version?: string | null;
}

/** A sound inference of any values. */
export const inferenceOf = (
  chance: Chance,
  model: ModelSketch,
  { rows = 1, free = 1, parameters = [], values = () => null, version = null }: Asked,
): Inference => ({
  model,
  version: version ?? (chance.oneIn(6) ? chance.pick(model.versions) : null),
  id: chance.oneIn(4) ? chance.pick(["1", "abc", "Ä"]) : null,
  inputs: model.inputs
    .filter(({ optional }) => !optional || chance.oneIn(2))
    .map((input) => {
      const { name, datatype } = input;
      const shape = input.shape.map((dim, axis) =>
        axis === 0 && model.maxBatchSize > 0 ? rows : dim < 0 ? free : dim,
      );
      const count = shape.reduce((product, dim) => product * dim, 1);
      const elements = values(input, count) ?? randomElements(chance, datatype, count, false);
      return { name, datatype, shape, elements };
    }),
  outputs: chance.oneIn(3) ? model.outputs.map(({ name }) => name).filter(() => !chance.oneIn(3)) : null,
  parameters: [
    ...parameters,
    ...(chance.oneIn(10) ? [["binary_data_output", token(chance.oneIn(2))] satisfies Member] : []),
  ],
});

/** A sound inference as a request of one of the protocols. */
export const ask = (chance: Chance, inference: Inference): TrafficRequest => {
  switch (chance.below(5)) {
    case 0:
      return post(inferPath(inference), binaryBody(chance, inference));
    case 1:
      return { kind: "grpc", rpc: "ModelInfer", message: messageOf(chance, inference), metadata: {} };
    case 2:
      return stream(chance, [inference]);
    default:
      return post(inferPath(inference), plainBody(jsonOf(chance, inference)));
  }
};

/** One after the other on one stream. */
export const stream = (chance: Chance, inferences: readonly Inference[]): TrafficRequest => ({
  kind: "stream",
  rpc: "ModelStreamInfer",
  messages: inferences.map((inference) => messageOf(chance, inference)),
  metadata: {},
});

/** What later requests hang on must not be refused for what it asks of an output. */
const messageOf = (chance: Chance, inference: Inference): JsonObject => {
  const { outputs, ...message } = soundMessage(chance, inference);
  if (!Array.isArray(outputs)) return message;
  const isSound = (output: Json): boolean =>
    !JSON.stringify(output).includes("classification") || /"int64_param":"[12]"/.test(JSON.stringify(output));
  return {
    ...message,
    outputs: outputs.map((output: Json, index) =>
      isSound(output) ? output : { name: inference.outputs?.[index] ?? "" },
    ),
  };
};

const jsonOf = (chance: Chance, inference: Inference): ReturnType<typeof requestJson> =>
  requestJson(
    inference,
    ({ elements }): Member => ["data", array(elements)],
    (output) => {
      const isText = inference.model.outputs.find(({ name }) => name === output)?.datatype === "BYTES";
      if (isText || !chance.oneIn(6)) return null;
      return [["classification", token(chance.between(1, 3))]];
    },
  );
