import type { Chance } from "../chance.ts";
import type { Operation, Sequence, SequenceModel } from "../sequences/sequence.ts";
import { configurationFor } from "./configuration.ts";
import { type Graph, graphs } from "./graphs.ts";
import { survivable } from "./left-out.ts";
import { broken, mistaken } from "./mistakes.ts";
import { writeJson } from "./write-json.ts";
import { writeText } from "./write-text.ts";
import type { WrittenMessage } from "./written.ts";

/** A model whose configuration was made up, as a file or as the override of a load, loaded, asked and unloaded. */
export const generateConfiguration = (chance: Chance): Sequence => {
  const graph = chance.pick(graphs);
  const written = survivable(perhapsMistaken(configurationFor(graph, chance), chance));
  const isOverride = chance.oneIn(3);
  const text = isOverride
    ? perhapsBroken(writeJson(written, chance, chance.oneIn(2)), chance)
    : perhapsBroken(writeText(written, chance, chance.oneIn(2)), chance);
  const infer: Operation = { do: "infer", model: "a", body: inferenceBody(graph, chance) };
  const model: SequenceModel = {
    letter: "a",
    versions: Object.fromEntries(
      chance.pick([["1"], ["1"], ["1"], ["1", "2"]]).map((version) => [version, graph.name]),
    ),
    config: isOverride ? null : text,
    files: {
      "labels.txt": "zero\none\n",
      "warmup/data": "\u0000".repeat(16),
      "warmup/short": "\u0000",
      "initial_state/four": "\u0001\u0000\u0000\u0000",
      "initial_state/short": "\u0001",
    },
  };
  return {
    models: [model],
    steps: [
      [{ do: "load", model: "a", ...(isOverride ? { config: text } : {}) }],
      [infer],
      ...(chance.oneIn(4) ? [[infer]] : []),
      [{ do: "unload", model: "a" }],
    ],
  };
};

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
