import { expect, test } from "vitest";
import { serveCommand } from "../../../../emulator/aws/containers/serve-arguments.ts";

const many = (environment: Readonly<Record<string, string>>, gpuCount = 1) =>
  serveCommand({ environment, gpuCount, singleModel: null });

test("serve: many models, without an environment", () => {
  expect(many({})).toEqual({
    args: ["--model-namespacing=true", "--model-control-mode=explicit"],
    environment: {},
  });
});

test("serve: variables become flags of tritonserver; the one for namespaces is passed on as it is", () => {
  const { args } = many({
    SAGEMAKER_TRITON_DISABLE_MODEL_NAMESPACING: "false",
    SAGEMAKER_TRITON_THREAD_COUNT: "3",
    SAGEMAKER_TRITON_LOG_INFO: "false",
    SAGEMAKER_TRITON_SHM_DEFAULT_BYTE_SIZE: "1024",
    SAGEMAKER_TRITON_TENSORFLOW_VERSION: "",
    OTHER: "1",
  });
  expect(args).toEqual([
    "--model-namespacing=false",
    "--sagemaker-thread-count=3",
    "--log-info=false",
    "--backend-config=python,shm-default-byte-size=1024",
    "--model-control-mode=explicit",
  ]);
});

test("serve: a limit of GPU memory is said for each GPU; further arguments are split at spaces", () => {
  const { args } = many(
    {
      SAGEMAKER_TRITON_MODEL_LOAD_GPU_LIMIT: "0.8",
      SAGEMAKER_TRITON_ADDITIONAL_ARGS: " --strict-readiness=false  --exit-timeout-secs=3 ",
    },
    2,
  );
  expect(args).toEqual([
    "--model-namespacing=true",
    "--model-load-gpu-limit=0:0.8",
    "--model-load-gpu-limit=1:0.8",
    "--model-control-mode=explicit",
    "--strict-readiness=false",
    "--exit-timeout-secs=3",
  ]);
});

test("serve: the ping mode shows only where the environment already has its name", () => {
  expect(many({ SAGEMAKER_TRITON_OVERRIDE_PING_MODE: "live" }).environment).toEqual({});
  expect(many({ SAGEMAKER_TRITON_PING_MODE: "ready" }).environment).toEqual({
    SAGEMAKER_TRITON_PING_MODE: "live",
  });
  expect(
    many({ SAGEMAKER_TRITON_PING_MODE: "", SAGEMAKER_TRITON_OVERRIDE_PING_MODE: "ready" }).environment,
  ).toEqual({ SAGEMAKER_TRITON_PING_MODE: "ready" });
});

test("serve: one model is loaded at the start, and is what /invocations asks", () => {
  const singleModel = { repository: "/opt/ml/model", defaultModel: "m" };
  expect(serveCommand({ environment: {}, gpuCount: 0, singleModel })).toEqual({
    args: [
      "--model-namespacing=true",
      "--model-control-mode=explicit",
      "--model-repository=/opt/ml/model",
      "--load-model=m",
    ],
    environment: { SAGEMAKER_TRITON_DEFAULT_MODEL_NAME: "m" },
  });
});
