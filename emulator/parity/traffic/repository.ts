import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { conformanceFolder, sampleModelsFolder } from "../shipped-files.ts";
import type { PairContent } from "./pair-content.ts";

/** The flags and the environment with which both servers serve what layOutRepository has written. */
const trafficFlags = (): readonly string[] => [
  "--model-control-mode=explicit",
  "--allow-sagemaker=true",
  "--cache-config=local,size=4194304",
  ...[...sampleModels, ...Object.keys(graphs)].map((name) => `--load-model=${name}`),
];

/** Not loaded at the start: requests load and unload these. */
export const spareModels = ["spare_a", "spare_b", "spare_broken", "spare_clash"];

/** Models whose results come from much arithmetic, where two versions of ONNX Runtime may round differently. */
export const arithmeticModels: ReadonlySet<string> = new Set([
  "batched_linear",
  "convnet",
  "temporal_image_encoder",
  "text_encoder",
]);

const sampleModels = [
  "batched_linear",
  "convnet",
  "identity_bool",
  "identity_bytes",
  "identity_fp16",
  "identity_fp32",
  "identity_fp64",
  "identity_int16",
  "identity_int32",
  "identity_int64",
  "identity_int8",
  "identity_uint16",
  "identity_uint32",
  "identity_uint64",
  "identity_uint8",
  "simple",
  "simple_ensemble",
  "simple_identity",
  "simple_string",
  "temporal_image_encoder",
  "text_encoder",
];

interface Graph {
  readonly onnx: string;
  readonly config?: string;
  readonly versions?: readonly string[];
  /** Other files of the model's folder. */
  readonly files?: Readonly<Record<string, string>>;
}

const onnx = 'backend: "onnxruntime"\n';
const oneInstance = "instance_group [{ kind: KIND_CPU count: 1 }]\n";
const fourNumbers = `${onnx}max_batch_size: 4
input [{ name: "X" data_type: TYPE_FP32 dims: [ 4 ] }]
output [{ name: "Y" data_type: TYPE_FP32 dims: [ 4 ] }]
`;

const control = (name: string, kind: string): string =>
  `{ name: "${name}" control [ { kind: CONTROL_SEQUENCE_${kind} int32_false_true: [ 0, 1 ] } ] }`;

/** Small graphs of the conformance cases: shapes of all kinds, batching, sequences, the response cache, labels, versions. */
const graphs: Readonly<Record<string, Graph>> = {
  g_add_dyn: { onnx: "add_dyn" },
  g_all_types: { onnx: "all_types" },
  g_bf16_inside: { onnx: "bf16_inside" },
  g_cached: { onnx: "identity", config: `${fourNumbers}response_cache { enable: true }\n` },
  g_div_float: { onnx: "div_float" },
  g_dyn: { onnx: "dyn" },
  g_filter: { onnx: "filter" },
  g_five_in: { onnx: "five_in" },
  g_fixed: { onnx: "fixed" },
  g_gather: { onnx: "gather" },
  g_identity: { onnx: "identity" },
  g_identity_str: { onnx: "identity_str" },
  g_labelled: {
    onnx: "identity",
    config: fourNumbers.replace(
      'name: "Y" data_type: TYPE_FP32 dims: [ 4 ]',
      'name: "Y" data_type: TYPE_FP32 dims: [ 4 ] label_filename: "labels.txt"',
    ),
    files: { "labels.txt": "zero\n\ntwo\n" },
  },
  g_mixed_batch: { onnx: "mixed_batch" },
  g_no_inputs: { onnx: "no_inputs" },
  g_no_shape: { onnx: "no_shape" },
  g_nonzero: { onnx: "nonzero" },
  g_out_order: { onnx: "out_order" },
  g_priorities: {
    onnx: "identity",
    config: `${fourNumbers}dynamic_batching { priority_levels: 3 default_priority_level: 2 }\n`,
  },
  g_rank1: { onnx: "rank1" },
  g_reshape: { onnx: "reshape" },
  g_reshaped: {
    onnx: "identity",
    config: `${onnx}max_batch_size: 4
input [{ name: "X" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } }]
output [{ name: "Y" data_type: TYPE_FP32 dims: [ 2, 2 ] reshape { shape: [ 4 ] } }]
`,
  },
  g_scalar: { onnx: "scalar" },
  g_scalar_out: { onnx: "scalar_out" },
  g_sequence: {
    onnx: "control_int32",
    config: `${onnx}${oneInstance}max_batch_size: 4
input [{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }]
output [{ name: "OUT" data_type: TYPE_INT64 dims: [ 4 ] }]
sequence_batching { control_input [ ${control("START", "START")}, ${control("READY", "READY")}, ${control("END", "END")}, { name: "CORRID" control [ { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } ] } ] }
`,
  },
  g_state: {
    onnx: "state",
    config: `${onnx}${oneInstance}max_batch_size: 4
input [{ name: "IN" data_type: TYPE_INT32 dims: [ 1 ] }]
output [{ name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] }]
sequence_batching { state [ { input_name: "STATE_IN" output_name: "STATE_OUT" data_type: TYPE_INT32 dims: [ 1 ] initial_state [ { name: "z" data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } ] } ] }
`,
  },
  g_versions: {
    onnx: "identity",
    config: `${fourNumbers}version_policy { all {} }\n`,
    versions: ["1", "2", "10"],
  },
  g_wrong_decl: { onnx: "wrong_decl" },
};

const spareGraphs: Readonly<Record<string, Graph>> = {
  spare_a: { onnx: "identity" },
  spare_b: { onnx: "add_sub" },
  spare_broken: { onnx: "text" },
  spare_clash: { onnx: "type_clash" },
};

/** Writes the models that both servers serve, and beside them the archives that the container API loads. */
const layOutRepository = (repository: string, archives: string): void => {
  const samples = fileURLToPath(sampleModelsFolder);
  for (const name of sampleModels) cpSync(join(samples, name), join(repository, name), { recursive: true });
  for (const [name, graph] of [...Object.entries(graphs), ...Object.entries(spareGraphs)])
    layOutGraph(join(repository, name), graph);
  for (const hash of ["h1", "h2", "h3"])
    cpSync(join(samples, "simple"), join(archives, hash, "model", "simple"), { recursive: true });
};

export const layOutGraph = (
  folder: string,
  { onnx: file, config, versions = ["1"], files = {} }: Graph,
): void => {
  for (const version of versions) {
    mkdirSync(join(folder, version), { recursive: true });
    cpSync(graphFile(file), join(folder, version, "model.onnx"));
  }
  if (config !== undefined) writeFileSync(join(folder, "config.pbtxt"), config);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
};

/** A small graph of the conformance cases by its name. */
export const graphFile = (name: string): string =>
  fileURLToPath(new URL(`models/onnx/${name}.onnx`, conformanceFolder));

/** What both servers serve while requests are generated. */
export const trafficContent: PairContent = {
  flags: trafficFlags(),
  environment: { SAGEMAKER_MULTI_MODEL: "true" },
  layOut: layOutRepository,
};

/** An empty repository, which sequences fill. */
export const sequenceContent: PairContent = {
  flags: ["--model-control-mode=explicit", "--cache-config=local,size=4194304"],
  environment: {},
  layOut: () => {},
};
