import { OnnxGraph } from "../../fixtures/sample-models/onnx-writer.ts";
import { tarGz } from "./archives.ts";

/** The archive of an ONNX model with OUT = factor * IN, FP32 [4], that holds 2.5 GiB of a GPU: of an ml.g4dn.xlarge, five fit. */
export const scalingModel = (factor: number): Buffer => {
  const graph = new OnnxGraph("scale");
  const constant = graph.constant({ type: "FP32", dims: [1], values: Float32Array.of(factor) });
  graph.node("Mul", [graph.input("IN", "FP32", [4]), constant], {}, "OUT");
  graph.output("OUT", "FP32", [4]);
  const config = `backend: "onnxruntime"
    input { name: "IN" data_type: TYPE_FP32 dims: [ 4 ] }
    output { name: "OUT" data_type: TYPE_FP32 dims: [ 4 ] }
    instance_group { kind: KIND_GPU count: 1 }
    parameters { key: "memory.gpu_weights_bytes" value { string_value: "2560MiB" } }`;
  return tarGz(
    { path: "model/config.pbtxt", content: config },
    { path: "model/1/model.onnx", content: graph.finish() },
  );
};

export const scalingRequest = JSON.stringify({
  inputs: [{ name: "IN", datatype: "FP32", shape: [4], data: [1, 2, 3, 4] }],
});

/** The factor of the model that gave this answer to `scalingRequest`; null = of none. */
export const scaledBy = (answer: string): number | null => {
  const { outputs }: { outputs: readonly { data: readonly number[] }[] } = JSON.parse(answer);
  const [factor = 0, ...rest] = outputs[0]?.data ?? [];
  return rest.every((value, index) => value === factor * (index + 2)) && rest.length === 3 ? factor : null;
};
