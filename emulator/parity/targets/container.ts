import { type Engine, runningEngine } from "../real-triton/engine.ts";
import { serverImage } from "../real-triton/image.ts";
import type { Say } from "../real-triton/programs.ts";
import { DEFAULT_ONNX_RUNTIME } from "../real-triton/server-files.ts";
import { Unavailable } from "../real-triton/unavailable.ts";
import type { Target } from "./target.ts";

/**
 * A tritonserver in a container, on the engine given or the one that answers: the image that REAL_TRITON_IMAGE names, else
 * one of our own, made on first use. Throws Unavailable where that cannot be.
 */
export const containerTarget = async (
  say: Say,
  onnxRuntime: string = DEFAULT_ONNX_RUNTIME,
  given?: Engine,
): Promise<Target> => {
  const engine = given ?? (await runningEngine());
  const image = await serverImage(engine, say, onnxRuntime);
  // testcontainers knows the environment only; what its user said there stays.
  for (const [name, value] of Object.entries(engine.env)) process.env[name] ??= value;
  const { removeAbandoned, startServerContainer } = await serverContainers();
  await removeAbandoned();
  return {
    name: `${image} in a container`,
    real: true,
    onnxRuntime,
    start: (options) => startServerContainer(image, options),
  };
};

/** The only part that needs testcontainers, which its user installs. */
const serverContainers = async (): Promise<typeof import("./server-container.ts")> => {
  try {
    return await import("./server-container.ts");
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new Unavailable(`testcontainers does not load (${reason})`, "npm install testcontainers");
  }
};
