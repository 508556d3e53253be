import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ServerLog } from "../../../emulator/common/server-log.ts";
import { TritonError } from "../../../emulator/common/status.ts";
import { loadConfig } from "../../../emulator/config/load.ts";
import { createEmulator } from "../../../emulator/emulator.ts";
import { startServerProcess } from "../../../emulator/parity/targets/server-process.ts";
import { withoutLogPrefix } from "../../../emulator/parity/targets/start-up.ts";
import {
  type RunningServer,
  StartFailure,
  type StartOptions,
  type Target,
} from "../../../emulator/parity/targets/target.ts";
import { PythonStandIn } from "../backends/python-stand-in.ts";

/** Our server with a stand-in for the Python backend: in this process where a case does not watch a process end. */
export const emulatorTarget: Target = {
  name: "triton-local",
  real: false,
  onnxRuntime: "1.30.0",
  start: (options) =>
    options.ownProcess ? startServerProcess([process.execPath, launcher], options) : startInProcess(options),
};

/** Long enough to be seen, short enough not to be waited for. */
const RELEASE_SECONDS = 0.3;

const launcher = fileURLToPath(new URL("../serve-with-python-stand-in.ts", import.meta.url));

const startInProcess = async ({ repository, flags, env }: StartOptions): Promise<RunningServer> => {
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
    environment: env,
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
  const emulator = await createEmulator({
    config,
    log,
    extraBackends: [new PythonStandIn(RELEASE_SECONDS)],
  }).catch((error: unknown) => {
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
