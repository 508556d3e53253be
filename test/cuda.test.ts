import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findGpus } from "../emulator/backends/onnxruntime/gpus.ts";
import golden from "../fixtures/sample-models/golden.json" with { type: "json" };
import { goldenCases } from "../fixtures/sample-models/golden-cases.ts";
import { OnnxGraph } from "../fixtures/sample-models/onnx-writer.ts";
import { OWN_SERVER, SAMPLE_REPOSITORY } from "./support/own-server.ts";
import { type ServerProcess, startServerProcess } from "./support/server-process.ts";

// All other tests find no GPU.
delete process.env.CUDA_VISIBLE_DEVICES;
const gpus = await findGpus(null);
if (gpus.count === 0)
  console.log(`CUDA was not checked: ${gpus.reason}; README.md, CUDA, says what to install`);

/** More than any GPU of today has. */
const TOO_MANY_ELEMENTS = 2 ** 40;

/** Models that fill a GPU, each with a sixteenth of it, then less. */
const FILLERS = 64;

/** The sum of as many values as the request says, all of which are made first. */
const filler = (): Uint8Array => {
  const graph = new OnnxGraph("filler");
  const shape = graph.input("SHAPE", "INT64", [1]);
  const value = graph.constant({ type: "FP32", dims: [1], values: Float32Array.of(1) });
  const filled = graph.node("Expand", [value, shape]);
  graph.node("ReduceSum", [filled, graph.ints(0)], {}, "SUM");
  graph.output("SUM", "FP32", [1]);
  return graph.finish();
};

const config = (name: string, kind: string): string => `name: "${name}"
backend: "onnxruntime"
input [ { name: "SHAPE" data_type: TYPE_INT64 dims: [ 1 ] } ]
output [ { name: "SUM" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { count: 1 kind: ${kind} } ]
`;

