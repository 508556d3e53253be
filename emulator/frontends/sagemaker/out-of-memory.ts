/** What the real server looks for, upper and lower case as written, anywhere in the text of an error (2.51.0). */
const marks: readonly string[] = [
  "CUDA out of memory",
  "CUDA_OUT_OF_MEMORY",
  "Out of memory",
  "Out Of Memory",
  "out of memory",
  "MemoryError",
  "OutOfMemory",
  "OOM",
  "Dst tensor is not initialized",
  "Src tensor is not initialized",
  "CNMEM_STATUS_OUT_OF_MEMORY",
  "CUDNN_STATUS_NOT_INITIALIZED",
  "CUBLAS_STATUS_ALLOC_FAILED",
  "CUBLAS_STATUS_NOT_INITIALIZED",
  "Failed to allocate memory",
  "failed to allocate memory",
  "No space left on device",
];

/**
 * Whether an error is answered with 507, upon which the platform unloads other models. The text alone decides: a model
 * named `BLOOM` that fails for another reason counts too, and `Cannot allocate memory` does not.
 */
export const tellsOutOfMemory = (message: string): boolean => marks.some((mark) => message.includes(mark));
