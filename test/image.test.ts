import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { type Engine, runningEngine } from "../emulator/parity/real-triton/engine.ts";
import { serverImage } from "../emulator/parity/real-triton/image.ts";
import { programPath, run } from "../emulator/parity/real-triton/programs.ts";
import { Unavailable } from "../emulator/parity/real-triton/unavailable.ts";
import { TritonLocalContainer } from "../emulator/testing/testcontainers.ts";
import "../emulator/testing/vitest.ts";
import { syntheticArchive } from "./support/archives.ts";
import { grpcInference, jsonInference, MODEL_INFER, sendGrpc, sendHttp } from "./support/infer-requests.ts";
import { docker, imageSize, ownImage } from "./support/own-image.ts";
import { SAMPLE_REPOSITORY } from "./support/own-server.ts";

/** Stated in docs/containers.md. */
const LARGEST_IMAGE_BYTES = 250e6;

const LABEL = "triton-local.test";
const say = (line: string): void => void process.stderr.write(`${line}\n`);

let engine: Engine;
let image = "";
let missing: Unavailable | null = null;

beforeAll(async () => {
  try {
    engine = await runningEngine();
    image = await ownImage(engine, say);
    // testcontainers knows the environment only.
    for (const [name, value] of Object.entries(engine.env)) process.env[name] ??= value;
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    missing = error;
  }
}, 600_000);

const needsImage = (context: TestContext): void => {
  if (missing !== null) context.skip(`${missing.message}: ${missing.remedy}`);
};

const ones = Array.from({ length: 16 }, () => 1);
const sums = ones.map(() => 2);

/** What `simple` answers over HTTP and over gRPC is right. */
const simpleAnswers = async (httpPort: number, grpcPort: number): Promise<void> => {
  const names = ["INPUT0", "INPUT1"];
  const json = jsonInference(
    "simple",
    names.map((name) => ({ name, datatype: "INT32", shape: [1, 16], data: ones })),
  );
  const { status, body } = await sendHttp(httpPort, "POST", json.path, json.headers, json.body);
  expect(status, body.toString()).toBe(200);
  expect(JSON.parse(body.toString()).outputs[0].data).toEqual(sums);

  const data = Buffer.from(Int32Array.from(ones).buffer);
  const inputs = names.map((name) => ({ name, datatype: "INT32", shape: [1, 16], data }));
  const grpc = await sendGrpc(grpcPort, MODEL_INFER, grpcInference("simple", inputs, ["OUTPUT0"]));
  expect(grpc.status).toBe("0");
  expect(grpc.body.includes(Buffer.from(Int32Array.from(sums).buffer))).toBe(true);
};

