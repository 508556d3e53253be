import { expect, test } from "vitest";
import { loadConfig } from "../../../emulator/config/load.ts";
import { TritonLocalContainer } from "../../../emulator/testing/testcontainers.ts";

/** What testcontainers is told, which it shows to subclasses only. */
class Configured extends TritonLocalContainer {
  get told() {
    const { image, string } = this.imageName;
    const { environment, exposedPorts, directoriesToCopy, waitStrategy } = this;
    return { image, string, environment, exposedPorts, directoriesToCopy, waitStrategy };
  }
}

const configOf = (environment: Readonly<Record<string, string>>) => {
  const loaded = loadConfig({
    args: [],
    environment,
    readFile: () => "",
    defaultModelRepository: "/samples",
    cores: 1,
  });
  if (!loaded.ok) throw new Error(loaded.failure.message);
  return loaded;
};

test("TritonLocalContainer: serves everything on all addresses of the container, on the ports it exposes", () => {
  const { told } = new Configured("registry/triton-local:1");
  expect(told.string).toBe("registry/triton-local:1");
  const { config, notices } = configOf(told.environment);
  expect(notices).toEqual([]);
  expect(config).toMatchObject({ httpAddress: "0.0.0.0", grpcAddress: "0.0.0.0", metricsAddress: "0.0.0.0" });
  const { httpPort, grpcPort, metricsPort, sagemakerPort, emulatorPort, allowSagemaker } = config;
  expect(allowSagemaker).toBe(true);
  expect(told.exposedPorts).toEqual([httpPort, grpcPort, metricsPort, sagemakerPort, emulatorPort]);
});

test("TritonLocalContainer: waits for the health of the emulator, or for the end of its process", () => {
  const { waitStrategy, exposedPorts } = new Configured("any").told;
  expect(waitStrategy).toMatchObject({
    path: "/_emulator/health",
    port: exposedPorts.at(-1),
    options: { abortOnContainerExit: true },
  });
});

test("TritonLocalContainer: has its machine, and its folders where they are copied to", () => {
  const archives = new Configured("any").withMachine("ml.g4dn.xlarge").withModelData("/here/archives").told;
  const [copied] = archives.directoriesToCopy;
  expect(copied?.source).toBe("/here/archives");
  const { config } = configOf(archives.environment);
  expect(config.machine?.name).toBe("ml.g4dn.xlarge");
  expect(config.endpoint?.modelData).toBe(copied?.target);

  const models = new Configured("any").withModelRepository("/here/models").told;
  expect(models.directoriesToCopy).toEqual([
    { source: "/here/models", target: configOf(models.environment).config.modelRepository[0] },
  ]);
});
