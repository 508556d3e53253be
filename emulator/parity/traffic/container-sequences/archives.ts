import type { Chance } from "../chance.ts";
import type { Archive } from "./sequence.ts";

const tensors = `max_batch_size: 4
input [{ name: "X" data_type: TYPE_FP32 dims: [ 4 ] }]
output [{ name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }]
`;
const sound = `backend: "onnxruntime"\n${tensors}`;

const graphs = ["identity", "identity", "rank1", "text", "type_clash", "scalar"];

const brokenConfigs = [
  "input [",
  'backend: "none"\n',
  'platform: "none"\n',
  sound.replace("TYPE_FP32", "TYPE_INT32"),
  sound.replace('"Y"', '"Z"'),
  `${sound}unheard_of: 1\n`,
  `${sound}version_policy { specific { versions: [ 7 ] } }\n`,
  "",
];

const extras = [
  "",
  "",
  "",
  "version_policy { all {} }\n",
  "version_policy { latest { num_versions: 2 } }\n",
  "version_policy { specific { versions: [ 2 ] } }\n",
  "instance_group [{ kind: KIND_CPU count: 2 }]\n",
  "dynamic_batching {}\n",
];

/**
 * What a person may have packed: mostly one model in a folder of its own. Of several folders one alone is an ensemble: which
 * one the real server takes else hangs on the order in which the disk lists them. No configuration lies at the top: the real
 * server knows that below /opt/ml/models only.
 */
export const makeArchive = (chance: Chance): Archive => {
  switch (chance.below(8)) {
    case 0:
    case 1:
      return ensemble(chance);
    case 2:
      return empty(chance);
    case 3:
      return { "README.md": "x", ...model(chance, "m"), ...chance.pick(strays) };
    default:
      return model(chance, chance.pick(["m", "m", "m", "h1", "a.b", "a-b", "1"]));
  }
};

const strays: readonly Archive[] = [
  { ".DS_Store": "x" },
  { "m/code/": "" },
  { "m/.hidden": "x" },
  { "m/labels.txt": "x\n" },
  { "m/0/": "" },
  { "m/2/": "" },
];

const model = (chance: Chance, name: string): Archive => {
  const folder = `${name}/`;
  const versions = chance.oneIn(4)
    ? chance.pick([[], ["2"], ["1", "2"], ["1", "2", "3"], ["x"], ["0"]])
    : ["1"];
  const broken = chance.oneIn(4);
  const config = broken && chance.oneIn(2) ? chance.pick(brokenConfigs) : `${sound}${chance.pick(extras)}`;
  const named = chance.oneIn(4) ? `name: "${chance.pick([name, "other"])}"\n` : "";
  return {
    ...(versions.length === 0 ? { [folder]: "" } : {}),
    ...Object.fromEntries(
      versions.map((version) => [
        `${folder}${version}/model.onnx`,
        broken ? chance.pick(graphs) : "identity",
      ]),
    ),
    // Without it the configuration is made from the graph.
    ...(chance.oneIn(6) ? {} : { [`${folder}config.pbtxt`]: `${named}${config}` }),
  };
};

const empty = (chance: Chance): Archive =>
  chance.pick<Archive>([
    {},
    { "model.onnx": "identity" },
    { "1/model.onnx": "identity" },
    { "m/": "" },
    { "m/n/1/model.onnx": "identity", "m/n/config.pbtxt": sound },
  ]);

const ensemble = (chance: Chance): Archive => {
  const platform = chance.pick(['platform: "ensemble"', 'platform:"ensemble"', 'platform: \n "ensemble"']);
  const other = chance.pick(["a", "b", "b", "b", "none"]);
  const version = chance.pick(["-1", "-1", "1", "2"]);
  const step = (name: string, from: string, to: string): string =>
    `{ model_name: "${name}" model_version: ${version} input_map { key: "X" value: "${from}" } output_map { key: "Y" value: "${to}" } }`;
  const config = `${platform}\n${tensors}ensemble_scheduling { step [ ${step("a", "X", "m")}, ${step(other, "m", "Y")} ] }\n`;
  return {
    ...model(chance, "a"),
    ...model(chance, "b"),
    [chance.oneIn(8) ? "e/2/" : "e/1/"]: "",
    "e/config.pbtxt": config,
  };
};
