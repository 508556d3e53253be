import { expect, test } from "vitest";
import { tellsOutOfMemory } from "../../../../emulator/frontends/sagemaker/out-of-memory.ts";

test.each([
  "CUDA out of memory. Tried to allocate 2.00 GiB",
  "CUDA_OUT_OF_MEMORY",
  "Out of memory",
  "Out Of Memory",
  "out of memory",
  "MemoryError: <EMPTY MESSAGE>",
  "OutOfMemory",
  "load failed for model 'BLOOM.tar.gz': no backend",
  "Dst tensor is not initialized",
  "Src tensor is not initialized",
  "CNMEM_STATUS_OUT_OF_MEMORY",
  "CUDNN_STATUS_NOT_INITIALIZED",
  "CUBLAS_STATUS_ALLOC_FAILED",
  "CUBLAS_STATUS_NOT_INITIALIZED",
  "Failed to allocate memory",
  "failed to allocate memory",
  "No space left on device",
])("out of memory: %s", (message) => {
  expect(tellsOutOfMemory(`x ${message} y`)).toBe(true);
});

test.each([
  "OUT OF MEMORY",
  "oom",
  "Cannot allocate memory",
  "std::bad_alloc",
  "Failed to allocate",
  "CUBLAS failure 3: the resource allocation failed ; GPU=0 ; expr=cublasCreate(&cublas_handle_);",
  "CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0 ; expr=cudnnCreate(&cudnn_handle_);",
  "Stub process 'm_0_0' is not healthy.",
  "memory limit set for GPU 0 has exceeded, model loading is rejected.",
  "",
])("not out of memory: %s", (message) => {
  expect(tellsOutOfMemory(message)).toBe(false);
});