describe.skipIf(gpus.count === 0)("CUDA", () => {
  let folder: string;
  let server: ServerProcess;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "triton-local-cuda-"));
    const repository = join(folder, "repository");
    mkdirSync(repository);
    const samples = new Set(["simple", ...goldenCases.map(({ model }) => model)]);
    const loaded = [...samples, "filler_0", "filler_cpu"];
    for (const name of samples) symlinkSync(join(SAMPLE_REPOSITORY, name), join(repository, name));
    const fillers = Array.from({ length: FILLERS }, (_, i) => `filler_${i}`);
    for (const name of [...fillers, "filler_cpu"]) {
      mkdirSync(join(repository, name, "1"), { recursive: true });
      writeFileSync(join(repository, name, "1", "model.onnx"), filler());
      writeFileSync(
        join(repository, name, "config.pbtxt"),
        config(name, name === "filler_cpu" ? "KIND_CPU" : "KIND_GPU"),
      );
    }
    server = await startServerProcess(OWN_SERVER, {
      modelRepository: repository,
      flags: ["--model-control-mode=explicit", ...loaded.map((name) => `--load-model=${name}`)],
      logFile: join(folder, "server.log"),
      readyTimeoutMs: 180_000,
    });
  }, 200_000);

  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const call = async (path: string, body?: object): Promise<{ status: number; body: string }> => {
    const response = await fetch(`http://127.0.0.1:${server.httpPort}/v2/${path}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.text() };
  };

  const fill = (model: string, elements: number) =>
    call(`models/${model}/infer`, {
      inputs: [{ name: "SHAPE", datatype: "INT64", shape: [1], data: [elements] }],
    });

  test("a model without a kind gets an instance on every GPU, none of which falls back to the CPU", async () => {
    const log = readFileSync(join(folder, "server.log"), "utf8");
    expect(log).toContain("TRITONBACKEND_ModelInstanceInitialize: convnet_0_0 (GPU device 0)");
    expect(log).toContain("TRITONBACKEND_ModelInstanceInitialize: filler_cpu_0_0 (CPU device 0)");
    expect(log).not.toContain("CUDA is not to be had");
    const { instance_group: groups } = JSON.parse((await call("models/convnet/config")).body);
    expect(groups).toMatchObject([
      { kind: "KIND_GPU", count: 1, gpus: Array.from({ length: gpus.count }, (_, gpu) => gpu) },
    ]);
  });

  test("the server's process is one that the driver lists on the GPU", () => {
    const listed = spawnSync("nvidia-smi", ["--query-compute-apps=pid", "--format=csv,noheader"], {
      encoding: "utf8",
    });
    expect(listed.stdout.split("\n").map(Number)).toContain(server.pid);
  });

  test.each(goldenCases)(
    "$name: answers as the real server on a CPU, but for TF32",
    async ({ name, model, inputs }) => {
      const answer = await call(`models/${model}/infer`, { inputs });
      expect(answer.status, answer.body).toBe(200);
      const data: readonly number[] = JSON.parse(answer.body).outputs[0].data;
      const wanted: readonly number[] = Object.entries(golden).find(([key]) => key === name)?.[1] ?? [];
      expect(data).toHaveLength(wanted.length);
      const largest = Math.max(...data.map((value, i) => Math.abs(value - (wanted[i] ?? Number.NaN))));
      expect(largest).toBeLessThan(2e-2);
    },
  );

  test("integers are exact", async () => {
    const numbers = Array.from({ length: 16 }, (_, i) => i * 1_000_003);
    const tensor = (name: string) => ({ name, datatype: "INT32", shape: [1, 16], data: numbers });
    const { body } = await call("models/simple/infer", { inputs: [tensor("INPUT0"), tensor("INPUT1")] });
    expect(JSON.parse(body).outputs[0].data).toEqual(numbers.map((value) => 2 * value));
  });

  test("a run that the GPU has no memory for is refused in ONNX Runtime's words, and the next one is answered", async () => {
    const refused = await fill("filler_0", TOO_MANY_ELEMENTS);
    expect(refused.status).toBe(500);
    expect(refused.body).toContain(
      `Failed to allocate memory for requested buffer of size ${4 * TOO_MANY_ELEMENTS}`,
    );
    const answered = await fill("filler_0", 1000);
    expect(JSON.parse(answered.body).outputs[0].data).toEqual([1000]);
  });

  test("a GPU is full: the load fails in ONNX Runtime's words, not on the CPU, and works once a model is unloaded", async () => {
    const totalMiB = Number(
      spawnSync("nvidia-smi", ["--id=0", "--query-gpu=memory.total", "--format=csv,noheader,nounits"], {
        encoding: "utf8",
      }).stdout,
    );
    let elements = (totalMiB * 2 ** 20) / 16 / 4;
    let refused: { name: string; body: string } | null = null;
    for (let i = 1; i < FILLERS && refused === null; i++) {
      const name = `filler_${i}`;
      const load = await call(`repository/models/${name}/load`, {});
      if (load.status !== 200) refused = { name, body: load.body };
      else if ((await fill(name, Math.floor(elements))).status !== 200)
        elements = Math.max(1000, elements / 4);
    }
    // Which of its libraries misses memory first is another one each time, and not all say that it is memory.
    expect(refused?.body).toMatch(
      /onnx runtime error 1: Exception during initialization: .*(CUDA|CUBLAS|CUDNN) failure|Failed to allocate memory/,
    );
    expect((await call("repository/models/filler_1/unload", {})).status).toBe(200);
    expect(await call(`repository/models/${refused?.name}/load`, {})).toEqual({ status: 200, body: "" });
    expect(JSON.parse((await fill(refused?.name ?? "", 1000)).body).outputs[0].data).toEqual([1000]);
    expect(readFileSync(join(folder, "server.log"), "utf8")).not.toContain("CUDA is not to be had");
  });

  test("an instance for the CPU stays there", async () => {
    expect(JSON.parse((await fill("filler_cpu", 1000)).body).outputs[0].data).toEqual([1000]);
    const { instance_group: groups } = JSON.parse((await call("models/filler_cpu/config")).body);
    expect(groups).toMatchObject([{ kind: "KIND_CPU", gpus: [] }]);
  });
});
