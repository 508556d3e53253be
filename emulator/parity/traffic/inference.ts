import { array, type JsonText, type Member, object, string, token } from "../exchange/json-text.ts";
import type { Chance } from "./chance.ts";
import type { ModelSketch, TensorSketch } from "./model-sketch.ts";
import { randomElements, type TensorValues } from "./tensor-values.ts";

/** What a sound inference asks, before it becomes a request of one of the protocols. */
export interface Inference {
  readonly model: ModelSketch;
  readonly version: string | null;
  readonly id: string | null;
  readonly inputs: readonly TensorValues[];
  /** Null = all, by not naming any. */
  readonly outputs: readonly string[] | null;
  readonly parameters: readonly Member[];
}

/** Requests of more elements than this are made seldom. */
const LARGE = 5000;

export const soundInference = (chance: Chance, models: readonly ModelSketch[]): Inference => {
  const model = chance.weighted(models.map((candidate) => [isLarge(candidate) ? 1 : 20, candidate] as const));
  const batch =
    model.maxBatchSize === 0 || chance.oneIn(2) ? 1 : chance.between(1, Math.min(model.maxBatchSize, 4));
  const free = chance.oneIn(12) ? 0 : chance.between(1, 4);
  const numeric = chance.oneIn(2);
  const inputs = model.inputs
    .filter(({ optional }) => !optional || chance.oneIn(2))
    .map((input) => randomTensor(chance, input, model.maxBatchSize > 0 ? batch : null, free, numeric));
  return {
    model,
    version: chance.oneIn(4) ? chance.pick(model.versions) : null,
    id: chance.oneIn(3) ? chance.pick(["1", "abc", "Ä", 'q"', "a b"]) : null,
    inputs,
    outputs: chance.oneIn(2) ? null : someOf(chance, model.outputs).map(({ name }) => name),
    parameters: randomParameters(chance, model),
  };
};

const isLarge = ({ inputs }: ModelSketch): boolean =>
  inputs.some(({ shape }) => shape.reduce((product, dim) => product * Math.abs(dim), 1) > LARGE);

const someOf = <T>(chance: Chance, all: readonly T[]): T[] => {
  const some = all.filter(() => !chance.oneIn(3));
  return chance.oneIn(2) ? some : some.reverse();
};

const randomTensor = (
  chance: Chance,
  { name, datatype, shape }: TensorSketch,
  batch: number | null,
  free: number,
  numeric: boolean,
): TensorValues => {
  const full = shape.map((dim, index) => (index === 0 && batch !== null ? batch : dim < 0 ? free : dim));
  const count = full.reduce((product, dim) => product * dim, 1);
  return { name, datatype, shape: full, elements: randomElements(chance, datatype, count, numeric) };
};

/** A sequence begins and ends with the same request, so that what comes later does not hang on it. */
const randomParameters = (chance: Chance, model: ModelSketch): Member[] => {
  const members: Member[] = [];
  if (model.sequence)
    members.push(
      ["sequence_id", chance.oneIn(3) ? string(`s${chance.below(1000)}`) : token(1 + chance.below(1000))],
      ["sequence_start", token(true)],
      ["sequence_end", token(true)],
    );
  if (chance.oneIn(5)) members.push(["binary_data_output", token(chance.oneIn(2))]);
  if (chance.oneIn(12)) members.push(["priority", token(chance.below(3))]);
  if (chance.oneIn(12)) members.push(["timeout", token(chance.pick([0, 1_000_000, 10_000_000]))]);
  if (chance.oneIn(8))
    members.push([
      chance.pick(["own", "Ä", ""]),
      chance.pick([token(1), token(true), string("x"), token("0.5")]),
    ]);
  return members;
};

export const inferPath = ({ model, version }: Inference): string =>
  `/v2/models/${model.name}${version === null ? "" : `/versions/${version}`}/infer`;

/** With its data in JSON, nested now and then, which the real server does not mind. */
export const inferenceJson = (chance: Chance, inference: Inference): JsonText =>
  requestJson(
    inference,
    (tensor) => ["data", dataJson(chance, tensor)],
    () => null,
  );

/** @param outputParameters of an output that is asked for; null = none */
export const requestJson = (
  inference: Inference,
  source: (tensor: TensorValues, index: number) => Member,
  outputParameters: (output: string) => readonly Member[] | null,
): JsonText => {
  const members: Member[] = [];
  if (inference.id !== null) members.push(["id", string(inference.id)]);
  if (inference.parameters.length > 0) members.push(["parameters", object(inference.parameters)]);
  const inputs = inference.inputs.map((tensor, index) =>
    object([
      ["name", string(tensor.name)],
      ["datatype", string(tensor.datatype)],
      ["shape", array(tensor.shape.map((dim) => token(dim)))],
      source(tensor, index),
    ]),
  );
  members.push(["inputs", array(inputs)]);
  if (inference.outputs !== null)
    members.push([
      "outputs",
      array(
        inference.outputs.map((output) => {
          const parameters = outputParameters(output);
          const own: Member[] = parameters === null ? [] : [["parameters", object(parameters)]];
          return object([["name", string(output)], ...own]);
        }),
      ),
    ]);
  return object(members);
};

const dataJson = (chance: Chance, { shape, elements }: TensorValues): JsonText => {
  const last = shape.at(-1) ?? 0;
  if (shape.length < 2 || last < 1 || !chance.oneIn(4)) return array(elements);
  const rows = Array.from({ length: elements.length / last }, (_, row) =>
    array(elements.slice(row * last, (row + 1) * last)),
  );
  return array(rows);
};
