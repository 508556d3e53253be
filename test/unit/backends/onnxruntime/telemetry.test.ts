import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../../emulator/parity/cases/model-repository.ts";
import { startServerProcess } from "../../../../emulator/parity/targets/server-process.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** Where ONNX Runtime 1.30 keeps its device id and events, below the user's cache folder. */
const telemetryFolder = join("Microsoft", "DeveloperTools", ".onnxruntime");

/**
 * On a CI machine ONNX Runtime keeps no telemetry in any case, and both answers below would be "no". These are the variables by
 * which it knows one (read from the library of 1.30); an empty one counts as none.
 */
const notOnCi = Object.fromEntries(
  [
    ...["CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "TRAVIS", "JENKINS_URL"],
    ...["CODEBUILD_BUILD_ID", "BUILDKITE", "TEAMCITY_VERSION", "APPVEYOR", "BITBUCKET_BUILD_NUMBER"],
  ].map((name) => [name, ""]),
);

const keepsTelemetry = async (setting: Readonly<Record<string, string>>): Promise<boolean> => {
  using home = temporaryFolder();
  const server = await startServerProcess([process.execPath, join(root, "emulator/main.ts"), "serve"], {
    repository: join(root, "model-repo"),
    flags: [
      "--emulator-port=0",
      "--allow-sagemaker=false",
      "--model-control-mode=explicit",
      "--load-model=simple",
    ],
    env: {
      ...notOnCi,
      ORT_DISABLE_TELEMETRY: "",
      HOME: home.path,
      XDG_CACHE_HOME: join(home.path, ".cache"),
      ...setting,
    },
    ownProcess: true,
  });
  await server.stop();
  return existsSync(join(home.path, ".cache", telemetryFolder));
};

test("telemetry of ONNX Runtime: nothing is written for it when a model is served", async () => {
  expect(await keepsTelemetry({})).toBe(false);
});

test.runIf(process.platform === "linux")(
  "telemetry of ONNX Runtime: stays on where the user's environment says so",
  async () => {
    expect(await keepsTelemetry({ ORT_DISABLE_TELEMETRY: "0" })).toBe(true);
  },
);
