import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { promoteInitialisers } from "../../emulator/backends/onnxruntime/onnx-model.ts";
import { LINEAR_INPUTS, LINEAR_OUTPUTS, linearWeights } from "../../fixtures/sample-models/batched-linear.ts";
import golden from "../../fixtures/sample-models/golden.json" with { type: "json" };
import {
  encodeTexts,
  type GoldenInput,
  goldenCases,
  noisyImage,
} from "../../fixtures/sample-models/golden-cases.ts";
import { identityDataTypes } from "../../fixtures/sample-models/identity.ts";
import { sampleModels } from "../../fixtures/sample-models/sample-models.ts";

const repository = join(import.meta.dirname, "../../model-repo");

const modelFile = (name: string): Buffer => readFileSync(join(repository, name, "1", "model.onnx"));

const open = (model: Uint8Array): Promise<InferenceSession> =>
  InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 4 });

const toTensor = ({ datatype, shape, data }: GoldenInput): Tensor =>
  datatype === "FP32"
    ? new Tensor("float32", Float32Array.from(data), shape)
    : new Tensor("int64", BigInt64Array.from(data, BigInt), shape);

/** Runs a model whose outputs are all FP32, and gives its only output. */
const infer = async (session: InferenceSession, inputs: readonly GoldenInput[]): Promise<number[]> => {
  const outputs = await session.run(Object.fromEntries(inputs.map((input) => [input.name, toTensor(input)])));
  const data = Object.values(outputs)[0]?.data;
  if (!(data instanceof Float32Array)) throw new Error("no FP32 output");
  return [...data];
};

const largestDifference = (left: readonly number[], right: readonly number[]): number => {
  expect(left).toHaveLength(right.length);
  return Math.max(...left.map((value, i) => Math.abs(value - (right[i] ?? Number.NaN))));
};

const stack = (name: string, ...images: readonly GoldenInput[]): GoldenInput => ({
  name,
  datatype: "FP32",
  shape: [images.length, ...(images[0]?.shape.slice(1) ?? [])],
  data: images.flatMap((image) => image.data),
});

/** onnxruntime-node passes on no value for an optional input, so the model gets it as a required one. */
const withRequired = (model: Uint8Array, name: string): Uint8Array =>
  promoteInitialisers(model, new Set([name]), () => new Uint8Array(0)).model;

describe("sample models: files", () => {
  test("every model file of the repository is made by the script, and the other way round", () => {
    const made = readdirSync(repository).filter((name) =>
      existsSync(join(repository, name, "1", "model.onnx")),
    );
    expect(made.sort()).toEqual([...sampleModels.keys()].sort());
  });

  test.each([...sampleModels])("%s: the script makes the committed bytes, below 1 MB", (name, make) => {
    const committed = modelFile(name);
    expect(Buffer.compare(make(), committed)).toBe(0);
    expect(committed.length).toBeLessThan(1_000_000);
  });

  test("convnet: labels.txt has one line for each probability", async () => {
    const labels = readFileSync(join(repository, "convnet", "labels.txt"), "utf8")
      .trimEnd()
      .split("\n");
    const probabilities = await infer(await open(modelFile("convnet")), [
      noisyImage("image", 224, [0, 0, 0], 0.1, 1),
    ]);
    expect(labels).toHaveLength(probabilities.length);
  });
});

