import type { Chance } from "../chance.ts";
import type { Operation, Sequence } from "../sequences/sequence.ts";
import { configurationFor } from "./configuration.ts";
import { ensembleConfiguration } from "./ensemble.ts";
import { type Graph, graphs } from "./graphs.ts";
import { survivable } from "./left-out.ts";
import { broken, mistaken } from "./mistakes.ts";
import { writeJson } from "./write-json.ts";
import { writeText } from "./write-text.ts";
import type { WrittenMessage } from "./written.ts";

/** A model whose configuration was made up, as a file or as the override of a load, loaded, asked and unloaded. */
export const generateConfiguration = (chance: Chance): Sequence =>
  chance.oneIn(8) ? ensemble(chance) : plainModel(chance);

const plainModel = (chance: Chance): Sequence => {
  const graph = chance.pick(graphs);
  const { file, load } = written(configurationFor(graph, chance), chance);
  const infer: Operation = { do: "infer", model: "a", body: inferenceBody(graph, chance) };
  const versions = chance.pick([["1"], ["1"], ["1"], ["1", "2"]]);
  const again = chance.oneIn(5) ? written(configurationFor(graph, chance), chance) : null;
  return {
    models: [
      {
        letter: "a",
        versions: Object.fromEntries(versions.map((version) => [version, graph.name])),
        config: file,
        files,
      },
    ],
    steps: [
      [load],
      [infer],
      ...(chance.oneIn(4) ? [[infer]] : []),
      ...(again === null ? [] : [...placed(again.file), [again.load], [infer]]),
      [{ do: "unload", model: "a" }],
    ],
  };
};

const files = {
  "labels.txt": "zero\none\n",
  "warmup/data": "\u0000".repeat(16),
  "warmup/short": "\u0000",
  "initial_state/four": "\u0001\u0000\u0000\u0000",
  "initial_state/short": "\u0001",
};

const ensemble = (chance: Chance): Sequence => {
  const { file, load } = written(ensembleConfiguration(chance), chance);
  return {
    models: [
      { letter: "b", versions: { "1": "identity" }, config: null },
      { letter: "a", versions: { "1": "" }, config: file },
    ],
    steps: [[load], [{ do: "infer", model: "a" }], [{ do: "unload", model: "a" }]],
  };
};

/** As the text of a file, or in the load; null = no file. */
const written = (
  made: WrittenMessage,
  chance: Chance,
): { readonly file: string | null; readonly load: Operation } => {
  const message = survivable(perhapsMistaken(made, chance));
  const load: Operation = { do: "load", model: "a" };
  return chance.oneIn(3)
    ? {
        file: null,
        load: { ...load, config: perhapsBroken(writeJson(message, chance, chance.oneIn(2)), chance) },
      }
    : { file: perhapsBroken(writeText(message, chance, chance.oneIn(2)), chance), load };
};

const placed = (file: string | null): readonly (readonly Operation[])[] =>
  file === null ? [] : [[{ do: "configure", model: "a", config: file }]];

const perhapsMistaken = (written: WrittenMessage, chance: Chance): WrittenMessage =>
  chance.oneIn(4) ? perhapsMistaken(mistaken(written, chance), chance) : written;

const perhapsBroken = (text: string, chance: Chance): string =>
  chance.oneIn(8) ? broken(text, chance) : text;

/** What the graph takes, as far as the configuration lets it. */
const inferenceBody = (graph: Graph, chance: Chance): string => {
  const inputs = graph.inputs
    .filter(({ name }) => !["START", "END", "READY", "CORRID", "STATE_IN"].includes(name) || chance.oneIn(4))
    .map(({ name, type, dims }) => {
      const inner = dims.map((dim) => (dim === -1 ? 2 : dim));
      const shape = graph.batches ? [1, ...inner] : inner;
      const count = shape.reduce((product, dim) => product * dim, 1);
      const data = Array.from({ length: count }, (_, index) =>
        type === "STRING" ? String(index) : type === "BOOL" ? index % 2 === 0 : index + 1,
      );
      return { name, datatype: type === "STRING" ? "BYTES" : type, shape, data };
    });
  const parameters = chance.oneIn(2)
    ? { parameters: { sequence_id: 7, sequence_start: true, sequence_end: true } }
    : {};
  return JSON.stringify({ ...parameters, inputs });
};
