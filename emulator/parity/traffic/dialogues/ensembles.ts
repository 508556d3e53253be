import { type Member, string, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import { ask, inferenceOf } from "./ask.ts";
import type { Dialogue, DialogueModel, Step } from "./dialogue.ts";
import {
  bytes,
  declaration,
  fp32,
  type MemberKind,
  type MemberTensor,
  memberModel,
  sketchOf,
} from "./member-models.ts";

/** Ensembles of small models, one of which may be an ensemble, keep states, hold strings or answer from the cache. */
export const ensembles = (chance: Chance): Dialogue => {
  const maxBatchSize = chance.pick([0, 4, 4]);
  const members: Part[] = chance.times(chance.between(1, 4), (index) =>
    part(chance, "abcd"[index] ?? "a", chance.oneIn(6) ? chance.pick([0, 4, 8]) : maxBatchSize),
  );
  const models = [...members];
  for (const letter of chance.oneIn(3) ? ["e", "f"] : ["e"]) {
    const inner = models.at(-1);
    const plain = members.filter(({ isPlain }) => isPlain);
    const pool = letter === "f" && inner !== undefined ? [...plain, inner] : members;
    models.push(ensemble(chance, letter, pool, maxBatchSize));
  }
  const asked = models.slice(members.length);
  const isStateful = members.some(({ model }) => model.sketch.sequence);
  const isMixed = members.some(({ model }) => model.sketch.maxBatchSize !== maxBatchSize);
  const places = new Places();
  const steps = chance.times(chance.between(3, 8), (): Step => {
    const { model, steps } = chance.pick(chance.oneIn(5) ? models : asked);
    const { name } = model.sketch;
    const place = isStateful || chance.oneIn(10) ? places.next(chance, name, steps) : null;
    const rows = isStateful || isMixed || chance.oneIn(2) ? 1 : chance.between(1, 4);
    const inference = inferenceOf(chance, model.sketch, { rows, parameters: parametersOf(place) });
    if (place !== null) places.record(name, place, inference.outputs === null);
    return { do: "ask", turns: [{ request: ask(chance, inference) }], left: 0 };
  });
  return { models: models.map(({ model }) => model), steps };
};

/** A model that a step may have, and what that step sees of it. */
interface Part {
  readonly model: DialogueModel;
  readonly inputs: readonly MemberTensor[];
  readonly outputs: readonly MemberTensor[];
  /** Models that run for one request. */
  readonly steps: number;
  /** Two requests at the same time are answered as one after the other. */
  readonly isPlain: boolean;
}

const LONG_US = 3_600_000_000;

const part = (chance: Chance, letter: string, maxBatchSize: number): Part => {
  const kind = chance.weighted<MemberKind>([
    [3, unary(chance.pick(["Neg", "Identity", "Abs"]))],
    // An input of a model that batches may not be left out.
    [3, maxBatchSize === 0 && chance.oneIn(2) ? sumOrDefault : sum],
    [1, twice],
    [1, text],
    [1, state],
  ]);
  const isSequence = kind === state;
  const isCached = !isSequence && chance.oneIn(6);
  const versions = chance.oneIn(3) ? ["1", "2"] : ["1"];
  const model = memberModel({
    letter,
    kind,
    maxBatchSize,
    versions,
    isSequence,
    config: [
      "version_policy { all {} }",
      `instance_group [ { kind: KIND_CPU count: ${isSequence ? 1 : chance.pick([1, 2])} } ]`,
      ...(isSequence
        ? [
            `sequence_batching { oldest { max_candidate_sequences: 16 } max_sequence_idle_microseconds: ${LONG_US} state [ { input_name: "S" output_name: "T" data_type: TYPE_FP32 dims: [ 4 ] initial_state [ { name: "i" data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } ] } ] }`,
          ]
        : isCached
          ? ["response_cache { enable: true }"]
          : []),
    ],
  });
  const isShown = ({ name }: MemberTensor): boolean => kind.hidden?.includes(name) !== true;
  return {
    model,
    inputs: kind.inputs.filter(isShown),
    outputs: kind.outputs.filter(isShown),
    steps: 1,
    isPlain: !isSequence && !isCached,
  };
};

const unary = (op: string): MemberKind => ({
  inputs: [fp32("X")],
  outputs: [fp32("Y")],
  nodes: [{ op, inputs: ["X"], outputs: ["Y"] }],
});

const sum: MemberKind = {
  inputs: [fp32("A"), fp32("B")],
  outputs: [fp32("C")],
  nodes: [{ op: "Add", inputs: ["A", "B"], outputs: ["C"] }],
};

const sumOrDefault: MemberKind = {
  ...sum,
  inputs: [fp32("A"), { ...fp32("B"), optional: true }],
  defaults: { B: [10, 20, 30, 40] },
};

const twice: MemberKind = {
  inputs: [fp32("X")],
  outputs: [fp32("Y"), fp32("Z")],
  nodes: [
    { op: "Neg", inputs: ["X"], outputs: ["Y"] },
    { op: "Add", inputs: ["X", "X"], outputs: ["Z"] },
  ],
};

const text: MemberKind = {
  inputs: [bytes("S")],
  outputs: [bytes("R")],
  nodes: [{ op: "Identity", inputs: ["S"], outputs: ["R"] }],
};

const state: MemberKind = {
  inputs: [fp32("X"), fp32("S")],
  outputs: [fp32("Y"), fp32("T")],
  nodes: [
    { op: "Identity", inputs: ["S"], outputs: ["Y"] },
    { op: "Add", inputs: ["S", "X"], outputs: ["T"] },
  ],
  hidden: ["S", "T"],
};

/** Steps whose inputs are the ensemble's own or what earlier steps made; what no step takes is an output. */
const ensemble = (chance: Chance, letter: string, pool: readonly Part[], maxBatchSize: number): Part => {
  const own = new Map<string, MemberTensor>();
  const made = new Map<string, MemberTensor>();
  const taken = new Set<string>();
  const steps: string[] = [];
  let ran = 0;
  const last = pool.at(-1);
  const count = chance.between(1, 4);
  const free = new Set(pool);
  for (let index = 0; index < count && free.size > 0; index++) {
    const isNested = letter === "f" && index === 0 && last !== undefined;
    const chosen = isNested ? last : chance.pick([...free]);
    if (!chosen.isPlain) free.delete(chosen);
    const { model, inputs, outputs } = chosen;
    ran += chosen.steps;
    const input_map = inputs
      .filter(({ optional }) => optional !== true || !chance.oneIn(3))
      .map((input) => {
        const source = sourceOf(chance, input, own, made);
        taken.add(source);
        return `input_map { key: "${input.name}" value: "${source}" }`;
      });
    const output_map = outputs
      .filter((_, at) => at === 0 || !chance.oneIn(4))
      .map((output) => {
        const name = `${letter}${index}${output.name}`;
        made.set(name, { ...output, name });
        return `output_map { key: "${output.name}" value: "${name}" }`;
      });
    const version = chance.pick([-1, -1, -1, ...model.sketch.versions.map(Number)]);
    steps.push(
      `{ model_name: "{${model.sketch.name}}" model_version: ${version} ${[...input_map, ...output_map].join(" ")} }`,
    );
  }
  const inputs = [...own.values()];
  const outputs = [...made.values()].filter(({ name }) => !taken.has(name) || chance.oneIn(3));
  const model: DialogueModel = {
    sketch: {
      name: letter,
      versions: ["1"],
      maxBatchSize,
      inputs: inputs.map((one) => sketchOf(one, maxBatchSize)),
      outputs: outputs.map((one) => sketchOf(one, maxBatchSize)),
      decoupled: false,
      ensemble: true,
      sequence: false,
    },
    graph: null,
    files: {},
    config: [
      `platform: "ensemble" max_batch_size: ${maxBatchSize}`,
      ...inputs.map((one) => `input [ ${declaration(one)} ]`),
      ...outputs.map((one) => `output [ ${declaration(one)} ]`),
      `ensemble_scheduling { step [ ${steps.join(", ")} ] }`,
      ...(chance.oneIn(6) ? ["response_cache { enable: true }"] : []),
    ],
  };
  return { model, inputs, outputs, steps: ran, isPlain: false };
};

/** An input that may be left out has a tensor of its own: what is there for one step must be there for all. */
const sourceOf = (
  chance: Chance,
  input: MemberTensor,
  own: Map<string, MemberTensor>,
  made: ReadonlyMap<string, MemberTensor>,
): string => {
  const isOptional = input.optional === true && chance.oneIn(2);
  const fitting = [...made.values()].filter(({ datatype }) => datatype === input.datatype);
  if (!isOptional && fitting.length > 0 && !chance.oneIn(4)) return chance.pick(fitting).name;
  const name = isOptional ? `o${own.size}` : `${input.datatype === "BYTES" ? "s" : "i"}${chance.below(2)}`;
  const { optional: _, ...required } = input;
  own.set(name, isOptional ? { ...input, name } : { ...required, name });
  return name;
};

interface Place {
  readonly id: string;
  readonly start: boolean;
  readonly end: boolean;
}

/**
 * Where requests stand in their sequences. Of a step that is refused while another one runs, 2.51.0 mostly never answers:
 * where there are several, none lacks its START.
 */
class Places {
  /** Of sequences that every step of a model has seen begin: its name and the id. */
  readonly #begun = new Set<string>();
  readonly #open = new Set<string>();

  next(chance: Chance, model: string, steps: number): Place {
    const id = chance.pick(["1", "2", "s"]);
    const isBegun = this.#begun.has(`${model} ${id}`);
    const mayLack = steps === 1 || isBegun;
    const start =
      mayLack && chance.oneIn(8) ? chance.oneIn(2) : !(steps === 1 ? this.#open.has(id) : isBegun);
    return { id, start, end: chance.oneIn(4) };
  }

  /** @param all steps ran */
  record(model: string, { id, start, end }: Place, all: boolean): void {
    if (start) this.#open.add(id);
    if (start && all) this.#begun.add(`${model} ${id}`);
    if (!end) return;
    this.#open.delete(id);
    for (const one of this.#begun) if (one.endsWith(` ${id}`)) this.#begun.delete(one);
  }
}

const parametersOf = (place: Place | null): Member[] =>
  place === null
    ? []
    : [
        ["sequence_id", place.id === "s" ? string(place.id) : token(place.id)],
        ["sequence_start", token(place.start)],
        ["sequence_end", token(place.end)],
      ];