describe("sample models: exact answers", () => {
  const left = Int32Array.from({ length: 32 }, (_, i) => 3 * i - 7);
  const right = Int32Array.from({ length: 32 }, (_, i) => 100 - i * i);
  const sums = left.map((value, i) => value + (right[i] ?? 0));
  const differences = left.map((value, i) => value - (right[i] ?? 0));

  test("simple: adds and subtracts, in a batch", async () => {
    const { OUTPUT0, OUTPUT1 } = await (await open(modelFile("simple"))).run({
      INPUT0: new Tensor("int32", left, [2, 16]),
      INPUT1: new Tensor("int32", right, [2, 16]),
    });
    expect(OUTPUT0?.data).toEqual(sums);
    expect(OUTPUT1?.data).toEqual(differences);
  });

  test("simple_string: adds and subtracts decimal strings, in a batch", async () => {
    const { OUTPUT0, OUTPUT1 } = await (await open(modelFile("simple_string"))).run({
      INPUT0: new Tensor("string", Array.from(left, String), [2, 16]),
      INPUT1: new Tensor("string", Array.from(right, String), [2, 16]),
    });
    expect(OUTPUT0?.data).toEqual(Array.from(sums, String));
    expect(OUTPUT1?.data).toEqual(Array.from(differences, String));
  });

  test("simple_string: fails, when a string is no number", async () => {
    const session = await open(modelFile("simple_string"));
    const words = new Tensor("string", Array<string>(16).fill("one"), [1, 16]);
    await expect(session.run({ INPUT0: words, INPUT1: words })).rejects.toThrow("Cast");
  });

  test.each(["simple_identity", ...identityDataTypes.map((type) => `identity_${type.toLowerCase()}`)])(
    "%s: gives back what it got",
    async (name) => {
      const session = await open(modelFile(name));
      const input = session.inputMetadata[0];
      if (input?.isTensor !== true) throw new Error("the input is no tensor");
      const tensor = sixValues(input.type);
      const { OUTPUT0 } = await session.run({ INPUT0: tensor });
      expect(OUTPUT0?.type).toBe(tensor.type);
      expect(OUTPUT0?.dims).toEqual(tensor.dims);
      expect(elementsOrBytes(OUTPUT0?.data)).toEqual(elementsOrBytes(tensor.data));
    },
  );

  test("batched_linear: X W + b, in a batch", async () => {
    const { weight, bias } = linearWeights();
    const rows = 3;
    const x = Array.from({ length: rows * LINEAR_INPUTS }, (_, i) => (i % 17) - 8);
    const expected = Array.from({ length: rows * LINEAR_OUTPUTS }, (_, i) => {
      const row = Math.floor(i / LINEAR_OUTPUTS);
      const column = i % LINEAR_OUTPUTS;
      let sum = bias[column] ?? 0;
      for (let k = 0; k < LINEAR_INPUTS; k++) {
        sum += (x[row * LINEAR_INPUTS + k] ?? 0) * (weight[k * LINEAR_OUTPUTS + column] ?? 0);
      }
      return sum;
    });
    const input: GoldenInput = { name: "X", datatype: "FP32", shape: [rows, LINEAR_INPUTS], data: x };
    expect(await infer(await open(modelFile("batched_linear")), [input])).toEqual(expected);
  });
});

/** Strings as they are, numbers as bytes: a negative zero is not a zero, and FP16 comes back in another array type. */
const elementsOrBytes = (data: Tensor["data"] | undefined): unknown =>
  ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : data;

