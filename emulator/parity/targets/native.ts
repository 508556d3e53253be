import { nativeServer } from "../real-triton/native-server.ts";
import type { Say } from "../real-triton/programs.ts";
import { DEFAULT_ONNX_RUNTIME, TRITON_VERSION } from "../real-triton/server-files.ts";
import { startServerProcess } from "./server-process.ts";
import type { Target } from "./target.ts";

/** A tritonserver on this machine itself, made on first use. Throws Unavailable where that cannot be. */
export const nativeTarget = async (say: Say, onnxRuntime: string = DEFAULT_ONNX_RUNTIME): Promise<Target> => {
  const { program, args, env } = await nativeServer(say, onnxRuntime);
  return {
    name: `native tritonserver ${TRITON_VERSION}`,
    real: true,
    onnxRuntime,
    start: (options) =>
      startServerProcess([program, ...args], { ...options, env: { ...env, ...options.env } }),
  };
};