describe("image", () => {
  /** As narrow as docs/containers.md has it. */
  const narrow = (): GenericContainer =>
    readOnly(
      new GenericContainer(image)
        .withLabels({ [LABEL]: "image" })
        .withExposedPorts(8000, 8001, 8002, 8080, 4570)
        .withTmpFs({ "/tmp": "" })
        .withDroppedCapabilities("ALL")
        .withSecurityOpt("no-new-privileges")
        .withResourcesQuota({ memory: 0.25 })
        .withWaitStrategy(Wait.forHealthCheck()),
    );

  const evaluate = async (container: StartedTestContainer, script: string): Promise<unknown> => {
    const { output, exitCode } = await container.exec(["node", "-p", `JSON.stringify(${script})`]);
    expect(exitCode, output).toBe(0);
    return JSON.parse(output);
  };

  test("image: serves the sample models on every port, not as root, with nothing to write to but /tmp, in 256 MiB, and ends on SIGTERM", {
    timeout: 120_000,
  }, async (context) => {
    needsImage(context);
    const container = await narrow().start();
    const id = container.getId();
    try {
      expect(await evaluate(container, "[process.getuid(), process.getgid()]")).toEqual([1000, 1000]);
      await simpleAnswers(container.getMappedPort(8000), container.getMappedPort(8001));
      const paths: readonly [number, string][] = [
        [8002, "/metrics"],
        [8080, "/ping"],
        [4570, "/_emulator/health"],
      ];
      for (const [port, path] of paths) {
        expect((await sendHttp(container.getMappedPort(port), "GET", path)).status, path).toBe(200);
      }

      await docker(engine, "stop", "--time=60", id);
      expect(await docker(engine, "inspect", "--format={{.State.ExitCode}}", id)).toBe("0\n");
      const log = await run("sh", ["-c", `docker logs ${id} 2>&1`], { env: engine.env });
      expect(log).toContain("successfully unloaded 'simple' version 1");
    } finally {
      await docker(engine, "rm", "--force", id);
    }
  });

  test("image: has node, ONNX Runtime for its platform alone, no shell, no compiler, no package manager", {
    timeout: 120_000,
  }, async (context) => {
    needsImage(context);
    const container = await narrow().start();
    try {
      const folders = `process.env.PATH.split(":").filter((folder) => fs.existsSync(folder))`;
      expect(await evaluate(container, `${folders}.flatMap((folder) => fs.readdirSync(folder))`)).toEqual([
        "node",
      ]);
      const files = `fs.readdirSync("/opt/triton-local", { recursive: true })`;
      expect(await evaluate(container, `${files}.filter((name) => name.endsWith(".node"))`)).toHaveLength(1);
    } finally {
      await container.stop();
    }
  });

  test("image: is small", async (context) => {
    needsImage(context);
    expect(await imageSize(engine, image)).toBeLessThan(LARGEST_IMAGE_BYTES);
  });
});

/** The one limit that testcontainers has no method for. */
const readOnly = (container: GenericContainer): GenericContainer => {
  Reflect.set(Reflect.get(container, "hostConfig"), "ReadonlyRootfs", true);
  return container;
};

