import { type Member, string, token } from "../../exchange/json-text.ts";
import type { Chance } from "../chance.ts";
import type { Inference } from "../inference.ts";
import type { TensorSketch } from "../model-sketch.ts";
import { ask, inferenceOf, stream } from "./ask.ts";
import type { Dialogue, DialogueModel, Step } from "./dialogue.ts";
import { elementType, type Graph, type GraphNode, type GraphTensor } from "./graph.ts";
import { declaration } from "./member-models.ts";
import { SequenceBook } from "./sequence-book.ts";

/** A model with a sequence batcher and what a generator must know of its slots. */
interface SequenceModel {
  readonly model: DialogueModel;
  /** 0 = no batch dimension. */
  readonly maxBatchSize: number;
  /** Sequences that have a slot at the same time. */
  readonly capacity: number;
  /** Sequences are dropped when they rest. */
  readonly isShort: boolean;
  /** Ids that its CORRID can hold; without one all. */
  readonly ids: readonly SequenceId[];
}

type SequenceId = number | string | bigint;

const LONG_US = 3_600_000_000;
const SHORT_US = 200_000;
/** More than twice as long: who looks for silent sequences looks again only after the same time. */
const REST_MS = 900;
/** How long a request may wait for a slot: over before anybody stops looking for its answer. */
const EXPIRING_US = 150_000;

/** Requests of a few sequences among each other: sound ones, and starts and ends that are not. */
export const sequences = (chance: Chance): Dialogue => {
  const made = sequenceModel(chance, chance.oneIn(2));
  const { model, maxBatchSize, capacity, isShort } = made;
  const book = new SequenceBook(capacity);
  const steps: Step[] = [];
  const ids = chance.times(chance.between(1, 5), () => chance.pick(made.ids));
  const count = isShort ? 4 : chance.between(3, 12);
  for (let asked = 0; asked < count; asked++) {
    const id = chance.oneIn(15) ? chance.pick([0, "", 77, "none"]) : chance.pick(ids);
    if (maxBatchSize > 1 && chance.oneIn(20)) {
      const refused = part(chance, made, id, placeOf(chance, book, id), 2);
      steps.push(turn(ask(chance, refused), book.waiting));
    } else if (chance.oneIn(5) && canStream(book, id)) {
      const places = wholePart(chance, book, id);
      steps.push(
        turn(
          stream(
            chance,
            places.map((place) => part(chance, made, id, place)),
          ),
          book.waiting,
        ),
      );
      asked += places.length - 1;
    } else {
      const place = timed(chance, made, book, id, placeOf(chance, book, id));
      const { held, left } = record(book, id, place);
      steps.push(turn(ask(chance, part(chance, made, id, place)), left, held));
    }
    if (isShort) {
      steps.push({ do: "rest", milliseconds: REST_MS });
      book.forget();
    }
  }
  while (book.waiting > 0) {
    const [key = ""] = book.keysWithSlot();
    const id = [...ids, 77, "none"].find((candidate) => keyOf(candidate) === key) ?? 0;
    const place = { start: false, end: true };
    const { left } = record(book, id, place);
    steps.push(turn(ask(chance, part(chance, made, id, place)), left));
  }
  return { models: [model], steps };
};

interface Place {
  readonly start: boolean;
  readonly end: boolean;
  readonly timeoutUs?: number;
}

const keyOf = (id: SequenceId): string => (typeof id === "string" ? `s${id}` : `n${id}`);

const turn = (request: ReturnType<typeof ask>, left: number, held = false): Step => ({
  do: "ask",
  turns: [held ? { request, held } : { request }],
  left,
});

const record = (
  book: SequenceBook,
  id: SequenceId,
  { start, end, timeoutUs }: Place,
): ReturnType<SequenceBook["record"]> =>
  id === 0 || id === ""
    ? { held: false, left: book.waiting }
    : book.record(keyOf(id), start, end, timeoutUs === EXPIRING_US);

