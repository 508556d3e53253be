import { TritonError } from "../../common/status.ts";

/**
 * ONNX Runtime's error as Triton words it: INTERNAL `onnx runtime error <code>: <text>`. JavaScript gets the text without
 * its OrtErrorCode, so the code is told from the text. The rows are what ONNX Runtime 1.30 was seen to give; the first
 * that fits holds.
 */
export const runtimeError = (text: string): TritonError =>
  new TritonError("INTERNAL", `onnx runtime error ${errorCode(text)}: ${text}`);

/**
 * Whether a session could not be opened on a GPU because CUDA cannot be used there at all, by ONNX Runtime's text. What a
 * model or a full GPU is to blame for is told while the session is made ready (1.30 with CUDA 13, observed), or as memory
 * that is not there; that fails the load.
 */
export const tellsCudaUnusable = (text: string): boolean =>
  !/^Exception during initialization|^Load model from |out of memory/.test(text);

const FAIL = 1;
const INVALID_ARGUMENT = 2;
const NO_SUCHFILE = 3;
const RUNTIME_EXCEPTION = 6;
const INVALID_PROTOBUF = 7;
const NOT_IMPLEMENTED = 9;
const INVALID_GRAPH = 10;

const errorCode = (text: string): number => codesByText.find(([pattern]) => pattern.test(text))?.[1] ?? FAIL;

const codesByText: readonly (readonly [RegExp, number])[] = [
  // Opening a model
  [/Protobuf parsing failed\./, INVALID_PROTOBUF],
  [/failed:Load model .* failed\. File doesn't exist/, NO_SUCHFILE],
  [/This is an invalid model\. (In Node|Type Error)/, INVALID_GRAPH],
  [/^Load model from /, FAIL],
  [/Could not find an implementation for |Failed to find kernel for /, NOT_IMPLEMENTED],
  [/^External data path validation failed/, FAIL],
  // What ONNX Runtime throws itself names its source file; what a library below it throws does not.
  [/^Exception during initialization: .*(\/onnxruntime_src\/|[a-z_]+\.(cc|h):\d+ )/, FAIL],
  [/^Exception during initialization/, RUNTIME_EXCEPTION],
  // Running one: a kernel that threw names its source file, one that refused its input does not
  [/Status Message: .*(\/onnxruntime_src\/|[a-z_]+\.(cc|h):\d+ )/, FAIL],
  [/Status Message: (std::bad_alloc|.*std::|sto[a-z]{1,3}$)/, RUNTIME_EXCEPTION],
  [/^Non-zero status code returned while running /, INVALID_ARGUMENT],
  // Checks of what is fed and fetched
  [
    /^(Unexpected input data type|Got invalid dimensions|Invalid rank|Invalid input name|Invalid output name|Missing Input)/,
    INVALID_ARGUMENT,
  ],
  [/^At least one output should be requested/, INVALID_ARGUMENT],
  [/memory arena shrink list|is not an arena based allocator/, INVALID_ARGUMENT],
];