describe("TritonLocalContainer", () => {
  const folder = mkdtempSync(join(tmpdir(), "triton-local-container-"));
  const container = (): TritonLocalContainer =>
    new TritonLocalContainer(image).withLabels({ [LABEL]: "container" });

  beforeAll(() => {
    for (const name of ["a", "b", "c"]) {
      const archive = syntheticArchive(name, { "memory.gpu_weights_bytes": "6GiB" });
      writeFileSync(join(folder, `${name}.tar.gz`), archive);
    }
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("TritonLocalContainer: serves archives, and is asked, set back and restarted as an emulator in process is", async (context) => {
    needsImage(context);
    await using emulator = await container().withMachine("ml.g4dn.xlarge").withModelData(folder).start();
    const invoke = (model: string): Promise<number> =>
      fetch(`${emulator.env.AWS_ENDPOINT_URL}/endpoints/any/invocations`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Amzn-SageMaker-Target-Model": model },
        body: JSON.stringify({ inputs: [{ name: "IN", datatype: "INT32", shape: [1], data: [7] }] }),
      }).then(({ status }) => status);

    for (const model of ["a.tar.gz", "b.tar.gz", "c.tar.gz"]) expect(await invoke(model)).toBe(200);
    await expect(emulator).toHaveEvicted("a.tar.gz", "c.tar.gz");
    await expect(emulator).toHaveStayedUnder("95%", "gpu:0");
    const { http, metrics, sagemaker } = emulator.urls;
    for (const url of [`${http}/v2`, metrics, `${sagemaker}/ping`]) {
      expect((await fetch(url)).status, url).toBe(200);
    }

    await emulator.reset();
    await expect(emulator).not.toHaveLoaded("c.tar.gz");
    await emulator.faults.add({ operation: "infer", effect: "fail", message: "as asked for" });
    expect(await invoke("a.tar.gz")).toBe(424);
    await emulator.faults.clear();
    expect((await emulator.memory()).instances).toHaveLength(1);

    await emulator.restart();
    expect(await invoke("a.tar.gz")).toBe(200);
    expect(await emulator.explain("a.tar.gz")).toContain("a.tar.gz is in memory");
  });

  test("TritonLocalContainer: serves a repository", async (context) => {
    needsImage(context);
    await using emulator = await container().withModelRepository(SAMPLE_REPOSITORY).start();
    expect((await fetch(`${emulator.urls.http}/v2/models/simple/ready`)).status).toBe(200);
  });

  test("TritonLocalContainer: says at once why it does not start", async (context) => {
    needsImage(context);
    await expect(container().withMachine("ml.none").start()).rejects.toThrow("'ml.none' is neither a size");
  });
});

describe("docker-compose.yml", () => {
  const root = resolve(import.meta.dirname, "..");
  const text = readFileSync(join(root, "docker-compose.yml"), "utf8");
  const folder = mkdtempSync(join(tmpdir(), "triton-local-compose-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("docker-compose.yml: publishes on loopback alone, one port for each thing served", () => {
    const published = [...text.matchAll(/^ +- "(.*:\d+)"$/gm)].map(([, port = ""]) => port);
    expect(published).toHaveLength(9);
    const hostPorts = published.map((port) => /^127\.0\.0\.1:(\d+):\d+$/.exec(port)?.[1]);
    expect(new Set(hostPorts).size).toBe(9);
    expect(hostPorts).not.toContain(undefined);
  });

  const composes = [
    { version: 1, command: ["docker-compose"], install: "apt-get install docker-compose" },
    { version: 2, command: ["docker", "compose"], install: "install Docker's compose plugin" },
  ] as const;

  test.for(composes)(
    "docker-compose.yml: Compose $version starts the emulator, and with the profile a real Triton on the same models",
    {
      timeout: 600_000,
    },
    async ({ version, command: [program, ...first], install }, context) => {
      needsImage(context);
      const answers = programPath(program) !== null && (await isThere(program, [...first, "version"]));
      if (!answers) context.skip(`Compose ${version} is not installed: ${install}`);

      // The ports of the file may be taken.
      const file = join(folder, `compose-${version}.yml`);
      writeFileSync(file, text.replaceAll(/127\.0\.0\.1:\d+:/g, "127.0.0.1::"));
      const project = `triton-local-test-${process.pid}-${version}`;
      const env = {
        ...engine.env,
        TRITON_LOCAL_IMAGE: image,
        REAL_TRITON_IMAGE: await serverImage(engine, say),
        MODEL_REPOSITORY: SAMPLE_REPOSITORY,
      };
      const compose = (...args: readonly string[]): Promise<string> =>
        run(program, [...first, "--project-directory", root, "-f", file, "-p", project, ...args], { env });
      const portOf = async (service: string, port: number): Promise<number> =>
        Number((await compose("port", service, String(port))).trim().replace(/^127\.0\.0\.1:/, ""));
      const running = async (): Promise<number> => {
        const filter = `--filter=label=com.docker.compose.project=${project}`;
        return (await docker(engine, "ps", "--quiet", filter)).split("\n").filter((id) => id !== "").length;
      };
      try {
        await compose("up", "-d", "--no-build");
        expect(await running()).toBe(1);
        await compose("--profile", "real", "up", "-d", "--no-build");
        expect(await running()).toBe(2);
        for (const service of ["emulator", "triton"]) {
          const httpPort = await portOf(service, 8000);
          await expect.poll(() => isReady(httpPort), { timeout: 120_000, interval: 100 }).toBe(true);
          await simpleAnswers(httpPort, await portOf(service, 8001));
        }
      } finally {
        await compose("--profile", "real", "down", "--volumes");
      }
    },
  );
});

const isThere = (program: string, args: readonly string[]): Promise<boolean> =>
  run(program, args).then(
    () => true,
    () => false,
  );

const isReady = (httpPort: number): Promise<boolean> =>
  sendHttp(httpPort, "GET", "/v2/health/ready").then(
    ({ status }) => status === 200,
    () => false,
  );
