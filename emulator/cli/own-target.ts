import { readFileSync } from "node:fs";
import { ServerLog } from "../common/server-log.ts";
import { TritonError } from "../common/status.ts";
import { loadConfig } from "../config/load.ts";
import type { Backend } from "../core/backend.ts";
import { createEmulator } from "../emulator.ts";
import { startServerProcess } from "../parity/targets/server-process.ts";
import { withoutLogPrefix } from "../parity/targets/start-up.ts";
import {
  type RunningServer,
  StartFailure,
  type StartOptions,
  type Target,
  withoutGpus,
} from "../parity/targets/target.ts";

export interface OwnTargetOptions {
  /** Beside our own; one of the same name replaces ours. Made anew for each server. */
  readonly extraBackends: () => readonly Backend[];
  /** A command line that serves with the same backends in a process of its own. */
  readonly command: readonly string[];
}

/** The version of ONNX Runtime that ours has. */
const ONNX_RUNTIME = "1.30.0";

/** Our own server: in this process where nobody watches a process end. */
export const ownTarget = (options: OwnTargetOptions): Target => ({
  name: "triton-local",
  real: false,
  onnxRuntime: ONNX_RUNTIME,
  start: (wanted) =>
    wanted.ownProcess
      ? startServerProcess(options.command, wanted)
      : startInProcess(wanted, options.extraBackends()),
});

const startInProcess = async (
  { repository, flags, env }: StartOptions,
  extraBackends: readonly Backend[],
): Promise<RunningServer> => {
  const ownRepository = flags.some((flag) => flag.startsWith("--model-repository="));
  const loaded = loadConfig({
    args: [
      ...(ownRepository ? [] : [`--model-repository=${repository}`]),
      "--http-port=0",
      "--grpc-port=0",
      "--metrics-port=0",
      "--sagemaker-port=0",
      ...flags,
    ],
    environment: { ...withoutGpus, ...env },
    readFile: (path) => readFileSync(path, "utf8"),
    defaultModelRepository: repository,
    cores: 2,
  });
  if (!loaded.ok) throw new StartFailure(1, loaded.failure.message);
  const { config } = loaded;
  let text = "";
  const log = new ServerLog(
    {
      now: () => Date.now() * 1000,
      pid: process.pid,
      write: (lines) => {
        text += lines;
      },
    },
    {
      log_info: config.logInfo,
      log_warning: config.logWarning,
      log_error: config.logError,
      log_verbose_level: config.logVerbose,
      log_format: config.logFormat,
    },
  );
  const emulator = await createEmulator({ config, log, extraBackends }).catch((error: unknown) => {
    if (error instanceof TritonError)
      throw new StartFailure(1, `${withoutLogPrefix(text)}${error.asString()}`);
    throw error;
  });
  return {
    httpPort: emulator.ports.http ?? 0,
    grpcPort: emulator.ports.grpc ?? 0,
    metricsPort: emulator.ports.metrics ?? 0,
    sagemakerPort: emulator.ports.sagemaker ?? 0,
    output: () => withoutLogPrefix(text),
    signal: () => {
      throw new Error("a server in this process takes no signals");
    },
    exited: new Promise(() => {}),
    stop: async () => {
      await emulator.stop();
    },
  };
};