const placeOf = (chance: Chance, book: SequenceBook, id: SequenceId): Place => {
  if (chance.oneIn(7)) return { start: chance.oneIn(2), end: chance.oneIn(2) };
  return { start: !book.isOpen(keyOf(id)), end: chance.oneIn(4) };
};

/** Some have a timeout, which counts only as long as they wait for a slot. */
const timed = (
  chance: Chance,
  { isShort }: SequenceModel,
  book: SequenceBook,
  id: SequenceId,
  place: Place,
): Place => {
  if (isShort || !chance.oneIn(5)) return place;
  if (!book.waits(keyOf(id), place.start)) return { ...place, timeoutUs: chance.pick([1, LONG_US]) };
  return { ...place, timeoutUs: chance.pick([EXPIRING_US, LONG_US]) };
};

/** Its requests run one after the other, whoever else has a slot. */
const canStream = (book: SequenceBook, id: SequenceId): boolean =>
  id !== 0 && id !== "" && (book.hasSlot(keyOf(id)) || (!book.isOpen(keyOf(id)) && book.hasRoom));

const wholePart = (chance: Chance, book: SequenceBook, id: SequenceId): Place[] => {
  const length = chance.between(1, 4);
  const begins = !book.isOpen(keyOf(id));
  const ends = chance.oneIn(2);
  const places = chance.times(length, (index) => ({
    start: begins && index === 0,
    end: ends && index === length - 1,
  }));
  for (const place of places) record(book, id, place);
  return places;
};

const part = (
  chance: Chance,
  { model: { sketch } }: SequenceModel,
  id: SequenceId,
  { start, end, timeoutUs }: Place,
  rows = 1,
): Inference => {
  const parameters: Member[] = [];
  if (id !== 0 || chance.oneIn(2))
    parameters.push(["sequence_id", typeof id === "string" ? string(id) : token(id)]);
  if (start || chance.oneIn(4)) parameters.push(["sequence_start", token(start)]);
  if (end || chance.oneIn(4)) parameters.push(["sequence_end", token(end)]);
  if (timeoutUs !== undefined) parameters.push(["timeout", token(timeoutUs)]);
  if (chance.oneIn(10)) parameters.push(["priority", token(chance.below(3))]);
  return inferenceOf(chance, sketch, { rows, parameters });
};

const sequenceModel = (chance: Chance, hasStates: boolean): SequenceModel => {
  const maxBatchSize = chance.pick([0, 0, 4, 4, 1, 2]);
  const instances = chance.pick([1, 1, 2]);
  const isShort = chance.oneIn(12);
  const isOldest = chance.oneIn(3);
  const candidates = chance.between(1, 4);
  const slots = isOldest ? candidates : Math.max(1, maxBatchSize);
  // Every request to one with a STRING control fails, whatever comes after.
  const controls = someControls(chance, hasStates ? numericIds : [...numericIds, "BYTES"]);
  const states = hasStates ? someStates(chance, maxBatchSize) : [];
  const { graph, inputs, outputs } = graphOf(maxBatchSize, controls, states);
  const strategy = isOldest
    ? `oldest { max_candidate_sequences: ${candidates}${chance.oneIn(4) ? " preserve_ordering: true" : ""} }`
    : chance.pick(["direct { }", ""]);
  const batching = [
    `max_sequence_idle_microseconds: ${isShort ? SHORT_US : LONG_US}`,
    strategy,
    ...controls.map(({ text }) => `control_input [ ${text} ]`),
    ...states.map(({ text }) => `state [ ${text} ]`),
  ];
  const correlation = controls.find(({ kind }) => kind === "CORRID")?.datatype;
  return {
    model: {
      sketch: {
        name: "a",
        versions: ["1"],
        maxBatchSize,
        inputs,
        outputs,
        decoupled: false,
        ensemble: false,
        sequence: true,
      },
      graph,
      files: Object.fromEntries(states.flatMap(({ files }) => files)),
      config: [
        `backend: "onnxruntime" max_batch_size: ${maxBatchSize}`,
        ...inputs.map((input) => `input [ ${declared(input, maxBatchSize)} ]`),
        ...outputs.map((output) => `output [ ${declared(output, maxBatchSize)} ]`),
        `sequence_batching { ${batching.join(" ")} }`,
        `instance_group [ { kind: KIND_CPU count: ${instances} } ]`,
      ],
    },
    maxBatchSize,
    capacity: slots * instances,
    isShort,
    ids: correlation === undefined || correlation === "BYTES" ? [...numbers, ...texts] : numbers,
  };
};

