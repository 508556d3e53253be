import type { TensorSketch } from "../model-sketch.ts";
import type { DialogueModel } from "./dialogue.ts";
import type { Graph, GraphNode, GraphTensor } from "./graph.ts";

/** What a small model takes and makes, without the batch dimension. */
export interface MemberKind {
  readonly inputs: readonly MemberTensor[];
  readonly outputs: readonly MemberTensor[];
  readonly nodes: readonly GraphNode[];
  readonly defaults?: Graph["defaults"];
  /** Tensors of the graph that are not declared: those of states. */
  readonly hidden?: readonly string[];
}

export interface MemberTensor {
  readonly name: string;
  readonly datatype: string;
  /** -1 = any. */
  readonly dims: readonly number[];
  readonly optional?: true;
}

export const fp32 = (name: string, dims: readonly number[] = [4]): MemberTensor => ({
  name,
  datatype: "FP32",
  dims,
});

export const bytes = (name: string): MemberTensor => ({ name, datatype: "BYTES", dims: [1] });

export interface MemberOptions {
  readonly letter: string;
  readonly kind: MemberKind;
  readonly maxBatchSize: number;
  readonly versions?: readonly string[];
  readonly isSequence?: boolean;
  /** More of config.pbtxt. */
  readonly config: readonly string[];
}

/** A model with all of its configuration written down. */
export const memberModel = ({
  letter,
  kind,
  maxBatchSize,
  versions = ["1"],
  isSequence = false,
  config,
}: MemberOptions): DialogueModel => {
  const rows = maxBatchSize > 0 ? ["b"] : [];
  const tensor = ({ name, datatype, dims }: MemberTensor): GraphTensor => ({
    name,
    datatype,
    dims: [...rows, ...dims.map((dim, axis) => (dim < 0 ? `${name}${axis}` : dim))],
  });
  const isShown = ({ name }: MemberTensor): boolean => kind.hidden?.includes(name) !== true;
  const [inputs, outputs] = [kind.inputs.filter(isShown), kind.outputs.filter(isShown)];
  return {
    sketch: {
      name: letter,
      versions,
      maxBatchSize,
      inputs: inputs.map((one) => sketchOf(one, maxBatchSize)),
      outputs: outputs.map((one) => sketchOf(one, maxBatchSize)),
      decoupled: false,
      ensemble: false,
      sequence: isSequence,
    },
    graph: {
      inputs: kind.inputs.map(tensor),
      outputs: kind.outputs.map(tensor),
      nodes: kind.nodes,
      ...(kind.defaults === undefined ? {} : { defaults: kind.defaults }),
    },
    files: {},
    config: [
      `backend: "onnxruntime" max_batch_size: ${maxBatchSize}`,
      ...inputs.map((one) => `input [ ${declaration(one)} ]`),
      ...outputs.map((one) => `output [ ${declaration(one)} ]`),
      ...config,
    ],
  };
};

export const sketchOf = (
  { name, datatype, dims, optional }: MemberTensor,
  maxBatchSize: number,
): TensorSketch => ({
  name,
  datatype,
  shape: maxBatchSize > 0 ? [-1, ...dims] : dims,
  optional: optional === true,
});

/** As an entry of `input` or `output` in config.pbtxt. */
export const declaration = ({ name, datatype, dims, optional }: MemberTensor): string =>
  `{ name: "${name}" data_type: TYPE_${datatype === "BYTES" ? "STRING" : datatype} dims: [ ${dims.join(", ")} ]${optional === true ? " optional: true" : ""} }`;
