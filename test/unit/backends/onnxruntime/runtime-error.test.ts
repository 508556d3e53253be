import { expect, test } from "vitest";
import { runtimeError, tellsCudaUnusable } from "../../../../emulator/backends/onnxruntime/runtime-error.ts";

test.each([
  [7, "Load model from /m/1/model.onnx failed:Protobuf parsing failed."],
  [
    1,
    "Load model from /m/1/model.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:187 ModelProto does not have a graph.\n",
  ],
  [1, "Load model from /m/1/model.onnx failed:Fatal error: my.ops:Thing(-1) is not a registered function/op"],
  [1, "Load model from /m/1/model.onnx failed:This is an invalid model. Error: the graph is not acyclic."],
  [10, 'Load model from /m/1/model.onnx failed:This is an invalid model. In Node, ("", Frobnicate, "", -1)'],
  [10, "Load model from /m/1/model.onnx failed:This is an invalid model. Type Error: Type 'tensor(uint16)'"],
  [1, "External data path validation failed for initializer: W. Error: x"],
  [
    2,
    "Non-zero status code returned while running Gather node. Name:'pick' Status Message: indices element out of data bounds, idx=7 must be within the inclusive range [-4,3]",
  ],
  [
    1,
    "Non-zero status code returned while running Div node. Name:'' Status Message: element_wise_ops.cc:692 Compute Integer division by zero",
  ],
  [
    1,
    "Non-zero status code returned while running Add node. Name:'plus' Status Message: /onnxruntime_src/onnxruntime/core/x.h:563 void f()",
  ],
  [2, "Unexpected input data type. Actual: (tensor(float)) , expected: (tensor(int32))"],
  [2, "Got invalid dimensions for input: X for the following indices\n index: 1 Got: 3 Expected: 4\n"],
  [2, "Invalid output name: NOPE"],
  [2, "At least one output should be requested."],
  [9, "Failed to find kernel for ImageDecoder(20) (node:'' ep:'CPUExecutionProvider')."],
  [
    1,
    "Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cpu/rnn/rnn.h:47 RNN(const OpKernelInfo&)",
  ],
  [6, "Exception during initialization: filesystem error: cannot get file size: No such file or directory"],
  [1, "something never seen"],
])("runtime error: code %i is told from the text, %s", (code, text) => {
  const error = runtimeError(text);
  expect(error.code).toBe("INTERNAL");
  expect(error.message).toBe(`onnx runtime error ${code}: ${text}`);
});

test.each([
  [true, "OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library"],
  [
    true,
    "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=vm ; expr=cudaSetDevice(0);",
  ],
  [
    false,
    "Exception during initialization: /onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:146 CUBLAS failure 3: the resource allocation failed ; GPU=0 ; hostname=vm ; expr=cublasCreate(&cublas_handle_);",
  ],
  [false, "CUDA failure 2: out of memory ; GPU=0 ; hostname=vm ; expr=cudaMalloc(&p, size);"],
  [false, "Load model from /m/1/model.onnx failed:Protobuf parsing failed."],
])("a session that cannot be opened on a GPU: is CUDA to blame? %s: %s", (unusable, text) => {
  expect(tellsCudaUnusable(text)).toBe(unusable);
});
