import type { Chance } from "../chance.ts";
import type { Operation, Sequence, SequenceModel } from "./sequence.ts";

/** A few models, and four to eight steps of loads, unloads, inferences and changes of their folders. */
export const generateSequence = (chance: Chance): Sequence => {
  const withEnsemble = chance.oneIn(3);
  const letters = withEnsemble ? ["a", "b"] : ["a", "b", "c"].slice(0, chance.between(1, 3));
  const models = letters.map((letter) => plainModel(chance, letter));
  if (withEnsemble) models.push(ensemble(chance));
  const names = models.map(({ letter }) => letter);
  // Something is to be loaded, mostly.
  const first: Operation = { do: "load", model: chance.pick(names) };
  return {
    models,
    steps: [[first], ...chance.times(chance.between(3, 7), () => step(chance, names))],
  };
};

const step = (chance: Chance, names: readonly string[]): readonly Operation[] => {
  if (!chance.oneIn(4)) return [operation(chance, names)];
  const together: Operation[] = [];
  for (let left = chance.between(2, 3); left > 0; left--) {
    const next = chance.oneIn(4) ? inference(chance, names) : control(chance, names);
    // Inferences of one model at one time may share an execution or not.
    const sharesBatch =
      next.do === "infer" && together.some((one) => one.do === "infer" && one.model === next.model);
    if (!sharesBatch) together.push(next);
  }
  return together;
};

const operation = (chance: Chance, names: readonly string[]): Operation => {
  switch (chance.below(5)) {
    case 0:
      return inference(chance, names);
    case 1:
      return onDisk(chance, chance.pick(names));
    default:
      return control(chance, names);
  }
};

const inference = (chance: Chance, names: readonly string[]): Operation => ({
  do: "infer",
  model: chance.pick(names),
  ...(chance.oneIn(3) ? { version: chance.pick(["1", "2", "3"]) } : {}),
});

const control = (chance: Chance, names: readonly string[]): Operation => {
  const model = chance.oneIn(20) ? "none" : chance.pick(names);
  if (chance.oneIn(3))
    return { do: "unload", model, ...(chance.oneIn(3) ? { dependents: chance.oneIn(2) } : {}) };
  if (chance.oneIn(4)) return { do: "load", model, config: override(chance) };
  if (chance.oneIn(6)) {
    const files = {
      [chance.pick(["file:1/model.onnx", "file:2/model.onnx", "file:../x", "file:model.onnx"])]:
        chance.pick(graphs),
    };
    return { do: "load", model, files, ...(chance.oneIn(8) ? {} : { config: override(chance) }) };
  }
  return { do: "load", model };
};

const onDisk = (chance: Chance, model: string): Operation => {
  switch (chance.below(5)) {
    case 0:
      return { do: "touch", model };
    case 1:
      return { do: "place", model, version: chance.pick(["1", "2", "3"]), graph: chance.pick(graphs) };
    case 2:
      return { do: "remove", model, version: chance.pick(["1", "2"]) };
    default:
      return { do: "configure", model, config: plainConfig(chance, model) };
  }
};

/** One sound graph for most, then others, then files that are none. */
const graphs = ["identity", "identity", "identity", "identity", "rank1", "add_sub", "text", "type_clash"];

const plainModel = (chance: Chance, letter: string): SequenceModel => {
  const numbers = chance.pick([["1"], ["1"], ["1", "2"], ["1", "2", "3"], ["3"], []]);
  return {
    letter,
    versions: Object.fromEntries(
      numbers.map((version) => [version, chance.oneIn(5) ? chance.pick(graphs) : "identity"]),
    ),
    config: plainConfig(chance, letter),
  };
};

const plainConfig = (chance: Chance, letter: string): string | null => {
  if (chance.oneIn(4)) return null;
  if (chance.oneIn(8)) return chance.pick(brokenConfigs);
  const name = chance.oneIn(2) ? `name: "{${letter}}"\n` : "";
  return `${name}${sound}${chance.pick(extras)}`;
};

const sound = `backend: "onnxruntime"
max_batch_size: 4
input [{ name: "X" data_type: TYPE_FP32 dims: [ 4 ] }]
output [{ name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }]
`;

const extras = [
  "",
  "",
  "version_policy { all {} }\n",
  "version_policy { latest { num_versions: 2 } }\n",
  "version_policy { specific { versions: [ 1, 3 ] } }\n",
  "version_policy { specific { versions: [ 7 ] } }\n",
  "instance_group [{ kind: KIND_CPU count: 1 }]\n",
  "instance_group [{ kind: KIND_CPU count: 2 }]\n",
  "dynamic_batching {}\n",
  "response_cache { enable: true }\n",
  "sequence_batching {}\n",
  'parameters { key: "intra_op_thread_count" value: { string_value: "1" } }\n',
];

const brokenConfigs = [
  "input [",
  'name: "another"\nbackend: "onnxruntime"\n',
  'backend: "none"\n',
  'platform: "none"\n',
  sound.replace("TYPE_FP32", "TYPE_INT32"),
  sound.replace("[ 4 ]", "[ 5 ]"),
  sound.replace('"Y"', '"Z"'),
  sound.replace("max_batch_size: 4", "max_batch_size: -1"),
  `${sound}dynamic_batching {}\nsequence_batching {}\n`,
  `${sound}instance_group [{ kind: KIND_GPU }]\n`,
  `${sound}dynamic_batching { preferred_batch_size: [ 8 ] }\n`,
];

const ensemble = (chance: Chance): SequenceModel => {
  const member = chance.pick(["a", "a", "b"]);
  const other = chance.pick(["a", "b", "b", "b", "none"]);
  const version = chance.pick(["-1", "-1", "-1", "1", "2"]);
  const stepOf = (letter: string, from: string, to: string): string =>
    `{ model_name: "{${letter}}" model_version: ${version} input_map { key: "X" value: "${from}" } output_map { key: "Y" value: "${to}" } }`;
  const steps = chance.oneIn(3)
    ? [stepOf(member, "X", "Y")]
    : [stepOf(member, "X", "m"), stepOf(other, "m", "Y")];
  const batch = chance.pick(["4", "4", "2", "8"]);
  return {
    letter: "e",
    versions: { "1": "" },
    config: `platform: "ensemble"
max_batch_size: ${batch}
input [{ name: "X" data_type: TYPE_FP32 dims: [ 4 ] }]
output [{ name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }]
ensemble_scheduling { step [ ${steps.join(", ")} ] }
`,
  };
};

const override = (chance: Chance): string => {
  if (chance.oneIn(6))
    return chance.pick(["", "{", "{}", "[]", '{"unheard-of":1}', '{"name":"another"}', '{"backend":"none"}']);
  const tensor = (name: string): string => `[{"name":"${name}","data_type":"TYPE_FP32","dims":[4]}]`;
  const more = chance.pick([
    "",
    "",
    ',"version_policy":{"all":{}}',
    ',"version_policy":{"latest":{"num_versions":2}}',
    ',"version_policy":{"specific":{"versions":[1]}}',
    ',"instance_group":[{"kind":"KIND_CPU","count":2}]',
    ',"dynamic_batching":{}',
  ]);
  return `{"backend":"onnxruntime","max_batch_size":${chance.pick([4, 4, 2, 0])},"input":${tensor("X")},"output":${tensor("Y")}${more}}`;
};