const numbers: readonly SequenceId[] = [1, 2, 3, 4294967297, 9223372036854775807n];
const texts: readonly SequenceId[] = ["a", "1", "Ä b", "x".repeat(100)];

const declared = ({ name, datatype, shape }: TensorSketch, maxBatchSize: number): string =>
  declaration({ name, datatype, dims: maxBatchSize > 0 ? shape.slice(1) : shape });

interface Control {
  readonly kind: "START" | "READY" | "END" | "CORRID";
  readonly datatype: string;
  readonly text: string;
}

const numericIds = ["UINT64", "INT64", "UINT32", "INT32"];

const someControls = (chance: Chance, idTypes: readonly string[]): Control[] => {
  if (chance.oneIn(6)) return [];
  const kinds = (["START", "READY", "END", "CORRID"] as const).filter(() => !chance.oneIn(4));
  return kinds.map((kind) => {
    const name = `name: "${kind}" control [ { kind: CONTROL_SEQUENCE_${kind}`;
    if (kind === "CORRID") {
      const datatype = chance.pick(idTypes);
      const type = datatype === "BYTES" ? "STRING" : datatype;
      return { kind, datatype, text: `{ ${name} data_type: TYPE_${type} } ] }` };
    }
    const [datatype, values] = chance.pick([
      ["INT32", "int32_false_true: [ 0, 1 ]"],
      ["INT32", "int32_false_true: [ 5, -3 ]"],
      ["FP32", "fp32_false_true: [ 0, 1 ]"],
      ["FP32", "fp32_false_true: [ 7, 2 ]"],
      ["BOOL", "bool_false_true: [ false, true ]"],
      ["BOOL", "bool_false_true: [ true, false ]"],
    ] as const);
    return { kind, datatype, text: `{ ${name} ${values} } ] }` };
  });
};

interface State {
  readonly input: string;
  readonly output: string;
  readonly datatype: string;
  /** It becomes longer with each request. */
  readonly grows: boolean;
  /** Without a GPU it has no input: the one node that reads it fails. */
  readonly isMissing: boolean;
  readonly isShown: boolean;
  readonly text: string;
  readonly files: readonly (readonly [path: string, base64: string])[];
}

const someStates = (chance: Chance, maxBatchSize: number): State[] =>
  chance.times(chance.pick([1, 1, 2, 3]), (index) => {
    const [input, output] = [`S${index}`, `T${index}`];
    const datatype = chance.pick(["INT32", "INT32", "FP32", "INT64", "BYTES"]);
    const grows = datatype !== "BYTES" && chance.oneIn(3);
    const type = `TYPE_${datatype === "BYTES" ? "STRING" : datatype}`;
    const isFile = datatype !== "BYTES" && chance.oneIn(3);
    const file = Buffer.alloc(8);
    if (datatype === "FP32") file.writeFloatLE(0.5);
    else file.writeInt32LE(41);
    const data = isFile ? `data_file: "${input}"` : "zero_data: true";
    const initial = `initial_state [ { name: "i" data_type: ${type} dims: [ 1 ] ${data} } ]`;
    const isMissing = index === 0 && chance.oneIn(12);
    const flags = [
      // Of one that outgrows it beside other rows, the real server reads what was freed.
      ...(!(grows && maxBatchSize > 0) && chance.oneIn(3) ? ["use_same_buffer_for_input_output: true"] : []),
      ...(isMissing ? ["use_growable_memory: true"] : []),
    ];
    return {
      input,
      output,
      datatype,
      grows,
      isMissing,
      isShown: chance.oneIn(3),
      text: `{ input_name: "${input}" output_name: "${output}" data_type: ${type} dims: [ ${grows ? -1 : 1} ] ${initial} ${flags.join(" ")} }`,
      files: isFile ? [[`initial_state/${input}`, file.toString("base64")]] : [],
    };
  });

