/**
 * What the image of a SageMaker Triton container makes of its environment before it starts tritonserver: the script `serve`
 * (spec/sagemaker-mme.md 1.8). Ports and threads of the platform's own are left out: nothing of such a container is reached
 * over a port here.
 */

/** Variables that become the flag in front of their value. */
const flags = {
  SAGEMAKER_TRITON_DISABLE_MODEL_NAMESPACING: "--model-namespacing=",
  SAGEMAKER_TRITON_BUFFER_MANAGER_THREAD_COUNT: "--buffer-manager-thread-count=",
  SAGEMAKER_TRITON_THREAD_COUNT: "--sagemaker-thread-count=",
  SAGEMAKER_TRITON_LOG_VERBOSE: "--log-verbose=",
  SAGEMAKER_TRITON_LOG_INFO: "--log-info=",
  SAGEMAKER_TRITON_LOG_WARNING: "--log-warning=",
  SAGEMAKER_TRITON_LOG_ERROR: "--log-error=",
  SAGEMAKER_TRITON_SHM_DEFAULT_BYTE_SIZE: "--backend-config=python,shm-default-byte-size=",
  SAGEMAKER_TRITON_SHM_GROWTH_BYTE_SIZE: "--backend-config=python,shm-growth-byte-size=",
  SAGEMAKER_TRITON_TENSORFLOW_VERSION: "--backend-config=tensorflow,version=",
} as const;

/** What the script says where nothing is set. */
const defaults: Readonly<Record<string, string>> = {
  // The name promises the opposite, but the script passes the value on as it is.
  SAGEMAKER_TRITON_DISABLE_MODEL_NAMESPACING: "true",
};

export interface ServeCommand {
  /** Flags of tritonserver. */
  readonly args: readonly string[];
  /** What tritonserver itself reads from the environment. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface ServeOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** GPUs of the instance. */
  readonly gpuCount: number;
  /** Null = many models, of an empty repository. */
  readonly singleModel: { readonly repository: string; readonly defaultModel: string } | null;
}

export const serveCommand = ({ environment, gpuCount, singleModel }: ServeOptions): ServeCommand => {
  const settingOf = (name: string): string | undefined => environment[name] || defaults[name];
  const args = Object.entries(flags).flatMap(([name, flag]) => {
    const value = settingOf(name);
    return value === undefined ? [] : [`${flag}${value}`];
  });
  const gpuLimit = environment.SAGEMAKER_TRITON_MODEL_LOAD_GPU_LIMIT;
  if (gpuLimit) {
    for (let gpu = 0; gpu < gpuCount; gpu++) args.push(`--model-load-gpu-limit=${gpu}:${gpuLimit}`);
  }
  args.push("--model-control-mode=explicit");
  if (singleModel !== null)
    args.push(`--model-repository=${singleModel.repository}`, `--load-model=${singleModel.defaultModel}`);
  args.push(...(environment.SAGEMAKER_TRITON_ADDITIONAL_ARGS ?? "").split(/\s+/).filter((arg) => arg !== ""));
  return {
    args,
    environment: {
      ...pingMode(environment),
      ...(singleModel === null ? {} : { SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: singleModel.defaultModel }),
    },
  };
};

/** The script assigns it without exporting it: it shows only where the environment has that name already. */
const pingMode = (environment: ServeOptions["environment"]): Readonly<Record<string, string>> => {
  if (environment.SAGEMAKER_TRITON_PING_MODE === undefined) return {};
  const mode = environment.SAGEMAKER_TRITON_OVERRIDE_PING_MODE || "live";
  return { SAGEMAKER_TRITON_PING_MODE: mode };
};