const sixValues = (type: Tensor.Type): Tensor => {
  const shape = [2, 3];
  switch (type) {
    case "bool":
      return new Tensor("bool", [true, false, true, true, false, false], shape);
    case "uint8":
      return new Tensor("uint8", Uint8Array.of(0, 1, 2, 127, 128, 255), shape);
    case "uint16":
      return new Tensor("uint16", Uint16Array.of(0, 1, 2, 32767, 32768, 65535), shape);
    case "uint32":
      return new Tensor("uint32", Uint32Array.of(0, 1, 2, 3, 2 ** 31, 2 ** 32 - 1), shape);
    case "uint64":
      return new Tensor(
        "uint64",
        BigUint64Array.of(0n, 1n, 2n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
        shape,
      );
    case "int8":
      return new Tensor("int8", Int8Array.of(-128, -1, 0, 1, 2, 127), shape);
    case "int16":
      return new Tensor("int16", Int16Array.of(-32768, -1, 0, 1, 2, 32767), shape);
    case "int32":
      return new Tensor("int32", Int32Array.of(-(2 ** 31), -1, 0, 1, 2, 2 ** 31 - 1), shape);
    case "int64":
      return new Tensor(
        "int64",
        BigInt64Array.of(-(2n ** 63n), -1n, 0n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n),
        shape,
      );
    case "float16": {
      // onnxruntime-node sees no bytes in a Float16Array, which Tensor makes of any data: "not enough space".
      const bits = Uint16Array.of(0xfbff, 0x8000, 0, 0x3800, 0x7c00, 1);
      return Object.defineProperty(new Tensor("float16", bits, shape), "data", { value: bits });
    }
    case "float32":
      return new Tensor(
        "float32",
        Float32Array.of(-1.5, -0, 0, 0.1, Number.POSITIVE_INFINITY, 2 ** -149),
        shape,
      );
    case "float64":
      return new Tensor(
        "float64",
        Float64Array.of(-1.5, -0, 0, 0.1, Number.NEGATIVE_INFINITY, 5e-324),
        shape,
      );
    case "string":
      return new Tensor("string", ["", "a", "zażółć", "日本語", "🎉", "two\nlines"], shape);
    default:
      throw new Error(`no values for ${type}`);
  }
};

describe("sample models: golden answers of the real server", () => {
  const answers = new Map(Object.entries(golden));

  test.each(goldenCases)("$name", async ({ name, model, inputs }) => {
    const file = modelFile(model);
    const hasPrior = inputs.some((input) => input.name === "prior_image");
    const session = await open(hasPrior ? withRequired(file, "prior_image") : file);
    expect(largestDifference(await infer(session, inputs), answers.get(name) ?? [])).toBeLessThan(1e-4);
  });
});

describe("sample models: convnet", () => {
  test.each([
    ["red", 0, [1, -1, -1]],
    ["green", 1, [-1, 1, -1]],
    ["blue", 2, [-1, -1, 1]],
    ["yellow", 3, [1, 1, -1]],
    ["cyan", 4, [-1, 1, 1]],
    ["magenta", 5, [1, -1, 1]],
    ["white", 6, [1, 1, 1]],
    ["black", 7, [-1, -1, -1]],
    ["grey", 8, [0, 0, 0]],
    ["orange", 9, [1, 0, -1]],
  ] as const)("the most probable label of a noisy %s image is its colour", async (_name, label, colour) => {
    const image = noisyImage("image", 224, colour, 0.4, 100 + label);
    const probabilities = await infer(await open(modelFile("convnet")), [image]);
    expect(probabilities.indexOf(Math.max(...probabilities))).toBe(label);
    expect(probabilities.reduce((sum, value) => sum + value)).toBeCloseTo(1, 5);
  });
});

describe("sample models: text_encoder", () => {
  const texts = ["the cat sits on the mat", "quarterly revenue grew by ten percent"];
  const embedding = async (text: string, padding = 0): Promise<number[]> =>
    infer(await open(modelFile("text_encoder")), encodeTexts([text], padding));

  test("the embedding has 384 values and length 1", async () => {
    const values = await embedding(texts[0] ?? "");
    expect(values).toHaveLength(384);
    expect(Math.hypot(...values)).toBeCloseTo(1, 5);
  });

  test("masked padding does not change the embedding, but other tokens and their order do", async () => {
    const plain = await embedding("the cat");
    expect(largestDifference(await embedding("the cat", 9), plain)).toBeLessThan(1e-5);
    expect(largestDifference(await embedding("the hat"), plain)).toBeGreaterThan(1e-2);
    expect(largestDifference(await embedding("tac eht"), plain)).toBeGreaterThan(1e-2);
  });

  test("a text has the same embedding alone and padded in a batch", async () => {
    const batch = await infer(await open(modelFile("text_encoder")), encodeTexts(texts));
    const alone = [...(await embedding(texts[0] ?? "")), ...(await embedding(texts[1] ?? ""))];
    expect(largestDifference(batch, alone)).toBeLessThan(1e-5);
  });

  test("the embedding is finite, when every token is masked", async () => {
    const [ids, mask] = encodeTexts(["the cat"]);
    const allMasked = { ...mask, data: mask.data.map(() => 0) };
    const values = await infer(await open(modelFile("text_encoder")), [ids, allMasked]);
    expect(values.every(Number.isFinite)).toBe(true);
  });
});

describe("sample models: temporal_image_encoder", () => {
  const file = modelFile("temporal_image_encoder");
  const current = noisyImage("current_image", 64, [0.2, 0.4, 0.6], 0.5, 21);
  const prior = noisyImage("prior_image", 64, [0.6, 0.4, 0.2], 0.5, 22);
  const otherPrior = noisyImage("prior_image", 64, [0.1, 0.1, 0.1], 0.5, 23);
  const zeros: GoldenInput = { ...prior, data: prior.data.map(() => 0) };

  test("only the current image is required", async () => {
    expect((await open(file)).inputNames).toEqual(["current_image"]);
  });

  test("a prior image changes the embedding, and another one changes it otherwise", async () => {
    const without = await infer(await open(file), [current]);
    const session = await open(withRequired(file, "prior_image"));
    const withPrior = await infer(session, [current, prior]);
    expect(Math.hypot(...without)).toBeCloseTo(1, 5);
    expect(Math.hypot(...withPrior)).toBeCloseTo(1, 5);
    expect(largestDifference(withPrior, without)).toBeGreaterThan(1e-2);
    expect(largestDifference(await infer(session, [current, otherPrior]), withPrior)).toBeGreaterThan(1e-3);
  });

  test("a prior image of zeros is the same as none, also for one image of a batch", async () => {
    const without = await infer(await open(file), [current]);
    const session = await open(withRequired(file, "prior_image"));
    expect(largestDifference(await infer(session, [current, zeros]), without)).toBeLessThan(1e-5);
    const batch = await infer(session, [
      stack("current_image", current, current),
      stack("prior_image", zeros, prior),
    ]);
    const expected = [...without, ...(await infer(session, [current, prior]))];
    expect(largestDifference(batch, expected)).toBeLessThan(1e-5);
  });

  test("every image of a batch without prior images has the embedding it has alone", async () => {
    const other = { ...otherPrior, name: "current_image" };
    const session = await open(file);
    const batch = await infer(session, [stack("current_image", current, other)]);
    const alone = [...(await infer(session, [current])), ...(await infer(session, [other]))];
    expect(largestDifference(batch, alone)).toBeLessThan(1e-5);
  });
});