/** OUT: the input, and whatever of controls and states is a number; ID: a correlation id that is a text. */
const graphOf = (
  maxBatchSize: number,
  controls: readonly Control[],
  states: readonly State[],
): { graph: Graph; inputs: TensorSketch[]; outputs: TensorSketch[] } => {
  const nodes: GraphNode[] = [];
  const rows = maxBatchSize > 0 ? ["b"] : [];
  const axis = rows.length;
  const tensor = (name: string, datatype: string, dim: number | string = 1): GraphTensor => ({
    name,
    datatype,
    dims: [...rows, dim],
  });
  const inputs = [tensor("IN", "INT32")];
  const outputs: GraphTensor[] = [];
  const numbersOf: string[] = [];
  const cast = (from: string, to: string, datatype: string): void => {
    nodes.push({ op: "Cast", inputs: [from], outputs: [to], attributes: { to: elementType(datatype) } });
  };
  const shown = (name: string): void => {
    cast(name, `${name}_n`, "INT64");
    numbersOf.push(`${name}_n`);
  };
  shown("IN");
  for (const { kind, datatype } of controls) {
    inputs.push(tensor(kind, datatype));
    if (datatype !== "BYTES") shown(kind);
    else {
      nodes.push({ op: "Identity", inputs: [kind], outputs: ["ID"] });
      outputs.push(tensor("ID", "BYTES"));
    }
  }
  const stateOutputs: GraphTensor[] = [];
  for (const { input, output, datatype, grows, isMissing } of states) {
    const dim = grows ? "n" : 1;
    inputs.push(tensor(input, datatype, grows ? `${input}_n` : 1));
    stateOutputs.push(tensor(output, datatype, dim));
    cast("IN", `${input}_i`, datatype);
    if (datatype === "BYTES") nodes.push({ op: "Identity", inputs: [`${input}_i`], outputs: [output] });
    else if (grows)
      nodes.push({ op: "Concat", inputs: [input, `${input}_i`], outputs: [output], attributes: { axis } });
    else nodes.push({ op: "Add", inputs: [input, `${input}_i`], outputs: [output] });
    if (isMissing) continue;
    if (datatype === "BYTES") {
      nodes.push({ op: "Identity", inputs: [input], outputs: [`${input}_was`] });
      outputs.push(tensor(`${input}_was`, "BYTES"));
    } else shown(input);
  }
  nodes.push({ op: "Concat", inputs: numbersOf, outputs: ["OUT"], attributes: { axis } });
  const isOpenEnded = states.some(({ grows }) => grows);
  outputs.unshift(tensor("OUT", "INT64", isOpenEnded ? "out" : numbersOf.length));
  const sketch = ({ name, datatype, dims }: GraphTensor): TensorSketch => ({
    name,
    datatype,
    shape: dims.map((dim) => (typeof dim === "string" ? -1 : dim)),
    optional: false,
  });
  const shownStates = stateOutputs.filter((_, index) => states[index]?.isShown === true);
  return {
    graph: { inputs, outputs: [...outputs, ...stateOutputs], nodes },
    inputs: inputs.slice(0, 1).map(sketch),
    outputs: [...outputs, ...shownStates].map(sketch),
  };
};
