/** A tensor of a graph as a configuration says it: without the batch dimension. */
export interface GraphTensor {
  readonly name: string;
  /** Without `TYPE_`. */
  readonly type: string;
  readonly dims: readonly number[];
}

/** One of the small graphs of the conformance cases. */
export interface Graph {
  readonly name: string;
  /** The first dimension of every tensor is left open. */
  readonly batches: boolean;
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
}

const tensors = (type: string, dims: readonly number[], ...names: readonly string[]): GraphTensor[] =>
  names.map((name) => ({ name, type, dims }));

const controls = (name: string, type: string): Graph => ({
  name,
  batches: true,
  inputs: [
    ...tensors("INT32", [1], "IN"),
    ...tensors(type, [1], "START", "END", "READY"),
    ...tensors("UINT64", [1], "CORRID"),
  ],
  outputs: tensors("INT64", [4], "OUT"),
});

export const graphs: readonly Graph[] = [
  { name: "identity", batches: true, inputs: tensors("FP32", [4], "X"), outputs: tensors("FP32", [4], "Y") },
  {
    name: "add_sub",
    batches: true,
    inputs: tensors("INT32", [4], "INPUT0", "INPUT1"),
    outputs: tensors("INT32", [4], "OUTPUT0", "OUTPUT1"),
  },
  { name: "rank1", batches: true, inputs: tensors("FP32", [1], "X"), outputs: tensors("FP32", [1], "Y") },
  {
    name: "identity_str",
    batches: true,
    inputs: tensors("STRING", [-1], "S"),
    outputs: tensors("STRING", [-1], "R"),
  },
  {
    name: "dyn",
    batches: true,
    inputs: tensors("FP32", [-1, 2], "X"),
    outputs: tensors("FP32", [-1, 2], "Y"),
  },
  {
    name: "fixed",
    batches: false,
    inputs: tensors("FP32", [2, 3], "A", "B"),
    outputs: tensors("FP32", [2, 3], "C"),
  },
  {
    name: "out_order",
    batches: true,
    inputs: tensors("FP32", [1], "X"),
    outputs: tensors("FP32", [1], "Z", "A", "M"),
  },
  { name: "scalar", batches: false, inputs: tensors("FP32", [1], "X"), outputs: tensors("FP32", [1], "Y") },
  { name: "no_inputs", batches: false, inputs: [], outputs: tensors("INT32", [3], "Y") },
  controls("control_int32", "INT32"),
  controls("control_bool", "BOOL"),
  controls("control_fp32", "FP32"),
  {
    name: "state",
    batches: true,
    inputs: tensors("INT32", [1], "IN", "STATE_IN"),
    outputs: tensors("INT32", [1], "OUT", "STATE_OUT"),
  },
  {
    name: "ragged",
    batches: true,
    inputs: tensors("FP32", [1], "X", "COUNT"),
    outputs: tensors("FP32", [1], "Y", "N"),
  },
];
